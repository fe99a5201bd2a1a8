"""Quantised exports are llama.cpp's own: the same types in the same tensors, and the same bytes."""

import hashlib
from collections import Counter

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Type

from blogtwin.models import registry
from blogtwin.models.gguf_export import write_merged_gguf
from blogtwin.models.quantization import QUANTIZATIONS, quantize, tensor_types

# SHA-256 of what llama-quantize wrote of the embedded base as f16: all tensors in the order of their names, and some.
REFERENCE = {
    "q8_0": "5f009ec247233a58f62d23fd6e00b2d90531590e5c25fca86deb9dc9672ef91c",
    "q4_k_m": "24658f507c97d7e6125ba3edb0e0856940fc2f99061a17726e760049e90896a2",
}
REFERENCE_TENSORS = {
    "blk.0.ffn_down.weight": ("Q6_K", "423d84424262c04f15850f11ea0d1a55e47d4a205c8cae4d84e91f23a64f8a79"),
    "blk.3.ffn_down.weight": ("Q4_K", "f43e77f1f977382f147f6f2b53afad32c6adbd3422b5aa4c31979b3b5dda1db2"),
    "blk.0.ffn_up.weight": ("Q5_0", "b84b4efb8092d3931b279e16193de0afe0a81214232c7b8174be3961732d8016"),
}


@pytest.mark.slow
@pytest.mark.model
def test_the_embedded_base_is_quantised_to_the_bytes_of_llama_quantize(tmp_path):
    embedded = registry._embedded(registry.load_registry()["smollm2:135m"])
    write_merged_gguf(embedded, None, tmp_path / "f16.gguf", "f16", "x", {})
    tensors = {}
    for quantization, digest in REFERENCE.items():
        write_merged_gguf(tmp_path / "f16.gguf", None, tmp_path / "out.gguf", quantization, "x", {})
        reader = gguf.GGUFReader(tmp_path / "out.gguf")
        tensors = {tensor.name: tensor for tensor in sorted(reader.tensors, key=lambda tensor: tensor.name)}
        found = hashlib.sha256(b"".join(tensor.data.tobytes() for tensor in tensors.values()))
        assert found.hexdigest() == digest, quantization
        assert reader.fields["general.file_type"].contents() == QUANTIZATIONS[quantization][1]
    for name, (kind, digest) in REFERENCE_TENSORS.items():
        assert tensors[name].tensor_type.name == kind
        assert hashlib.sha256(tensors[name].data.tobytes()).hexdigest() == digest


def shapes(width: int, blocks: int, **more: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """The tensors of a model of that width, and `more`."""
    found: dict[str, tuple[int, ...]] = {"token_embd.weight": (1000, width), "output_norm.weight": (width,)}
    for i in range(blocks):
        for name in ("attn_q", "attn_v", "attn_output", "ffn_up"):
            found[f"blk.{i}.{name}.weight"] = (width, width)
        found[f"blk.{i}.ffn_down.weight"] = (width, 4 * width)
        found[f"blk.{i}.attn_norm.weight"] = (width,)
    return found | more


def test_a_mixture_keeps_the_sensitive_tensors_of_some_blocks_in_six_bits():
    """The blocks are those that llama-quantize names for thirty of them."""
    types = tensor_types(shapes(256, 30), "q4_k_m")
    expected = [0, 1, 2, 5, 8, 11, 14, 17, 20, 23, 26, 27, 28, 29]
    for name in ("attn_v", "ffn_down"):
        assert [i for i in range(30) if types[f"blk.{i}.{name}.weight"] == Type.Q6_K] == expected
    assert {types[f"blk.{i}.{name}.weight"] for i in range(30) for name in ("attn_q", "ffn_up")} == {Type.Q4_K}
    assert types["blk.3.attn_norm.weight"] == Type.F32
    assert Counter(tensor_types(shapes(256, 30), "q6_k").values()) == {Type.Q6_K: 151, Type.F32: 31}


def test_the_output_matrix_has_six_bits_wherever_it_stands():
    tied = tensor_types(shapes(256, 2), "q4_k_m")
    assert tied["token_embd.weight"] == Type.Q6_K
    apart = tensor_types(shapes(256, 2, **{"output.weight": (1000, 256)}), "q5_k_m")
    assert (apart["token_embd.weight"], apart["output.weight"]) == (Type.Q5_K, Type.Q6_K)
    assert tensor_types(shapes(256, 2), "q8_0")["token_embd.weight"] == Type.Q8_0


def test_rows_that_no_block_divides_fall_back():
    odd = {"blk.0.attn_q.weight": (8, 576), "blk.0.ffn_up.weight": (8, 20), "token_embd.weight": (8, 576)}
    expected = {"q4_k_m": Type.Q5_0, "q5_k_m": Type.Q5_1, "q6_k": Type.Q8_0, "q8_0": Type.Q8_0, "f16": Type.F16}
    for quantization, kind in expected.items():
        types = tensor_types(odd, quantization)
        assert types["blk.0.attn_q.weight"] == kind and types["blk.0.ffn_up.weight"] == Type.F16
        assert types["token_embd.weight"] == (Type.F16 if quantization == "f16" else Type.Q8_0)


def test_positions_and_two_dimensional_norms_are_not_quantised():
    names = ("position_embd.weight", "blk.0.ssm_norm.weight", "blk.0.attn_q.bias")
    assert set(tensor_types(dict.fromkeys(names, (256, 256)), "q4_k_m").values()) == {Type.F16}


def test_many_rows_are_converted_in_pieces_to_the_same_bytes(monkeypatch):
    weight = np.random.default_rng(0).normal(0, 1, (7, 3, 256)).astype(np.float32)
    whole = quantize(weight, Type.Q4_K)
    monkeypatch.setattr("blogtwin.models.quantization.CHUNK_WEIGHTS", 512)
    assert np.array_equal(quantize(weight, Type.Q4_K), whole) and whole.shape == (7, 3, 144)
    assert np.abs(gguf.dequantize(whole, Type.Q4_K) - weight).max() < 0.3
