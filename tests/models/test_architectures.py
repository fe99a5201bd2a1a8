"""A tiny random model of each architecture: trained, exported, and the same on both sides, by the real converter and
trainer."""

import shutil

import gguf
import numpy as np
import pytest
import torch

from blogtwin.inference import ollama, parity, upstream_server
from blogtwin.models import chat, hf_to_gguf, registry
from blogtwin.models.gguf_export import write_lora_gguf, write_merged_gguf
from blogtwin.models.gguf_to_peft import write_peft_adapter
from blogtwin.models.llama_cpp import LlamaModel
from tests.support.adapters import EXAMPLES, SYSTEM, check_same_adapter
from tests.support.families import FAMILIES, phi3s, write_family
from tests.support.ollama_server import render
from tests.support.training_jobs import example, job, settings
from tests.support.workspace import ROOT
from train import cpu

pytestmark = [pytest.mark.slow, pytest.mark.model, pytest.mark.network]


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def resolve(kind: str, folder, monkeypatch):
    """The base made of a family's folder: by its path, or by its name of registry.yaml, as if it were what the hub
    gave.

    The converter knows how byte pairs are split by the ids that a certain text gets, and no Qwen2 or GPT-2 has the
    words of ours: a copy of it is told. That llama.cpp then splits a text as transformers does, `resolve` compares.
    """
    monkeypatch.setattr(registry, "ROOT", folder.parent)
    if "pre" in FAMILIES[kind]:
        real, share = hf_to_gguf.ensure_converter(), folder.parent / "share"
        path = shutil.copytree(real, share / real.name) / "conversion/base.py"
        code, known = path.read_text(), "        if res is None:\n"
        assert code.count(known) == 1
        path.write_text(code.replace(known, f"        res = {FAMILIES[kind]['pre']!r}\n{known}"))
        monkeypatch.setattr(hf_to_gguf, "CONVERTER_DIR", share)
    monkeypatch.setattr(registry.hub, "download", lambda name, entry: folder)
    return registry.resolve_base(FAMILIES[kind].get("entry", str(folder)))


def loss(references: list[dict], which: str) -> float:
    """Nats per token of what transformers says, a post at a time, in fp32."""
    return -float(
        np.concatenate([r[which][np.arange(len(r["completion"])), r["completion"]] for r in references]).mean()
    )


def check_prompts(kind: str, made, twin, references: list[dict]) -> None:
    """What the twin reads is the same bytes in training, in llama.cpp by the template in its GGUF, and in Ollama; and
    what it learns to say holds no thought."""
    begin = made.tokenizer().bos_token
    chats = [reference["messages"] for reference in references]
    more = [{"role": "assistant", "content": "Rain fell."}, {"role": "user", "content": "More."}]
    chats.append([*chats[0], *more])  # a conversation
    texts = [*(reference["text"] for reference in references), chat.render_prompt(made.tokenizer(), chats[-1])]
    everywhere = [upstream_server.render_prompts(twin, chats)]
    if "Today" not in texts[0]:  # some templates here say what day it is
        template = ollama.go_template(made.template)["template"]
        everywhere.append([render(template, messages) for messages in chats])
    for rendered in everywhere:
        for prompt, text in zip(rendered, texts, strict=True):
            assert chat.is_same_prompt(prompt, text, begin)
    said = [made.tokenizer().decode(reference["completion"]) for reference in references]
    assert not [text for text in said if "think" in text]
    assert all(text.endswith("<think>\n\n</think>\n\n") == (kind == "Qwen3") for text in texts)


