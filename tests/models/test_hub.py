"""A base model from the hub or a folder: fetched, converted by llama.cpp's own converter, and the same model on both
sides.

The hub is a local server that speaks its protocol (tests/support/hub_server.py); the converter is the real one, from
the package index.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tarfile

import gguf
import pytest

from blogtwin.errors import UserError
from blogtwin.inference import parity
from blogtwin.models import chat, hf_to_gguf, hub, registry
from blogtwin.models.gguf_export import write_lora_gguf, write_merged_gguf
from blogtwin.models.llama_cpp import LlamaModel
from tests.support.adapters import EXAMPLES, SYSTEM, make_adapter
from tests.support.hub_models import edit, write_sentencepiece
from tests.support.hub_server import COMMIT, Handler, Hub
from tests.support.workspace import ROOT, environment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.model,
    pytest.mark.network,
]  # torch, transformers, llama.cpp and its converter start up
NAME, REPO = "llama3.2:1b", "unsloth/Llama-3.2-1B-Instruct"
TEXTS = [
    "Hello  there,\n\n\n\ttabs – “naïve” café… she's, DON'T; 1,234.5 and 8 ½ (#1)",
    "<|im_start|>user\n 🙂 x<|im_end|>\n",
    "日本語 ² ٣ 3rd",
    "   leading",
    "a\r\nb \n c",
]


# --- the hub ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def patch():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


def point_at(patch, endpoint: str, cache) -> None:
    """What HF_ENDPOINT, HF_HUB_CACHE and HF_HUB_OFFLINE=0 do in a fresh process."""
    from huggingface_hub import constants

    patch.setattr(constants, "ENDPOINT", endpoint)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def server(repository, tmp_path, monkeypatch):
    """A hub that works until its `fault` is set, and an empty cache."""
    server = Hub(REPO, repository)
    with server.running() as endpoint:
        point_at(monkeypatch, endpoint, tmp_path / "cache")
        yield server


def fetch():
    return hub.download(NAME, registry.load_registry()[NAME])


def sentence(call, *arguments) -> str:
    """The one sentence that a mistake ends in."""
    with pytest.raises(UserError) as error:
        call(*arguments)
    text = str(error.value)
    assert "\n" not in text and text.endswith("."), text
    return text


# --- fetched, converted, trained, exported ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fetched(repository, tmp_path_factory, patch):
    """(base, hub): llama3.2:1b of registry.yaml, made ready from the hub by the real converter."""
    root = tmp_path_factory.mktemp("private-root")
    patch.setattr(registry, "ROOT", root)
    server = Hub(REPO, repository)
    with pytest.MonkeyPatch.context() as only_here, server.running() as endpoint:
        point_at(only_here, endpoint, root / "cache")
        return registry.resolve_base(NAME), server


def test_a_model_that_is_in_the_cache_is_known_to_be_there(server):
    """So that no command says that it downloads it; without its weights it is not there."""
    entry = registry.load_registry()[NAME]
    assert not hub.is_cached(entry)
    folder = hub.download(NAME, entry)
    assert hub.is_cached(entry)
    for file in folder.glob("*.safetensors"):
        file.unlink()
    assert not hub.is_cached(entry)


def test_only_what_is_needed_is_fetched(fetched, repository):
    made, server = fetched
    assert server.fetched() == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    }
    assert (made.name, made.repo, made.license, made.template) == (NAME, REPO, "llama3.2", "llama3")
    before = len(server.requests)
    assert registry.resolve_base(NAME) == made and len(server.requests) == before, "a base that is ready asks no hub"


def test_converted_gguf_is_the_model(fetched):
    """Architecture, rotary settings, vocabulary, end token and chat template, its date pinned."""
    made, _ = fetched
    tokenizer = made.tokenizer()
    reader = gguf.GGUFReader(made.gguf)
    field = {
        key: reader.fields[key].contents()
        for key in reader.fields
        if key.startswith(("general.", "llama.", "tokenizer."))
    }
    assert field["general.architecture"] == "llama" and field["llama.attention.head_count_kv"] == 2
    assert field["llama.rope.freq_base"] == 500000.0 and "rope_freqs.weight" in {t.name for t in reader.tensors}
    assert (
        field["tokenizer.ggml.pre"] == "smollm"
        and field["tokenizer.ggml.tokens"][2] == tokenizer.eos_token == "<|im_end|>"
    )
    assert field["tokenizer.ggml.eos_token_id"] == tokenizer.eos_token_id == 2
    assert field["tokenizer.chat_template"] == tokenizer.chat_template
    assert f"Today: {chat.PINNED_DATE}<|im_end|>" in chat.render_prompt(
        tokenizer, chat.prompt_messages(EXAMPLES[0], SYSTEM)
    )
    with LlamaModel(made.gguf) as scorer:
        assert [scorer.tokenize(text) for text in TEXTS] == tokenizer(TEXTS, add_special_tokens=False)["input_ids"]
        assert scorer.ends(tokenizer.eos_token_id)


def test_a_twin_on_it_passes_the_parity_gate(fetched, tmp_path):
    """Log-probabilities of transformers and llama.cpp agree for the base, for the merged twin and for the adapter
    alone."""
    made, _ = fetched
    adapter = make_adapter(made, tmp_path / "adapter")
    references = parity.reference_logprobs(made, adapter, EXAMPLES, SYSTEM, 64)
    plain = parity.compare_export(references, made.gguf)
    assert plain["delta_to_base"] < 0.01 and plain["agreement_with_base"] > 0.98 and plain["prompt_ids_equal"]
    write_merged_gguf(
        made.gguf, adapter, tmp_path / "twin.gguf", "f16", made.tokenizer().chat_template, {"general.name": "t"}
    )
    write_lora_gguf(made.gguf, adapter, tmp_path / "adapter.gguf", {"general.name": "t"})
    for files in ([tmp_path / "twin.gguf"], [made.gguf, tmp_path / "adapter.gguf"]):
        numbers = parity.compare_export(references, *files)
        assert (
            parity.parity_failures("twin", numbers) == [] and numbers["delta_to_twin"] < 0.02 < numbers["delta_to_base"]
        )


def test_no_path_is_written_down(fetched, repository):
    made, _ = fetched
    for path in [made.gguf, *made.hf.iterdir()]:
        for private in ("private-root", "private-hub", str(made.hf.parent), COMMIT):
            assert private.encode() not in path.read_bytes(), f"{private} in {path.name}"


@pytest.fixture
def conversion(fetched, monkeypatch):
    """The converter's work is taken from `fetched`, whose weights are the same; the calls are kept."""
    calls = []

    def copy(model, gguf, outtype, name):
        calls.append(name)
        shutil.copyfile(fetched[0].gguf, gguf)

    monkeypatch.setattr(hf_to_gguf, "hf_to_gguf", copy)
    return calls


