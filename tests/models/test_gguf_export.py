"""Export and the parity gate: what leaves is what was trained, and what is not is refused."""

import json

import gguf
import numpy as np
import pytest

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.inference import parity
from blogtwin.models import chat
from blogtwin.models.gguf_export import quantised_base, write_lora_gguf, write_merged_gguf
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.models.quantization import QUANTIZATIONS
from tests.support.adapters import EXAMPLES, SYSTEM, export_stage, make_adapter
from tests.support.workspace import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.model]  # torch, transformers and llama.cpp start up

# |Δ log p| of a twin whose weights are random, from which rounding takes more than from trained ones.
LARGEST_DELTA = {"f16": 0.05, "q8_0": 0.1, "q6_k": 0.1, "q5_k_m": 0.45, "q4_k_m": 0.65}


@pytest.fixture(scope="module")
def adapter(tiny, tmp_path_factory):
    return make_adapter(tiny, tmp_path_factory.mktemp("adapter"))


@pytest.fixture(scope="module")
def references(tiny, adapter):
    return parity.reference_logprobs(tiny, adapter, EXAMPLES, SYSTEM, 64)


@pytest.mark.parametrize("quantization", QUANTIZATIONS)
def test_merged_twin_is_the_trained_model(tiny, adapter, references, tmp_path, quantization):
    """transformers + PEFT and llama.cpp agree token by token, in all precisions: permutation, scale and names are
    right."""
    write_merged_gguf(
        tiny.gguf, adapter, tmp_path / "twin.gguf", quantization, tiny.tokenizer().chat_template, {"general.name": "t"}
    )
    numbers = parity.compare_export(references, tmp_path / "twin.gguf")
    assert parity.parity_failures("twin", numbers) == []
    assert numbers["delta_to_twin"] < LARGEST_DELTA[quantization] and numbers["delta_to_base"] > 1
    assert numbers["agreement_with_twin"] > 0.5 > numbers["agreement_with_base"]
    assert (tmp_path / "twin.gguf").stat().st_size < {"f16": 10, "q8_0": 7, "q6_k": 7}.get(quantization, 6) * 1e6


def test_adapter_on_the_base_is_the_trained_model(tiny, adapter, references, tmp_path):
    write_lora_gguf(tiny.gguf, adapter, tmp_path / "adapter.gguf", {"general.name": "t"})
    numbers = parity.compare_export(references, tiny.gguf, tmp_path / "adapter.gguf")
    assert parity.parity_failures("adapter", numbers) == []
    assert numbers["delta_to_twin"] < 0.1 and numbers["agreement_with_twin"] > 0.9


def test_a_wrong_row_order_is_seen(tiny, adapter, references, tmp_path, monkeypatch):
    """Leaving out the permutation of q and k, the classic converter mistake, shows in the numbers."""
    monkeypatch.setattr("blogtwin.models.gguf_export.ARCHITECTURES_THAT_PERMUTE", set())
    write_lora_gguf(tiny.gguf, adapter, tmp_path / "adapter.gguf", {"general.name": "t"})
    assert parity.compare_export(references, tiny.gguf, tmp_path / "adapter.gguf")["delta_to_twin"] > 0.1


def test_base_as_if_it_were_the_twin_fails_the_gate(tiny, references, tmp_path):
    write_merged_gguf(
        tiny.gguf, None, tmp_path / "twin.gguf", "q8_0", tiny.tokenizer().chat_template, {"general.name": "t"}
    )
    problems = parity.parity_failures("twin.gguf", parity.compare_export(references, tmp_path / "twin.gguf"))
    assert len(problems) == 1 and "nearer to the base model than to the trained twin" in problems[0]


def test_other_prompt_ids_and_a_lost_end_token_fail_the_gate(tiny, adapter, references, tmp_path):
    write_merged_gguf(
        tiny.gguf, adapter, tmp_path / "twin.gguf", "f16", tiny.tokenizer().chat_template, {"general.name": "t"}
    )
    ordinary = tiny.tokenizer().convert_tokens_to_ids("a")
    changed = [{**r, "text": r["text"] + " ", "end": ordinary} for r in references]
    problems = parity.parity_failures("twin.gguf", parity.compare_export(changed, tmp_path / "twin.gguf"))
    assert any("tokenises the prompt differently" in p for p in problems) and any("end token" in p for p in problems)


def test_stage_writes_files_that_tell_no_path(tiny, adapter, tmp_path, monkeypatch):
    """The stage keeps three files; names and digests are in their metadata, no folder of this machine anywhere in
    them."""
    export_stage(tiny, adapter, tmp_path, monkeypatch).main()
    made = tmp_path / "artifacts/gguf"
    assert sorted(f.name for f in made.iterdir()) == ["adapter.gguf", "parity.json", "twin.gguf"]
    for name in ("twin.gguf", "adapter.gguf"):
        content = (made / name).read_bytes()
        for private in (str(tmp_path), str(tiny.gguf.parent), "private-folder", "/tmp", "/home"):
            assert private.encode() not in content, f"{private} in {name}"
        fields = gguf.GGUFReader(made / name).fields
        assert fields["blogtwin.base_digest"].contents() == tiny.digest
        assert fields["blogtwin.train_digest"].contents() == "a" * 64
        assert fields["general.license"].contents() == tiny.license
    fields = gguf.GGUFReader(made / "twin.gguf").fields
    assert fields["tokenizer.ggml.eos_token_id"].contents() == tiny.tokenizer().eos_token_id
    assert fields["llama.rope.freq_base"].contents() == 10000.0
    assert json.loads((made / "parity.json").read_text())["twin"]["delta_to_twin"] < 0.1


