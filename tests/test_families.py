"""A tiny random model of each architecture: trained, exported, and the same on both sides, by the real converter and trainer."""

import shutil

import pytest
import torch
from conftest import ROOT
from jobs import job, settings
from ollama_server import render
from test_export import EXAMPLES, SYSTEM
from test_hub_base import edit, random_model, repository, write_sentencepiece  # noqa: F401  a fixture

from eval import parity
from serve.engines import ollama as engine
from train import base, cpu
from train.export import write_adapter, write_twin

# Sizes and settings that a family has beside those of random_model; `pieces`: its vocabulary is SentencePiece; `chat`: gets our template.
FAMILIES = {
    "Llama": {"tie_word_embeddings": True},
    "Mistral": {"pieces": True, "chat": "mistral", "sliding_window": None},
    "Gemma2": {"pieces": True, "chat": "gemma", "head_dim": 16, "query_pre_attn_scalar": 16},
}
QUESTION = [{"role": "system", "content": "You write."}, {"role": "user", "content": "Who goes there?"}]
CHAT = [*QUESTION, {"role": "assistant", "content": "A dog."}, {"role": "user", "content": "And then?"}]


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def write_family(folder, kind: str, bpe) -> None:
    """A repository as the hub has it: byte pairs or SentencePiece, with a chat template of ours where models.yaml gives it one."""
    own = dict(FAMILIES[kind])
    pieces, chat_name = own.pop("pieces", False), own.pop("chat", None)
    if pieces:
        write_sentencepiece(folder, kind, **own)
        if kind == "Gemma2":  # its vocabulary puts no space before a text
            edit(folder / "tokenizer.json", normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"})
    else:
        shutil.copytree(bpe, folder)
        for file in folder.glob("*model*.safetensors"):
            file.unlink()
        random_model(kind, 49152, **own).save_pretrained(folder)
    if chat_name:
        shutil.copyfile(base.TEMPLATES / f"{chat_name}.jinja", folder / "chat_template.jinja")


@pytest.mark.slow
@pytest.mark.parametrize("kind", FAMILIES)
def test_a_family_is_trained_exported_and_the_same_on_both_sides(kind, repository, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setattr(base, "ROOT", tmp_path)
    write_family(tmp_path / kind, kind, repository)
    made = base.resolve(str(tmp_path / kind))
    work = job(made, tmp_path / "adapter", settings(max_steps=3, learning_rate=3e-2))
    numbers = cpu.train(work)
    assert numbers["loss_after"] < numbers["loss_before"], numbers
    references = parity.reference(made, work.folder, EXAMPLES[:1], SYSTEM, 48)
    write_twin(made.gguf, work.folder, tmp_path / "twin.gguf", "f16", made.tokenizer().chat_template, {"general.name": "t"})
    write_adapter(made.gguf, work.folder, tmp_path / "adapter.gguf", {"general.name": "t"})
    for files in ([tmp_path / "twin.gguf"], [made.gguf, tmp_path / "adapter.gguf"]):
        found = parity.compare(references, *files)
        assert parity.failures(kind, found) == [] and found["delta_to_twin"] < 0.05 < found["delta_to_base"], found


def test_capped_attention_is_gemmas():
    """Against transformers' own eager attention of Gemma 2, with scores that the cap bends."""
    from types import SimpleNamespace

    from transformers.models.gemma2.modeling_gemma2 import eager_attention_forward

    from train.loss import capped_attention

    torch.manual_seed(0)
    q, k, v = torch.randn(1, 4, 9, 16) * 3, torch.randn(1, 2, 9, 16) * 3, torch.randn(1, 2, 9, 16)
    module = SimpleNamespace(num_key_value_groups=2, training=False)
    mask = torch.full((9, 9), -torch.inf).triu(1)[None, None]
    theirs, _ = eager_attention_forward(module, q, k, v, mask, dropout=0.0, scaling=0.25, softcap=5.0)
    ours, _ = capped_attention(module, q, k, v, None, scaling=0.25, softcap=5.0)
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert not torch.allclose(ours, capped_attention(module, q, k, v, None, scaling=0.25, softcap=1e6)[0], atol=1e-2)


# --- models.yaml ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("messages", [QUESTION, CHAT], ids=["one question", "a conversation"])
@pytest.mark.parametrize("name", sorted(f.stem for f in base.TEMPLATES.glob("*.jinja")))
def test_our_chat_templates_are_the_same_in_ollamas_language(name, messages):
    """BOS is Ollama's own doing."""
    from transformers.utils.chat_template_utils import render_jinja_template

    eos = "<|endoftext|>" if name == "turns" else "</s>"
    text = (base.TEMPLATES / f"{name}.jinja").read_text()
    rendered, _ = render_jinja_template([messages], chat_template=text, add_generation_prompt=True, bos_token="", eos_token=eos)
    # Go's template writes the space before the answer, which in training belongs to it
    assert render(engine.template(name)["template"], messages).rstrip(" ") == rendered[0]


def test_every_model_says_what_is_needed():
    wanted = {"repo", "cuda", "license", "context", "billions", "template", "ram_gb", "vram_gb"}
    known = base.known()
    assert {"smollm2:135m", "llama3.2:1b", "llama3.2:3b", "llama3:8b", "mistral:7b", "phi3:mini", "tinyllama:1.1b", "qwen2.5:0.5b", "gemma2:2b", "dialogpt:medium"} == set(known)
    for name, entry in known.items():
        assert wanted <= set(entry), name
        assert not {"meta-llama", "google", "mistralai"} & {entry[k].split("/")[0] for k in ("repo", "cuda")}, f"{name}: gated"
        assert "chat" not in entry or (base.TEMPLATES / f"{entry['chat']}.jinja").is_file() and entry["chat"] == entry["template"]


def test_a_template_and_an_end_of_ours_take_the_place_of_the_models_own(tmp_path, monkeypatch):
    from types import SimpleNamespace

    saved = {}
    tokenizer = SimpleNamespace(chat_template="its own", eos_token="<eos>", eos_token_id=107)
    model = SimpleNamespace(config=SimpleNamespace(), generation_config=SimpleNamespace())
    monkeypatch.setattr(base.hub, "fetch", lambda name, entry: tmp_path)
    monkeypatch.setattr(base.hub, "read", lambda *_: (model, tokenizer))
    monkeypatch.setattr(base, "_save", lambda *a: saved.update(template=tokenizer.chat_template, end=tokenizer.eos_token))
    base._copy_of_hub_model(base.known()["gemma2:2b"], "gemma2:2b", tmp_path)
    assert saved == {"template": (base.TEMPLATES / "gemma.jinja").read_text(), "end": "<end_of_turn>"}
    assert model.config.eos_token_id == model.generation_config.eos_token_id == 107