def test_resolve_base_takes_a_folder(fetched, repository, tmp_path, monkeypatch, conversion):
    """By its path; its name is the folder's, and it is made again when the folder changes."""
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    folder = tmp_path / "my-model"
    shutil.copytree(repository, folder)
    made = registry.resolve_base(str(folder))
    assert (made.name, made.repo, made.template, made.digest) == ("my-model", "my-model", "chatml", fetched[0].digest)
    (folder / "gone.json").symlink_to("nowhere")
    assert registry.resolve_base(str(folder)) == made and conversion == ["my-model"]
    edit(folder / "generation_config.json", temperature=0.7)
    assert registry.resolve_base(str(folder)) == made and conversion == ["my-model"] * 2


def test_a_base_that_broke_off_is_made_again(repository, tmp_path, monkeypatch, conversion):
    """After a failure in the middle nothing looks ready, not even what was ready before."""
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    made = registry.resolve_base(str(repository))
    times = os.stat(repository / "config.json")
    os.utime(repository / "config.json", ns=(times.st_atime_ns, times.st_mtime_ns + 1))
    with monkeypatch.context() as failing:
        failing.setattr(hf_to_gguf, "hf_to_gguf", lambda *_: (_ for _ in ()).throw(UserError("No.")))
        sentence(registry.resolve_base, str(repository))
    assert not (made.hf.parent / "base.json").exists()
    os.utime(repository / "config.json", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert registry.resolve_base(str(repository)) == made and len(conversion) == 2


def test_other_tokens_are_seen_before_training(fetched, repository, tmp_path, monkeypatch, conversion):
    """A tokenizer that llama.cpp reads differently would only fail after training, at the parity gate: it fails at
    once."""
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    folder = tmp_path / "other"
    shutil.copytree(repository, folder)
    edit(
        folder / "tokenizer.json",
        pre_tokenizer={"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
    )
    assert "llama.cpp does not tokenise text as transformers does" in sentence(registry.resolve_base, str(folder))


@pytest.fixture(scope="module")
def pieces(fetched, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pieces") / "model"
    write_sentencepiece(folder)
    return registry.resolve_base(str(folder))


def test_a_sentencepiece_vocabulary_keeps_its_scores(pieces):
    """TinyLlama's way: without tokenizer.model the converter gives every token the same score, and llama.cpp merges
    others."""
    assert gguf.GGUFReader(pieces.gguf).fields["tokenizer.ggml.model"].contents() == "llama"
    texts = [
        "the harbour  wall\n\n and singing</s>\n<|assistant|>\nI stood",
        "   leading 12 “é”<|end|> the engine",
        "ferry\tcame",
    ]
    with LlamaModel(pieces.gguf) as scorer:
        assert [scorer.tokenize(text) for text in texts] == pieces.tokenizer()(texts, add_special_tokens=False)[
            "input_ids"
        ]


def test_another_architecture_that_reorders_its_rows(pieces, tmp_path):
    """Llama is not the only one whose q and k llama.cpp keeps in an order of its own; without it the gate would just
    pass."""
    adapter = make_adapter(pieces, tmp_path / "adapter")
    write_merged_gguf(
        pieces.gguf, adapter, tmp_path / "twin.gguf", "f16", pieces.tokenizer().chat_template, {"general.name": "t"}
    )
    numbers = parity.compare_export(
        parity.reference_logprobs(pieces, adapter, EXAMPLES[:1], SYSTEM, 64), tmp_path / "twin.gguf"
    )
    assert numbers["delta_to_twin"] < 0.02 < numbers["delta_to_base"] and numbers["prompt_ids_equal"]


# --- a hub that does not answer as it should --------------------------------------------------------------------------


def test_what_is_all_there_needs_no_hub(server):
    folder = fetch()
    server.fault = "busy"
    assert fetch() == folder


@pytest.mark.parametrize("fault", ["gated-401", "gated-403"])
def test_a_gated_repository_tells_where_to_accept_and_what_is_open(server, repository, fault):
    server.fault = fault
    link = f"http://127.0.0.1:{server.port}/{REPO}"
    assert f"accepted its licence: do so at {link} and run `hf auth login`" in sentence(fetch)
    text = sentence(hub.download, NAME, {"repo": REPO, "cuda": "unsloth/a-copy"})
    assert "or write repo: unsloth/a-copy, an open copy, in blogtwin/models/registry.yaml." in text


def test_a_repository_that_is_not_there(server):
    assert "has no repository nobody/none, or a private one" in sentence(hub.download, NAME, {"repo": "nobody/none"})


def test_a_token_that_is_not_valid(server):
    server.fault = "token"
    assert "refuses your token: run `hf auth login` again" in sentence(fetch)


@pytest.mark.parametrize(
    "fault, reason",
    [
        ("busy", "it answered 503"),
        ("silent", "no answer in time"),
        ("down", "no connection"),
        ("offline", "HF_HUB_OFFLINE is set"),
    ],
)
def test_no_hub_says_why_what_is_there_and_what_to_do(server, tmp_path, monkeypatch, fault, reason):
    from huggingface_hub import constants

    server.fault = fault
    monkeypatch.setattr(hub, "TIMEOUT_SECONDS", 0.5)
    if fault == "down":
        point_at(monkeypatch, "http://127.0.0.1:1", tmp_path / "cache")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", fault == "offline")
    text = sentence(fetch)
    assert (
        reason in text
        and f"nothing of it is in {tmp_path / 'cache'} yet" in text
        and "use train.base: smollm2:135m" in text
    )


def test_a_download_that_broke_off_is_never_whole_and_goes_on(server, repository, tmp_path):
    """Half the weights came: the sentence says what is kept, no folder is given, and the next try fetches only what
    lacks."""
    server.fault = "half"
    wanted = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
    kept = sum((repository / name).stat().st_size for name in wanted)
    assert f"{kept / 1e6:.1f} MB of it are in {tmp_path / 'cache'}" in sentence(fetch)
    server.fault = "busy"
    assert "it answered 503" in sentence(fetch)
    server.fault = ""
    server.requests.clear()
    assert (fetch() / "model.safetensors").read_bytes() == (repository / "model.safetensors").read_bytes()
    assert server.fetched() == {"model.safetensors"}


def flip(content: bytes) -> bytes:
    """The same size, one bit another."""
    return content[:-1] + bytes([content[-1] ^ 1])


def test_weights_that_came_with_a_flipped_bit_are_fetched_again(server, repository, tmp_path, monkeypatch):
    """The size is right, the SHA-256 is not: they are gone from the cache, and the next try fetches them, and only
    them."""
    weights = (repository / "model.safetensors").read_bytes()
    with monkeypatch.context() as on_the_way:
        on_the_way.setattr(Handler, "send_large", lambda handler, name: handler.send(200, flip(weights)))
        assert "model.safetensors of unsloth/Llama-3.2-1B-Instruct is corrupt (its SHA-256" in sentence(fetch)
    server.fault = "busy"
    assert "it answered 503" in sentence(fetch), "what is left is no whole model"
    server.fault = ""
    server.requests.clear()
    assert (fetch() / "model.safetensors").read_bytes() == weights
    assert server.fetched() == {"model.safetensors"}


@pytest.mark.parametrize("store", [False, True])
def test_a_cache_is_compared_without_a_hub(server, repository, tmp_path, store):
    """Also where its blob is itself a link, to the store that all repositories of a cache share; there files have other
    names."""
    folder = fetch()
    blob = folder / os.readlink(folder / "model.safetensors")
    if store:
        shared = tmp_path / "cache/blobs/ab" / f"ab{'0' * 62}"
        shared.parent.mkdir(parents=True)
        blob.rename(shared)
        blob.symlink_to(shared)
    server.fault = "busy"
    assert fetch() == folder
    weights = blob.resolve()
    weights.write_bytes(flip(weights.read_bytes()))
    assert "is corrupt" in sentence(fetch) and not weights.exists() and not blob.is_symlink()
    server.fault = ""
    assert (fetch() / "model.safetensors").read_bytes() == (repository / "model.safetensors").read_bytes()


def test_hf_endpoint_is_heard(server, tmp_path):
    """In a process of its own, by the hub's own variables, as a user behind a mirror sets them."""
    code = (
        "import sys; sys.path.insert(0, '.'); from blogtwin.console import run_cli; from blogtwin.models import"
        " registry; run_cli(lambda: print(registry.resolve_base('llama3.2:1b')))"
    )
    server.fault = "gated-401"
    variables = {
        "HF_ENDPOINT": f"http://127.0.0.1:{server.port}",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_OFFLINE": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**environment(tmp_path), **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (
        done.returncode == 1
        and done.stderr.startswith("error: train.base is llama3.2:1b, and unsloth/")
        and done.stderr.count("\n") == 1
    ), done.stderr


# --- folders that hold no whole model ---------------------------------------------------------------------------------


def cut_weights(folder):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:100_000])


BAD = {
    "no weights": (
        lambda f: [p.unlink() for p in f.glob("*model.*") if p.suffix != ".json"],
        "no file named model.safetensors",
    ),
    "not really weights": (
        lambda f: (f / "model.safetensors").unlink(),
        "can't be read",
    ),  # the other file, of PyTorch, is empty
    "cut weights": (cut_weights, "not fully covered"),
    "a pointer of Git LFS": (
        lambda f: (f / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\n"),
        "can't be read",
    ),
    "a layer is missing": (
        lambda f: edit(f / "config.json", num_hidden_layers=3),
        "is incomplete: 9 tensors are missing (model.layers.2.",
    ),
    "no tokenizer": (lambda f: [p.unlink() for p in f.glob("tokenizer*")], "tokenizer"),
    "no JSON": (lambda f: (f / "config.json").write_text("{"), "not a valid JSON"),
    "an unknown model": (lambda f: edit(f / "config.json", model_type="novel"), "`novel`"),
    "one that sees": (lambda f: edit(f / "config.json", model_type="llava"), "LlavaConfig"),
    "code of its own": (
        lambda f: edit(f / "config.json", model_type="novel", auto_map={"AutoConfig": "c.C"}),
        "custom code",
    ),
    "quantised": (
        lambda f: edit(f / "config.json", quantization_config={"quant_method": "bitsandbytes"}),
        "quantised weights, which can't be trained",
    ),
    "no chat template": (lambda f: (f / "chat_template.jinja").unlink(), "has no chat template"),
    "a template for no system": (
        lambda f: (f / "chat_template.jinja").write_text("{{ raise_exception('System role not supported') }}"),
        "System role not supported",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_folder_that_is_no_whole_chat_model_is_one_sentence(what, repository, tmp_path, monkeypatch, conversion):
    """And it leaves nothing behind that looks like a base."""
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    folder = tmp_path / "bad-model"
    shutil.copytree(repository, folder)
    spoil, expected = BAD[what]
    spoil(folder)
    text = sentence(registry.resolve_base, str(folder))
    assert "train.base is bad-model" in text and expected in text
    assert not list(tmp_path.glob("artifacts/base/*/base.json"))


def test_what_is_no_model_at_all_names_the_models(tmp_path):
    (tmp_path / "adapter_config.json").write_text("{}")
    assert "no folder with a config.json" in sentence(registry.registry_entry, str(tmp_path)) and NAME in sentence(
        registry.registry_entry, "unknown:1b"
    )


def test_a_gguf_that_is_none_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    assert "broken.gguf can't be read" in sentence(registry.resolve_base, str(tmp_path / "broken.gguf"))


def test_an_architecture_the_converter_does_not_know(repository, tmp_path):
    shutil.copytree(repository, tmp_path / "novel")
    edit(tmp_path / "novel/config.json", architectures=["NovelForCausalLM"])
    text = sentence(hf_to_gguf.hf_to_gguf, tmp_path / "novel", tmp_path / "x.gguf", "f16", "novel")
    assert "can't turn novel into a GGUF (Model NovelForCausalLM is not supported)" in text
    assert [p.name for p in tmp_path.iterdir()] == ["novel"]


# --- the converter ----------------------------------------------------------------------------------------------------


@pytest.fixture
def index(tmp_path, monkeypatch):
    """pip sees one folder, and nothing of this machine's settings; the converter would go to another."""
    for name in [n for n in os.environ if n.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setattr(hf_to_gguf, "CONVERTER_DIR", tmp_path / "share")
    return tmp_path / "index"


def write_sources(index) -> None:
    """A source distribution by the right name with another content, whose build would leave a trace."""
    index.mkdir()
    inside = index / f"llama_cpp_python-{hf_to_gguf.VERSION}"
    (inside / "vendor/llama.cpp").mkdir(parents=True)
    (inside / "vendor/llama.cpp/convert_hf_to_gguf.py").write_text("print('not the real one')")
    (inside / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "trace"\nbackend-path = ["."]\n'
    )
    (inside / "trace.py").write_text(f"open({str(index / 'ran')!r}, 'w')\n")
    with tarfile.open(index / f"{inside.name}.tar.gz", "w:gz") as archive:
        archive.add(inside, inside.name)


def test_other_sources_are_refused_before_anything_of_them_runs(index, monkeypatch):
    write_sources(index)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    assert "SHA-256 differs" in sentence(hf_to_gguf.ensure_converter)
    assert not (index / "ran").exists() and not list(index.parent.glob("share/*"))


def test_no_index_is_one_sentence_soon(index, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:1/simple")
    text = sentence(hf_to_gguf.ensure_converter)
    assert (
        "can't be downloaded (No matching distribution found" in text
        and "smollm2:135m, which does not need them" in text
    )
    assert not list(index.parent.glob("share/*"))


def test_half_an_archive_is_no_converter(index, tmp_path):
    write_sources(index)
    archive = next(index.glob("*.tar.gz"))
    (tmp_path / "half.tar.gz").write_bytes(archive.read_bytes()[:-100])
    with pytest.raises((EOFError, tarfile.ReadError)):
        hf_to_gguf._unpack(tmp_path / "half.tar.gz", tmp_path / "share/x")
    assert not list(tmp_path.glob("share/*"))


def test_the_stand_in_for_the_build_says_name_and_version(tmp_path):
    """pip takes the archive only if its metadata carry the name and version that were asked for."""
    (tmp_path / "build.py").write_text(hf_to_gguf.BACKEND)
    spec = importlib.util.spec_from_file_location("build_stand_in", tmp_path / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    info = tmp_path / module.prepare_metadata_for_build_wheel(str(tmp_path))
    assert f"Version: {hf_to_gguf.VERSION}\n" in (info / "METADATA").read_text()
