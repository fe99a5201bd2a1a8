"""Export the twin to GGUF, and prove that it is the model that was trained.

Reads   artifacts/adapter/, data/split/test.jsonl
Writes  artifacts/gguf/twin.gguf      base and adapter merged, quantised
        artifacts/gguf/adapter.gguf   the adapter alone
        artifacts/gguf/parity.json    how near they are to what was trained
Run     python scripts/05_export_gguf.py
"""

import _path

import argparse
import json

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import atomic_directory, read_jsonl, write_json
from blogtwin.hints import make_command
from blogtwin.paths import ADAPTER_DIR, GGUF_DIR, SPLIT_DIR


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = load_params()
    backend_file = ADAPTER_DIR / "backend.json"
    if not backend_file.is_file():
        raise UserError(f"There is no {backend_file}: run `{make_command('all')}`, or scripts/04_train.py first.")
    trained = json.loads(backend_file.read_text())
    from blogtwin.inference.parity import check_parity
    from blogtwin.models.gguf_export import gguf_metadata, write_lora_gguf, write_merged_gguf
    from blogtwin.models.registry import resolve_base
    from corpus.examples import post_examples

    base = resolve_base(params.train.base)
    if trained["base"]["digest"] != base.digest:
        raise UserError(
            f"{ADAPTER_DIR} was trained on {trained['base']['name']}, and train.base is {base.name}: run"
            " scripts/04_train.py again."
        )
    examples = post_examples(read_jsonl(SPLIT_DIR / "test.jsonl"))[: params.export.parity_prompts]
    about = gguf_metadata(params, base, trained)
    with atomic_directory(GGUF_DIR) as folder:
        write_merged_gguf(
            base.gguf,
            ADAPTER_DIR,
            folder / "twin.gguf",
            params.export.quantization,
            base.tokenizer().chat_template,
            about,
        )
        write_lora_gguf(base.gguf, ADAPTER_DIR, folder / "adapter.gguf", about)
        result = check_parity(base, folder, examples, params)
        write_json(folder / "parity.json", result)
    for name in ("twin", "adapter"):
        n = result[name]
        echo(
            f"{name}.gguf  {(GGUF_DIR / f'{name}.gguf').stat().st_size / 1e6:.0f} MB  |Δ log p|"
            f" {n['delta_to_twin']:.3f} to the trained twin, {n['delta_to_base']:.3f} to the base; greedy agreement"
            f" {n['agreement_with_twin']:.2f} ({n['tokens']} tokens)"
        )
    echo(f"wrote {GGUF_DIR}/twin.gguf, adapter.gguf and parity.json")


if __name__ == "__main__":
    run_cli(main)
