"""A GGUF as a folder that transformers can train: weights dequantised, tokenizer, chat template, configuration.

transformers reads the weights of every type that the `gguf` package can dequantise. What it leaves out is put right
here: how the vocabulary splits text, special tokens, the scaling of rotary frequencies, and a template that is missing.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np

from blogtwin.errors import UserError
from blogtwin.models import chat, gguf_reader
from blogtwin.models.hub import first_sentence

CONTROL = 3  # types of tokens in a GGUF's vocabulary (gguf.TokenType)
IN_TEXT = (CONTROL, 4)  # and those that the model's makers defined: found in a text before it is split
VISION_TENSORS = ("v.", "mm.")
# What a text is split into before its bytes are merged, by tokenizer.ggml.pre: src/llama-vocab.cpp in llama.cpp.
SPLIT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
SPLITS = {"llama-bpe": SPLIT.format(digits="{1,3}"), "qwen2": SPLIT.format(digits="")}
# Llama 3.1 and later scale their rotary frequencies so; other values are found from the file.
LLAMA3_ROPE = {"low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
ROPE_TOLERANCE = 1e-4  # relative: the factors in a file have 32 bits


def dequantise(gguf: Path, name: str, ollama_template: str = "", own: str | None = None) -> tuple[Any, Any]:
    """(model in bf16, tokenizer) of a GGUF, ready to be saved. Raises UserError.

    `name`: of the base, for messages. `own`: the name of a chat template of this project, which takes the place of the
    file's. `ollama_template`: Ollama's own, by which one is chosen for a file without any.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig, modeling_gguf_pytorch_utils
    from transformers.utils import logging

    logging.disable_progress_bar()
    package: Any = modeling_gguf_pytorch_utils
    package.tqdm = lambda tensors, **_: tensors  # no progress bar of its own
    source = {"pretrained_model_name_or_path": str(gguf.parent), "gguf_file": gguf.name}
    try:
        reader = gguf_reader.open_gguf(gguf)
        _check_contents(reader, name)
        rope = rope_scaling(reader, name)
        with gguf_reader.use_fast_reader():
            model = AutoModelForCausalLM.from_pretrained(
                **source, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
            )
            tokenizer = AutoTokenizer.from_pretrained(**source)
    except UserError:
        raise
    except Exception as e:  # a file may contain anything, and transformers may raise any error
        raise UserError(
            f"train.base is {name}, and {gguf} can't be read as a GGUF that transformers can train"
            f" ({first_sentence(e)}): use an undamaged file of a common architecture, or another base model."
        ) from None
    if rope:
        model.config.rope_parameters = {**model.config.rope_parameters, **rope}
    mend_tokenizer(tokenizer, gguf)
    # The tokenizer of a GGUF takes the first special token as eos; the model's config has the right one.
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(model.config.eos_token_id)
    _choose_template(tokenizer, ollama_template, own)
    _choose_end(model, tokenizer)
    model.config._name_or_path = model.name_or_path = name
    return model, tokenizer


def _check_contents(reader: Any, name: str) -> None:
    """Raise UserError for a file that is a part of a model, or of which transformers would train only a part."""
    parts = reader.fields.get("split.count")
    if parts and parts.contents() > 1:
        raise UserError(
            f"train.base is {name}, whose GGUF is one of {parts.contents()} parts: join them with `llama-gguf-split"
            " --merge`, or use a model in one file."
        )
    if any(tensor.name.startswith(VISION_TENSORS) for tensor in reader.tensors):
        raise UserError(f"train.base is {name}, which also reads pictures: use a model of text alone.")


def mend_tokenizer(tokenizer: Any, gguf: Path) -> None:
    """Make the tokenizer that transformers reads from a GGUF split text as llama.cpp does."""
    from tokenizers import AddedToken, Regex
    from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence, Split

    fields = gguf_reader.open_gguf(gguf).fields
    pre = fields["tokenizer.ggml.pre"].contents() if "tokenizer.ggml.pre" in fields else None
    backend = tokenizer.backend_tokenizer
    if pre == "smollm":  # digits, also ½ and ², are single tokens
        backend.pre_tokenizer = Sequence([Digits(individual_digits=True), backend.pre_tokenizer])
    elif pre in SPLITS:
        split = Split(Regex(SPLITS[pre]), "isolated")
        backend.pre_tokenizer = Sequence([split, ByteLevel(add_prefix_space=False, use_regex=False)])
    if pre == "llama-bpe":  # a word that is a token is not merged of its letters
        backend.model.ignore_merges = True
    field, known = fields.get("tokenizer.ggml.token_type"), tokenizer.get_added_vocab()
    # In SentencePiece's vocabularies tokens are not written as in a text, and they have been added already.
    if field and fields["tokenizer.ggml.model"].contents() == "gpt2":
        kinds = {tokenizer.convert_ids_to_tokens(i): kind for i, kind in enumerate(field.contents()) if kind in IN_TEXT}
        missing = [(text, kind == CONTROL) for text, kind in kinds.items() if text not in known]
        tokenizer.add_tokens([AddedToken(text, special=control, normalized=False) for text, control in missing])


