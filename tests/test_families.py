"""A tiny random model of each architecture: trained, exported, and the same on both sides, by the real converter and trainer."""

import shutil

import pytest
from conftest import ROOT
from jobs import job, settings
from test_export import EXAMPLES, SYSTEM
from test_hub_base import edit, random_model, repository, write_sentencepiece  # noqa: F401  a fixture

from eval import parity
from train import base, cpu
from train.export import write_adapter, write_twin

# Sizes and settings that a family has beside those of random_model; `pieces`: its vocabulary is SentencePiece; `chat`: gets our template.
FAMILIES = {
    "Llama": {"tie_word_embeddings": True},
    "Mistral": {"pieces": True, "chat": "mistral", "sliding_window": None},
    "Gemma2": {"pieces": True, "chat": "gemma", "head_dim": 16, "query_pre_attn_scalar": 16},
}

pytestmark = pytest.mark.slow


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
