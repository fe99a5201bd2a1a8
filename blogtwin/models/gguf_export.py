"""Export: adapter + base GGUF → twin.gguf (merged, quantised) and adapter.gguf.

The twin is the base's GGUF with the trained difference added to its tensors. Tokenizer, RoPE settings and all other
metadata are copied from the base, so that none can be lost or wrong.
"""

import json
from pathlib import Path

import gguf
import numpy as np
from safetensors.numpy import load_file

from blogtwin.config import Params
from blogtwin.files import atomic_path, sha256_file
from blogtwin.models import gguf_reader
from blogtwin.models.quantization import FLOATS, QUANTIZATIONS, quantize, tensor_types
from blogtwin.models.registry import BaseModelFiles
from blogtwin.paths import ADAPTER_WEIGHTS, SPLIT_DIR

# Architectures whose q and k rows llama.cpp stores in another order than transformers. Mistral is a "llama" there.
ARCHITECTURES_THAT_PERMUTE = {"llama", "smollm3", "granite", "arcee", "olmo", "mistral3"}


class LoraAdapter:
    """A PEFT LoRA adapter, with the tensor names and row order of its base's GGUF."""

    def __init__(self, folder: Path, base: gguf.GGUFReader):
        config = json.loads((folder / "adapter_config.json").read_text())
        self.alpha, self.rank = float(config["lora_alpha"]), int(config["r"])
        self.architecture = base.fields["general.architecture"].contents()
        blocks = base.fields[f"{self.architecture}.block_count"].contents()
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH[self.architecture.upper()], blocks)
        pairs: dict[str, dict[str, np.ndarray]] = {}
        for key, value in load_file(folder / ADAPTER_WEIGHTS).items():
            module, _, which = key.removeprefix("base_model.model.").removesuffix(".weight").rpartition(".")
            name = names.get_name(f"{module}.weight", try_suffixes=(".weight",))
            assert name is not None, f"{key} has no tensor in a GGUF of {self.architecture}"
            assert which in ("lora_A", "lora_B"), f"{key} is no weight of a LoRA"
            pairs.setdefault(name, {})[which] = value.astype(np.float32)
        heads = self._heads(base)
        self.pairs: dict[str, tuple[np.ndarray, np.ndarray]] = {}  # {tensor: (A, B)}, (rank, in) and (out, rank)
        for name, pair in pairs.items():
            a, b = pair["lora_A"], pair["lora_B"]
            module = name.split(".")[-2]
            self.pairs[name] = (a, permute_qk(b, heads[module]) if module in heads else b)

    def _heads(self, base: gguf.GGUFReader) -> dict[str, int]:
        """{module: number of heads} of the modules whose rows are permuted."""
        if self.architecture not in ARCHITECTURES_THAT_PERMUTE:
            return {}
        q = base.fields[f"{self.architecture}.attention.head_count"].contents()
        kv = base.fields.get(f"{self.architecture}.attention.head_count_kv")
        return {"attn_q": q, "attn_k": kv.contents() if kv else q}

    def delta(self, name: str) -> np.ndarray | None:
        """The trained difference of tensor `name`, (out, in): alpha / rank · B A (Hu et al. 2021, eq. 3).

        None for a tensor without an adapter.
        """
        if name not in self.pairs:
            return None
        a, b = self.pairs[name]
        return self.alpha / self.rank * (b @ a)