def rope_scaling(reader: Any, name: str) -> dict[str, Any]:
    """The scaling of rotary frequencies as transformers' configuration has it, which it doesn't read from a GGUF; empty
    where there is none.

    Llama 3.1 and later have it as a tensor of factors, one for each pair of dimensions. Raises UserError for any other:
    the twin would be trained as another model than llama.cpp runs.
    """
    prefix = f"{reader.fields['general.architecture'].contents()}.rope"
    kind, theta = (reader.fields.get(f"{prefix}.{key}") for key in ("scaling.type", "freq_base"))
    factors = next((np.array(t.data, np.float64) for t in reader.tensors if t.name == "rope_freqs.weight"), np.ones(1))
    has_factors = not np.allclose(factors, 1)
    if not has_factors and (kind is None or kind.contents() == "none"):
        return {}
    found = llama3_rope(factors, float(theta.contents()) if theta else 10000.0) if has_factors else None
    if found is None:
        raise UserError(
            f"train.base is {name}, whose rotary frequencies are scaled in a way that is not known: use another base"
            " model."
        )
    return {"rope_type": "llama3", **found}


def llama3_rope(factors: np.ndarray, theta: float) -> dict[str, float] | None:
    """The parameters of Llama 3's rotary scaling that give these factors; None where there are none.

    `factors`: (n,), by which the frequencies theta^(-i / n) are divided. They are 1 for short wavelengths, the largest
    for long ones, and between them 1 / factor is linear in the frequency (transformers, _compute_llama3_parameters).
    The two wavelengths where it bends follow from two factors between; fewer tell nothing about them but their place.
    """
    frequencies = theta ** (-np.arange(len(factors)) / len(factors))
    largest = float(factors.max())
    candidates = [LLAMA3_ROPE]
    between = np.flatnonzero((factors > 1 + 1e-3) & (factors < largest * (1 - 1e-3)))
    if len(between) >= 2:
        smooth = (1 / factors[between] - 1 / largest) / (1 - 1 / largest)
        # smooth = (length · frequency / 2π − low) / (high − low); of length, low and high only ratios matter: low is 1
        slope, offset = np.polyfit(frequencies[between] / (2 * math.pi), smooth, 1)
        if offset < 0:
            span = -1 / offset
            length = round(slope * span)
            candidates.append(
                {
                    "low_freq_factor": 1.0,
                    "high_freq_factor": round(1 + span, 4),
                    "original_max_position_embeddings": length,
                }
            )
    for candidate in candidates:
        parameters = {"factor": round(largest, 4), **candidate}
        if np.allclose(_llama3_factors(frequencies, parameters), factors, rtol=ROPE_TOLERANCE):
            return parameters
    return None


def _llama3_factors(frequencies: np.ndarray, rope: dict[str, float]) -> np.ndarray:
    """What Llama 3's scaling divides these frequencies (radians per token) by: the inverse of `llama3_rope`."""
    low, high, length = rope["low_freq_factor"], rope["high_freq_factor"], rope["original_max_position_embeddings"]
    smooth = np.clip((length * frequencies / (2 * math.pi) - low) / (high - low), 0, 1)
    return 1 / ((1 - smooth) / rope["factor"] + smooth)


def _choose_template(tokenizer: Any, ollama_template: str, own: str | None) -> None:
    """Give the tokenizer a chat template of this project where its file has none, or one without a system message."""
    template = tokenizer.chat_template
    if own is None and template and chat.says_system(template, tokenizer.special_tokens_map):
        return
    file = chat.TEMPLATES_DIR / f"{own or chat.family(template or ollama_template)}.jinja"
    if file.is_file():
        tokenizer.chat_template = file.read_text(encoding="utf-8")


def _choose_end(model: Any, tokenizer: Any) -> None:
    """Take the token with which the template ends an answer for the end token: some files name that of a document."""
    if tokenizer.chat_template is None:
        return
    token = chat.answer_end(tokenizer.chat_template, tokenizer.special_tokens_map, tokenizer.get_added_vocab())
    if token:
        tokenizer.eos_token = token
        model.config.eos_token_id = model.generation_config.eos_token_id = tokenizer.eos_token_id
