"""Register the twin in Ollama, if Ollama is running, and check that it serves the model that was trained.

Reads   artifacts/gguf/twin.gguf, data/split/test.jsonl
Writes  artifacts/ollama/Modelfile      for `ollama create` by hand
        artifacts/ollama/receipt.json   what was registered, or that Ollama is absent
Run     python scripts/06_ollama_create.py
        python scripts/06_ollama_create.py --drop-stale   deletes a receipt that is out of date; `make all` runs it
"""

import _path

import argparse

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import atomic_open, read_jsonl, sha256_file, write_json
from blogtwin.hints import make_command
from blogtwin.paths import GGUF_DIR, OLLAMA_DIR, SPLIT_DIR
from blogtwin.twins.store import chosen_twin
from corpus.examples import post_examples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drop-stale", action="store_true", help="only delete a receipt that is out of date")
    arguments = parser.parse_args()
    from blogtwin.inference import ollama_register
    from blogtwin.inference.ollama import model_settings, render_modelfile
    from blogtwin.models.ollama_client import Ollama

    ollama = Ollama()
    if arguments.drop_stale:
        choice = chosen_twin()
        ollama_register.drop_stale_receipt(ollama, [choice["ollama"]] if choice else [])
        return
    params, twin = load_params(), GGUF_DIR / "twin.gguf"
    if not twin.is_file():
        raise UserError(f"There is no {twin} yet: run `{make_command('all')}`, or scripts/05_export_gguf.py first.")
    from blogtwin.models.registry import resolve_base
    from blogtwin.twins.live import register_twin

    base = resolve_base(params.train.base)
    with atomic_open(OLLAMA_DIR / "Modelfile") as file:
        file.write(render_modelfile("../gguf/twin.gguf", model_settings(base.template, params.prepare.system, params)))
    if ollama.version() is None:
        write_json(ollama_register.RECEIPT_FILE, {"status": "absent", "model": "", "gguf": sha256_file(twin)})
        again = f"`{make_command('all')}` again, which registers the twin without training"
        echo(f"Ollama does not answer at {ollama.url}; wrote {OLLAMA_DIR}/Modelfile. Install Ollama and run {again}.")
        return
    examples = post_examples(read_jsonl(SPLIT_DIR / "test.jsonl"))
    receipt = register_twin(ollama, params, base, examples, sha256_file(twin))
    echo(ollama_register.describe_receipt(receipt))


if __name__ == "__main__":
    run_cli(main)
