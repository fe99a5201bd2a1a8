"""Tiny random models of each architecture, as the hub has them."""

import json
import shutil

import torch

from blogtwin.models import chat
from tests.support.hub_models import QWEN3, edit, random_model, write_sentencepiece

# Sizes and settings that a family has beside those of random_model; `pieces`: its vocabulary is SentencePiece; `chat`:
# gets our template; `entry`: is that model of registry.yaml, fetched; `pre`: how llama.cpp splits its byte pairs;
# `thinks`: has Qwen3's own template.
FAMILIES = {
    "Llama": {"tie_word_embeddings": True},
    "Mistral": {"pieces": True, "chat": "mistral", "sliding_window": None},
    "Phi3": {"pieces": True, "entry": "phi3:mini", "sliding_window": 2047},
    "Qwen2": {"entry": "qwen2.5:0.5b", "pre": "qwen2", "tie_word_embeddings": True},
    "Qwen3": {"thinks": True, "pre": "qwen2", "tie_word_embeddings": True, "head_dim": 128},
    "Gemma2": {"pieces": True, "chat": "gemma", "head_dim": 16, "query_pre_attn_scalar": 16},
    "Gemma3Text": {"pieces": True, "chat": "gemma", "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 64},
    "GPT2": {"entry": "dialogpt:medium", "pre": "gpt-2"},
}


def write_family(folder, kind: str, bpe) -> None:
    """A repository as the hub has it: byte pairs or SentencePiece, with a chat template of ours where registry.yaml
    gives it one."""
    own = {k: v for k, v in FAMILIES[kind].items() if k not in ("entry", "pre")}
    pieces, chat_name, thinks = own.pop("pieces", False), own.pop("chat", None), own.pop("thinks", False)
    if pieces:
        write_sentencepiece(folder)
    else:
        shutil.copytree(bpe, folder)
    for file in folder.glob("*model*.safetensors"):
        file.unlink()
    if chat_name:
        shutil.copyfile(chat.TEMPLATES_DIR / f"{chat_name}.jinja", folder / "chat_template.jinja")
    if thinks:
        (folder / "chat_template.jinja").write_text(QWEN3)
    if kind in VOCABULARIES:
        VOCABULARIES[kind](folder)
    model = random_model(kind, 405 if pieces else 49152, **own)
    for weight in model.parameters():
        if weight.ndim == 1:  # biases and norms, which begin as 0 and 1: that one is lost would not be seen
            torch.nn.init.normal_(weight, float(weight.detach().mean()), 0.1)
    if kind == "GPT2":
        torch.save(model.state_dict(), folder / "pytorch_model.bin")
        model.config.save_pretrained(folder)
        edit(folder / "config.json", bos_token_id=0, eos_token_id=0)
    else:
        model.save_pretrained(folder)


def gemmas(folder) -> None:
    """No space is put before a text."""
    edit(folder / "tokenizer.json", normalizer={"type": "Replace", "pattern": {"String": " "}, "content": "▁"})


def phi3s(folder, swallows: bool = True) -> None:
    """Special tokens, most of which swallow the blanks after them, as those of the hub do."""
    at = {
        "<unk>": 0,
        "<s>": 1,
        "</s>": 2,
        "<|end|>": 400,
        "<|endoftext|>": 401,
        "<|assistant|>": 402,
        "<|system|>": 403,
        "<|user|>": 404,
    }
    plain = {"single_word": False, "lstrip": False, "normalized": False}
    added = [
        {
            "id": i,
            "content": t,
            "special": t != "</s>",
            "rstrip": swallows and t not in ("<unk>", "<s>", "<|endoftext|>"),
            **plain,
        }
        for t, i in at.items()
    ]
    edit(folder / "tokenizer.json", added_tokens=added)
    edit(folder / "tokenizer_config.json", eos_token="<|end|>", pad_token="<|endoftext|>")
    shutil.copyfile(chat.TEMPLATES_DIR / "phi3.jinja", folder / "chat_template.jinja")


def qwen2s(folder) -> None:
    """Text is split in Qwen's way."""
    from transformers.models.qwen2.tokenization_qwen2 import PRETOKENIZE_REGEX

    split = {"type": "Split", "pattern": {"Regex": PRETOKENIZE_REGEX}, "behavior": "Isolated", "invert": False}
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": False, "use_regex": False}
    edit(
        folder / "tokenizer.json",
        normalizer={"type": "NFC"},
        pre_tokenizer={"type": "Sequence", "pretokenizers": [split, bytes_]},
    )


def gpt2s(folder) -> None:
    """The older form, without a tokenizer.json; DialoGPT ends with <|endoftext|>."""
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in model["merges"]))
    (folder / "tokenizer_config.json").write_text('{"model_max_length": 1024}')
    for name in ("tokenizer.json", "chat_template.jinja"):
        (folder / name).unlink()


VOCABULARIES = {"Gemma2": gemmas, "Gemma3Text": gemmas, "Phi3": phi3s, "Qwen2": qwen2s, "Qwen3": qwen2s, "GPT2": gpt2s}
