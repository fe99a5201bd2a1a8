"""A random Llama of 3.4 million weights with the embedded model's tokenizer, as a GGUF: quick to train, export and
score."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from blogtwin.models.quantization import quantize

HIDDEN, LAYERS, HEADS, KV_HEADS, VOCABULARY = 64, 2, 4, 2, 49152


def write_tiny_gguf(
    path: Path,
    seed: int = 0,
    kinds: Sequence[Type] = (Type.F16,),
    rope_freqs: np.ndarray | None = None,
    context: int = 2048,
    theta: float = 10000.0,
    hidden: int = HIDDEN,
    fields: dict[str, str | None] | None = None,
) -> Path:
    """Write the model to `path`; another seed gives other weights.

    `kinds`: the types of its matrices, in turn. `rope_freqs`: factors of its rotary frequencies, as Llama 3.2's.
    `fields`: strings of the header that take the place of the embedded model's; None: without that one.
    """
    from blogtwin.models import registry

    entry = registry.load_registry()["smollm2:135m"]
    embedded = gguf.GGUFReader(registry._embedded(entry))
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    for key, text in (fields or {}).items():
        if text is not None:
            writer.add_string(key, text)
    for key, field in embedded.fields.items():
        if key.startswith("tokenizer.") and key not in (fields or {}):
            kind = field.types[0]
            writer.add_key_value(
                key, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None
            )
    writer.add_block_count(LAYERS)
    writer.add_context_length(context)
    writer.add_embedding_length(hidden)
    writer.add_feed_forward_length(2 * hidden)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(theta)
    writer.add_rope_dimension_count(hidden // HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCABULARY)
    if rope_freqs is not None:
        writer.add_tensor("rope_freqs.weight", rope_freqs.astype(np.float32))
    random = np.random.default_rng(seed)
    kv = hidden // HEADS * KV_HEADS
    shapes = {
        "attn_q": (hidden, hidden),
        "attn_k": (kv, hidden),
        "attn_v": (kv, hidden),
        "attn_output": (hidden, hidden),
        "ffn_gate": (2 * hidden, hidden),
        "ffn_up": (2 * hidden, hidden),
        "ffn_down": (hidden, 2 * hidden),
    }

    types = itertools.cycle(kinds)

    def add_matrix(name: str, scale: float, shape: tuple[int, int]) -> None:
        kind = next(types)
        rows = quantize(random.normal(0, scale, shape).astype(np.float32), kind)
        writer.add_tensor(name, rows, raw_dtype=kind)

    add_matrix("token_embd.weight", 0.3, (VOCABULARY, hidden))
    writer.add_tensor("output_norm.weight", np.ones(hidden, np.float32))
    for block in range(LAYERS):
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{block}.{norm}.weight", np.ones(hidden, np.float32))
        for name, shape in shapes.items():
            add_matrix(f"blk.{block}.{name}.weight", 0.15 * math.sqrt(HIDDEN / hidden), shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
