"""Which precision each tensor of a GGUF gets, as llama.cpp's llama-quantize chooses it, and its conversion.

The rules are those of src/llama-quant.cpp for dense models. The conversion is llama.cpp's own function, so that the
bytes are those that llama-quantize writes.
"""

import ctypes
import re
from concurrent.futures import ThreadPoolExecutor

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Type

from blogtwin.models.llama_library import load_library

# {export.quantization: (type of most tensors, the file type in the metadata)}
QUANTIZATIONS = {
    "f16": (Type.F16, gguf.LlamaFileType.MOSTLY_F16),
    "q8_0": (Type.Q8_0, gguf.LlamaFileType.MOSTLY_Q8_0),
    "q6_k": (Type.Q6_K, gguf.LlamaFileType.MOSTLY_Q6_K),
    "q5_k_m": (Type.Q5_K, gguf.LlamaFileType.MOSTLY_Q5_K_M),
    "q4_k_m": (Type.Q4_K, gguf.LlamaFileType.MOSTLY_Q4_K_M),
}
# What takes the place of a type of 256 weights a block, where 256 does not divide a row.
SMALL_BLOCKS = {Type.Q4_K: Type.Q5_0, Type.Q5_K: Type.Q5_1, Type.Q6_K: Type.Q8_0}
# Of the tensors with rows, these are too small, or too sensitive, to be quantised.
NEVER_QUANTISED = re.compile(r"_norm\.weight|ffn_gate_inp\.weight|^position_embd|^token_types|(?<!weight)$")
# The tensors of which the mixtures (Q4_K_M, Q5_K_M) keep some blocks in Q6_K.
SENSITIVE = (re.compile(r"attn_(v|qkv|kv_b)\.weight"), re.compile("ffn_down"))
FLOATS = {Type.F32: np.float32, Type.F16: np.float16}
CHUNK_WEIGHTS = 1 << 22  # weights that a thread converts at a time


def tensor_types(shapes: dict[str, tuple[int, ...]], quantization: str) -> dict[str, Type]:
    """{tensor: its type} for the tensors of a model, given as {name: (rows, columns)}.

    Vectors stay in 32 bits. `quantization`: a key of QUANTIZATIONS.
    """
    main = QUANTIZATIONS[quantization][0]
    mixed = quantization.endswith("_m")
    with_more_bits = _sensitive_tensors(list(shapes)) if mixed else set()
    output = "output.weight" if "output.weight" in shapes else "token_embd.weight"  # which is both, where tied
    types = {}
    for name, shape in shapes.items():
        if len(shape) < 2:
            types[name] = Type.F32
        elif main == Type.F16 or NEVER_QUANTISED.search(name):
            types[name] = Type.F16
        elif name == output and main != Type.Q8_0:
            types[name] = _that_fits(Type.Q6_K, shape[-1])
        else:
            types[name] = _that_fits(Type.Q6_K if name in with_more_bits else main, shape[-1])
    return types


def _sensitive_tensors(names: list[str]) -> set[str]:
    """The tensors that a mixture keeps in Q6_K: in the first and the last eighth of the blocks, and in every third
    between."""
    chosen = set()
    for kind in SENSITIVE:
        blocks = sorted((name for name in names if kind.search(name)), key=_block)
        n = len(blocks)
        chosen |= {name for i, name in enumerate(blocks) if i < n // 8 or i >= 7 * n // 8 or (i - n // 8) % 3 == 2}
    return chosen


def _block(name: str) -> int:
    """The block of a tensor, from its name: blk.12.ffn_down.weight is in block 12."""
    number = re.search(r"blk\.(\d+)\.", name)
    return int(number[1]) if number else 0


def _that_fits(kind: Type, columns: int) -> Type:
    """The type itself, or what llama.cpp takes where its blocks do not divide a row of so many weights."""
    if columns % gguf.GGML_QUANT_SIZES[kind][0]:
        kind = SMALL_BLOCKS.get(kind, Type.F16)
    return Type.F16 if columns % gguf.GGML_QUANT_SIZES[kind][0] else kind


def quantize(weight: np.ndarray, kind: Type) -> np.ndarray:
    """A tensor, (…, columns) in fp32, as a type that `tensor_types` gives: (…, bytes of a row), or a float array."""
    if kind in FLOATS:
        return weight.astype(FLOATS[kind])
    library = load_library()
    values = np.ascontiguousarray(weight, np.float32)
    columns = values.shape[-1]
    rows = values.size // columns
    out = np.empty(gguf.quant_shape_to_byte_shape(values.shape, kind), np.uint8)
    source = values.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    step = max(1, CHUNK_WEIGHTS // columns)

    def convert(first: int) -> int:
        count = min(step, rows - first)
        return library.ggml_quantize_chunk(kind, source, out.ctypes.data, first * columns, count, columns, None)

    with ThreadPoolExecutor() as threads:
        written = sum(threads.map(convert, range(0, rows, step)))
    assert written == out.nbytes, f"llama.cpp wrote {written} bytes of {kind.name}, not {out.nbytes}"
    return out