@pytest.mark.parametrize("kind", ["Qwen3"])
def test_a_gguf_of_a_family_is_the_model_that_it_was_made_of(kind, repository, tmp_path, monkeypatch):
    """As it comes out of Ollama's store: weights, tokens and prompts are those of the folder."""
    from transformers import AutoModelForCausalLM

    write_family(tmp_path / kind, kind, repository)
    made = resolve(kind, tmp_path / kind, monkeypatch)
    again = registry.resolve_base(str(made.gguf))
    assert again.template == made.template
    messages = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": "Write 12 lines: “it’s” …"}]
    prompts = [chat.encode_prompt(one.tokenizer(), messages) for one in (made, again)]
    assert prompts[0] == prompts[1]
    one, other = (AutoModelForCausalLM.from_pretrained(base.hf).state_dict() for base in (made, again))
    assert one.keys() == other.keys()
    for name, weight in one.items():
        assert torch.allclose(weight.float(), other[name].float(), atol=0.02), name
    with torch.no_grad():
        for base in (made, again):
            model = AutoModelForCausalLM.from_pretrained(base.hf, dtype=torch.float32).eval()
            logits = model(torch.tensor([prompts[0]])).logits[0, -2]
            with LlamaModel(made.gguf) as scorer:
                served = scorer.log_likelihoods(prompts[0][:-1], prompts[0][-1:])
            assert float(torch.log_softmax(logits, -1)[prompts[0][-1]]) == pytest.approx(float(served[0]), abs=0.05)


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_family_is_trained_exported_and_the_same_on_both_sides(kind, repository, tmp_path, monkeypatch):
    """The trainer's loss is that of transformers and PEFT, every matrix of every block learns, and what llama.cpp runs
    is what was trained; the base is not."""
    write_family(tmp_path / kind, kind, repository)
    made = resolve(kind, tmp_path / kind, monkeypatch)
    work = job(made, tmp_path / "adapter", settings(max_steps=3, learning_rate=3e-2))
    numbers = cpu.train(work)
    assert numbers["loss_after"] < numbers["loss_before"], numbers
    valid = parity.reference_logprobs(made, work.output_dir, [example(50), example(51)], SYSTEM, 1000)
    assert (numbers["loss_before"], numbers["loss_after"]) == pytest.approx(
        (loss(valid, "base"), loss(valid, "twin")), rel=0.01
    )
    with LlamaModel(made.gguf) as scorer:  # a row's ids are those of its whole text, to its end token
        for r, i in zip(valid, (50, 51)):
            text = made.tokenizer().apply_chat_template(
                [*r["messages"], {"role": "assistant", "content": example(i)["output"]}], tokenize=False
            )
            ids = [*r["prompt"], *r["completion"]][:-1]
            assert scorer.tokenize(text)[: len(ids)] == ids
    references = parity.reference_logprobs(made, work.output_dir, EXAMPLES[:1], SYSTEM, 48)
    write_merged_gguf(
        made.gguf, work.output_dir, tmp_path / "twin.gguf", "f16", made.tokenizer().chat_template, {"general.name": "t"}
    )
    write_lora_gguf(made.gguf, work.output_dir, tmp_path / "adapter.gguf", {"general.name": "t"})
    write_peft_adapter(tmp_path / "adapter.gguf", made, tmp_path / "peft")
    check_same_adapter(work.output_dir, tmp_path / "peft")
    check_prompts(kind, made, tmp_path / "twin.gguf", references)
    learnt = {
        t.name.removesuffix(".lora_b"): np.abs(t.data).max()
        for t in gguf.GGUFReader(tmp_path / "adapter.gguf").tensors
        if t.name.endswith(".lora_b")
    }
    matrices = {t.name for t in gguf.GGUFReader(made.gguf).tensors if t.name.startswith("blk.") and len(t.shape) == 2}
    assert learnt.keys() == matrices and min(learnt.values()) > 0
    for files in ([tmp_path / "twin.gguf"], [made.gguf, tmp_path / "adapter.gguf"]):
        found = parity.compare_export(references, *files)
        assert parity.parity_failures(kind, found) == [] and found["delta_to_twin"] < 0.05 < found["delta_to_base"], (
            found
        )
    plain = parity.compare_export(references, made.gguf)
    assert parity.parity_failures(kind, plain) and plain["delta_to_base"] < 0.05 < plain["delta_to_twin"], plain


@pytest.mark.parametrize("name, swallows", [("my-model", True), ("my-Phi-3", False)])
def test_a_phi3_is_read_alike_under_any_name(name, swallows, repository, tmp_path, monkeypatch):
    """llama.cpp takes a model for a Phi-3 by its name, whose special tokens swallow blanks: it has to be one by its
    vocabulary, in the base as in a twin."""
    folder = tmp_path / name
    write_family(folder, "Phi3", repository)
    phi3s(folder, swallows)
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    made = registry.resolve_base(str(folder))  # which compares tokens
    write_merged_gguf(
        made.gguf,
        None,
        tmp_path / "twin.gguf",
        "f16",
        made.tokenizer().chat_template,
        {"general.name": f"blogtwin of Delphi3, on {name}"},
    )
    registry._check_tokens(made.hf, tmp_path / "twin.gguf", name)
