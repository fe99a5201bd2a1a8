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
from blogtwin.console import run, say
from blogtwin.errors import UserError
from blogtwin.files import making, read_jsonl, write_json
from blogtwin.hints import make_command
from blogtwin.paths import ADAPTER, GGUF, SPLIT


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = load_params()
    backend_file = ADAPTER / "backend.json"
    if not backend_file.is_file():
        raise UserError(f"There is no {backend_file}: run `{make_command('all')}`, or scripts/04_train.py first.")
    trained = json.loads(backend_file.read_text())
    from blogtwin.inference.parity import gate
    from blogtwin.models.gguf_export import metadata, write_adapter, write_twin
    from blogtwin.models.registry import resolve
    from corpus.examples import of_posts

    base = resolve(params.train.base)
    if trained["base"]["digest"] != base.digest:
        raise UserError(f"{ADAPTER} was trained on {trained['base']['name']}, and train.base is {base.name}: run scripts/04_train.py again.")
    examples = of_posts(read_jsonl(SPLIT / "test.jsonl"))[: params.export.parity_prompts]
    about = metadata(params, base, trained)
    with making(GGUF) as folder:
        write_twin(base.gguf, ADAPTER, folder / "twin.gguf", params.export.quantization, base.tokenizer().chat_template, about)
        write_adapter(base.gguf, ADAPTER, folder / "adapter.gguf", about)
        result = gate(base, folder, examples, params)
        write_json(folder / "parity.json", result)
    for name in ("twin", "adapter"):
        n = result[name]
        say(f"{name}.gguf  {(GGUF / f'{name}.gguf').stat().st_size / 1e6:.0f} MB  |Δ log p| {n['delta_to_twin']:.3f} to the trained twin, {n['delta_to_base']:.3f} to the base; greedy agreement {n['agreement_with_twin']:.2f} ({n['tokens']} tokens)")
    say(f"wrote {GGUF}/twin.gguf, adapter.gguf and parity.json")


if __name__ == "__main__":
    run(main)