def permute_qk(rows: np.ndarray, heads: int) -> np.ndarray:
    """Reorder the rows of q or k from transformers' order (halves) to llama.cpp's (pairs).

    The same as `permute` in llama.cpp's convert_hf_to_gguf.py.
    """
    return rows.reshape(heads, 2, rows.shape[0] // heads // 2, *rows.shape[1:]).swapaxes(1, 2).reshape(rows.shape)


def write_merged_gguf(
    base: Path, adapter: Path | None, out: Path, quantization: str, chat_template: str, metadata: dict
) -> None:
    """Write the base merged with the adapter in a precision of QUANTIZATIONS. With adapter None, write the base alone.

    `metadata`: {key: string} that replaces the base's general.* values.
    """
    reader = gguf_reader.open_gguf(base)
    trained = LoraAdapter(adapter, reader) if adapter is not None else None
    writer = gguf.GGUFWriter(out, reader.fields["general.architecture"].contents())
    copy_metadata(reader, writer)
    base_name = reader.fields.get("general.name")
    as_phi3 = base_name is not None and gguf_reader.PHI3.search(base_name.contents()) is not None
    for key, value in metadata.items():
        writer.add_string(key, gguf_reader.general_name(value, as_phi3) if key == "general.name" else value)
    writer.add_string("tokenizer.chat_template", chat_template)
    writer.add_file_type(QUANTIZATIONS[quantization][1])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    shapes = {tensor.name: tuple(int(n) for n in reversed(tensor.shape)) for tensor in reader.tensors}
    kinds = tensor_types(shapes, quantization)
    for name, kind in kinds.items():
        dtype = np.dtype(FLOATS.get(kind, np.uint8))
        size = shapes[name] if kind in FLOATS else gguf.quant_shape_to_byte_shape(shapes[name], kind)
        writer.add_tensor_info(name, size, dtype, int(np.prod(size)) * dtype.itemsize, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    for tensor in reader.tensors:  # one at a time, so that the whole model is never in memory as fp32
        weight = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        delta = trained.delta(tensor.name) if trained else None
        if delta is not None:
            weight = weight + delta.reshape(weight.shape)
        writer.write_tensor_data(quantize(weight, kinds[tensor.name]))
    writer.close()
    missing = set(trained.pairs) - set(kinds) if trained else set()
    assert not missing, f"trained tensors that the base does not have: {sorted(missing)[:3]}"


def quantised_base(base: BaseModelFiles, quantization: str) -> Path:
    """The base as a GGUF with the twin's precision, written once: a comparison of the two then shows only the training.

    llama.cpp also runs q8_0 one and a half times as fast as the embedded base's own q4_1.
    """
    path = base.hf.parent / f"base-{base.digest[:12]}-{quantization}.gguf"
    if not path.is_file():
        with atomic_path(path) as temporary:
            write_merged_gguf(
                base.gguf, None, temporary, quantization, base.tokenizer().chat_template, {"general.name": base.name}
            )
    return path


def copy_metadata(reader: gguf.GGUFReader, writer: gguf.GGUFWriter) -> None:
    """Copy all metadata of a GGUF, except general.* (its name and origin) and the chat template."""
    for key, field in reader.fields.items():
        if key.startswith(("GGUF.", "general.")) or key == "tokenizer.chat_template":
            continue
        kind = field.types[0]
        writer.add_key_value(key, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)


def write_lora_gguf(base: Path, adapter: Path, out: Path, metadata: dict) -> None:
    """Write the LoRA alone, which llama.cpp can apply to the base's GGUF."""
    trained = LoraAdapter(adapter, gguf_reader.open_gguf(base))
    writer = gguf.GGUFWriter(out, trained.architecture)
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", trained.alpha)
    for key, value in metadata.items():
        writer.add_string(key, value)
    for name, (a, b) in trained.pairs.items():
        writer.add_tensor(f"{name}.lora_a", np.ascontiguousarray(a))
        writer.add_tensor(f"{name}.lora_b", np.ascontiguousarray(b))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_metadata(params: Params, base: BaseModelFiles, backend: dict) -> dict[str, str]:
    """The metadata of the exported files: names and digests, no paths. `backend`: content of backend.json."""
    of = f" of {params.prepare.author}" if params.prepare.author else ""
    return {
        "general.name": f"blogtwin{of}, on {base.name}",
        **({"general.author": params.prepare.author} if params.prepare.author else {}),
        "general.license": base.license,
        "general.base_model.0.name": base.name,
        "general.base_model.0.repo": base.repo,
        "blogtwin.base_digest": base.digest,
        "blogtwin.train_digest": backend["splits"]["train"],
        "blogtwin.valid_digest": backend["splits"]["valid"],
        "blogtwin.test_digest": sha256_file(SPLIT_DIR / "test.jsonl"),
        "blogtwin.system": params.prepare.system,
    }
