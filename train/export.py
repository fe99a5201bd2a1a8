"""Exports the trained twin to GGUF and checks the files, as scripts/05_export_gguf.py asks for it."""

import json

from blogtwin.config import Params
from blogtwin.errors import UserError
from blogtwin.files import atomic_directory, write_json
from blogtwin.hints import make_command
from blogtwin.inference.parity import check_parity
from blogtwin.models.gguf_export import gguf_metadata, write_lora_gguf, write_merged_gguf
from blogtwin.models.registry import BaseModelFiles
from blogtwin.paths import ADAPTER_DIR, GGUF_DIR


def read_backend_file() -> dict:
    """artifacts/adapter/backend.json: what trained the adapter, on which base and data. Raises UserError if there is
    none."""
    file = ADAPTER_DIR / "backend.json"
    if not file.is_file():
        raise UserError(f"There is no {file}: run `{make_command('all')}`, or scripts/04_train.py first.")
    return json.loads(file.read_text())


def export_twin(params: Params, base: BaseModelFiles, trained: dict, examples: list[dict]) -> dict:
    """Write artifacts/gguf: the merged model, the adapter alone, and parity.json, whose content is returned.

    `trained` is backend.json; `examples` are held-out posts for the parity gate. Raises UserError if the adapter was
    trained on another base, or an export is not the model that was trained: then nothing is kept.
    """
    if trained["base"]["digest"] != base.digest:
        raise UserError(
            f"{ADAPTER_DIR} was trained on {trained['base']['name']}, and train.base is {base.name}: run"
            " scripts/04_train.py again."
        )
    metadata = gguf_metadata(params, base, trained)
    template = base.tokenizer().chat_template
    with atomic_directory(GGUF_DIR) as folder:
        write_merged_gguf(base.gguf, ADAPTER_DIR, folder / "twin.gguf", params.export.quantization, template, metadata)
        write_lora_gguf(base.gguf, ADAPTER_DIR, folder / "adapter.gguf", metadata)
        parity = check_parity(base, folder, examples, params)
        write_json(folder / "parity.json", parity)
    return parity


def describe_parity(name: str, parity: dict) -> str:
    """The line on an exported file, `twin` or `adapter`: its size, and how near it is to the model that was trained
    (mean |Δ log-probability| in nats per token)."""
    megabytes = (GGUF_DIR / f"{name}.gguf").stat().st_size / 1e6
    numbers = parity[name]
    return (
        f"{name}.gguf  {megabytes:.0f} MB  |Δ log p| {numbers['delta_to_twin']:.3f} to the trained twin,"
        f" {numbers['delta_to_base']:.3f} to the base; greedy agreement {numbers['agreement_with_twin']:.2f}"
        f" ({numbers['tokens']} tokens)"
    )