def test_stage_refuses_an_adapter_that_changes_nothing(tiny, tmp_path, monkeypatch):
    """Trained, exported, and silently the base: the field's commonest failure ends in one sentence, and the files of
    before stay."""
    nothing = make_adapter(tiny, tmp_path / "nothing", zero=True)
    main = export_stage(tiny, nothing, tmp_path, monkeypatch).main
    (tmp_path / "artifacts/gguf").mkdir(parents=True)
    (tmp_path / "artifacts/gguf/twin.gguf").write_text("of before")
    with pytest.raises(UserError, match="failed the parity gate.*nearer to the base"):
        main()
    assert [f.name for f in (tmp_path / "artifacts/gguf").iterdir()] == ["twin.gguf"]
    assert (tmp_path / "artifacts/gguf/twin.gguf").read_text() == "of before"


def test_stage_refuses_an_adapter_of_another_base(tiny, adapter, tmp_path, monkeypatch):
    main = export_stage(tiny, adapter, tmp_path, monkeypatch).main
    path = tmp_path / "artifacts/adapter/backend.json"
    path.write_text(path.read_text().replace(tiny.digest, "0" * 64))
    with pytest.raises(UserError, match="was trained on .* run scripts/04_train.py again"):
        main()


def test_q8_0_is_smaller_and_near(tiny, tmp_path):
    """Quantised weights differ from the base's by at most half a step of their block's scale."""
    write_merged_gguf(tiny.gguf, None, tmp_path / "t.gguf", "q8_0", "x", {"general.name": "t"})
    before = {t.name: t for t in gguf.GGUFReader(tiny.gguf).tensors}
    for tensor in gguf.GGUFReader(tmp_path / "t.gguf").tensors:
        a = before[tensor.name].data.astype(np.float32)
        b = gguf.dequantize(tensor.data, tensor.tensor_type)
        assert np.abs(a - b).max() <= np.abs(a).max() / 127 * 0.6 + 1e-6
    assert (tmp_path / "t.gguf").stat().st_size < 0.65 * tiny.gguf.stat().st_size + 3_000_000


def test_a_broken_gguf_is_one_sentence(tmp_path):
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(OSError, match="llama.cpp can't load .*broken.gguf"):
        LlamaModel(tmp_path / "broken.gguf")


def test_the_template_in_an_export_renders_the_same_for_us_and_for_llama_cpp(tiny, adapter, tmp_path):
    """The embedded engine and llama.cpp's own server read the pinned template as transformers does, and both tell
    llama.cpp's reason for a bad file."""
    from blogtwin.inference import llama_server, upstream_server

    write_merged_gguf(
        tiny.gguf, adapter, tmp_path / "twin.gguf", "q8_0", tiny.tokenizer().chat_template, {"general.name": "t"}
    )
    messages = chat.prompt_messages(EXAMPLES[0], SYSTEM)
    expected = tiny.tokenizer().apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    with llama_server.serve_model(tmp_path / "twin.gguf", "twin") as engine:
        assert (
            llama_server.render_prompt(engine, messages) == expected == chat.render_prompt(tiny.tokenizer(), messages)
        )
    assert upstream_server.render_prompts(tmp_path / "twin.gguf", [messages]) == [expected]
    (tmp_path / "broken.gguf").write_bytes(b"GGUF" + b"\0" * 100)
    with (
        pytest.raises(OSError, match="can't load .*broken.gguf.*fail"),
        llama_server.serve_model(tmp_path / "broken.gguf", "x"),
    ):
        pass
    with pytest.raises(OSError, match="can't serve .*broken.gguf"):
        upstream_server.render_prompts(tmp_path / "broken.gguf", [messages])


def test_an_export_whose_template_renders_otherwise_fails_the_gate(tiny, adapter, tmp_path, monkeypatch):
    """Its weights are right, and its tokenizer: only llama.cpp, which renders the template in the file, sees it."""
    monkeypatch.setattr(parity, "ADAPTER_DIR", adapter)
    params = load_params(ROOT / "params.yaml")
    write_lora_gguf(tiny.gguf, adapter, tmp_path / "adapter.gguf", {"general.name": "t"})
    template = tiny.tokenizer().chat_template
    for name, text in (("right", template), ("wrong", f"{template} ")):
        write_merged_gguf(tiny.gguf, adapter, tmp_path / "twin.gguf", "q8_0", text, {"general.name": "t"})
        if name == "right":
            assert parity.check_parity(tiny, tmp_path, EXAMPLES, params)["twin"]["prompt_ids_equal"]
    with pytest.raises(UserError, match="tokenises the prompt differently"):
        parity.check_parity(tiny, tmp_path, EXAMPLES, params)


def test_the_base_at_the_twins_precision_is_the_base(tiny, adapter, references):
    """Made once, nearer to the base than to the twin, and as good a copy as the twin is of what was trained."""
    made = quantised_base(tiny, "q8_0")
    before = made.stat().st_mtime_ns
    assert quantised_base(tiny, "q8_0") == made and made.stat().st_mtime_ns == before
    assert not list(made.parent.glob(".*.tmp")) and quantised_base(tiny, "f16") != made
    numbers = parity.compare_export(references, made)
    assert numbers["delta_to_base"] < 0.1 < numbers["delta_to_twin"] and parity.parity_failures("base", numbers)
