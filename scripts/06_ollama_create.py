"""Register the twin in Ollama, when Ollama is there, and check that it serves what was trained.

Reads   artifacts/gguf/twin.gguf, data/split/test.jsonl
Writes  artifacts/ollama/Modelfile      for `ollama create` by hand
        artifacts/ollama/receipt.json   what was registered, or that Ollama is absent
Run     python scripts/06_ollama_create.py
        python scripts/06_ollama_create.py --refresh    forgets a receipt that Ollama's state has overtaken (`make all` calls this)
"""

import _path

import argparse

from blogtwin.config import load_params
from blogtwin.console import run, say
from blogtwin.errors import UserError
from blogtwin.files import digest, read_jsonl, write_json, writing
from blogtwin.hints import make_command
from blogtwin.paths import GGUF, OLLAMA, SPLIT
from corpus.examples import of_posts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refresh", action="store_true", help="only forget a receipt that is no longer true")
    arguments = parser.parse_args()
    from blogtwin.inference.ollama import Ollama, modelfile, settings
    from blogtwin.inference.ollama_register import RECEIPT, refresh, register_and_record

    ollama = Ollama()
    if arguments.refresh:
        refresh(ollama)
        return
    params = load_params()
    twin = GGUF / "twin.gguf"
    if not twin.is_file():
        raise UserError(f"There is no {twin} yet: run `{make_command('all')}`, or scripts/05_export_gguf.py first.")
    from blogtwin.models.registry import resolve

    base = resolve(params.train.base)
    with writing(OLLAMA / "Modelfile") as file:
        file.write(modelfile("../gguf/twin.gguf", settings(base.template, params.prepare.system, params)))
    if ollama.version() is None:
        write_json(RECEIPT, {"status": "absent", "model": "", "gguf": digest(twin)})
        say(f"no Ollama answers at {ollama.url}: wrote {OLLAMA}/Modelfile; install Ollama and run `{make_command('all')}` again, which registers the twin without training.")
        return
    receipt = register_and_record(ollama, params, base, of_posts(read_jsonl(SPLIT / "test.jsonl")), digest(twin))
    say(f"registered {receipt['model']} and {receipt['tag']} in Ollama {receipt['ollama']}; |Δ log p| {receipt['parity']['delta_to_twin']} to the twin: `ollama run {receipt['tag']}`")


if __name__ == "__main__":
    run(main)
