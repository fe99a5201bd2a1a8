"""Export the twin to GGUF, and prove that it is the model that was trained.

Reads   artifacts/adapter/, data/split/test.jsonl
Writes  artifacts/gguf/twin.gguf      base and adapter merged, quantised
        artifacts/gguf/adapter.gguf   the adapter alone
        artifacts/gguf/parity.json    how near both are to the model that was trained
Run     python scripts/05_export_gguf.py
"""

import _path

import argparse

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.files import read_jsonl
from blogtwin.paths import GGUF_DIR, SPLIT_DIR


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = load_params()
    from blogtwin.models.registry import resolve_base
    from corpus.examples import post_examples
    from train.export import describe_parity, export_twin, read_backend_file

    trained = read_backend_file()
    base = resolve_base(params.train.base)
    examples = post_examples(read_jsonl(SPLIT_DIR / "test.jsonl"))[: params.export.parity_prompts]
    parity = export_twin(params, base, trained, examples)
    for name in ("twin", "adapter"):
        echo(describe_parity(name, parity))
    echo(f"wrote {GGUF_DIR}/twin.gguf, adapter.gguf and parity.json")


if __name__ == "__main__":
    run_cli(main)
