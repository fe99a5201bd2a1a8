"""How many facts of people's notes the twin tells without any search, by what the engine's repeat penalty counts: the
answer alone (embedded engine), or the prompt's last 64 tokens as well (Ollama), or nothing.

Reads   tests/data/notes/sample/*.yaml, artifacts/gguf/twin.gguf
Run     python scripts/compare_penalties.py [--limit N]
"""

import _path

import argparse
from dataclasses import replace

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.models import registry
from blogtwin.paths import GGUF_DIR
from blogtwin.sampling import SamplingParams

MAX_TOKENS = 200  # of a draft


def main() -> None:
    from blogtwin.models import chat
    from eval import penalties
    from eval.drafting import trained_messages
    from eval.note_sets import NoteSet, list_set_files

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--limit", type=int, default=1000, help="number of sets")
    given = parser.parse_args()
    params = load_params()
    tokenizer = registry.resolve_base(params.train.base).tokenizer()
    sets = [NoteSet.from_file(file) for file in list_set_files("sample")]
    sets = [one for one in sets if one.split == "test"][: given.limit]
    sampling = replace(SamplingParams.from_params(params.eval), max_tokens=MAX_TOKENS)
    prompts = [
        chat.encode_prompt(tokenizer, trained_messages(params.prepare.system, [note.line for note in one.notes]))
        for one in sets
    ]
    drafts = penalties.write_drafts(GGUF_DIR / "twin.gguf", prompts, sampling, params.eval.seed, echo)
    echo(f"| {len(sets)} sets, one draft each | fact recall | words |\n|---|---|---|")
    for name, texts in drafts.items():
        found = penalties.fact_recall(sets, texts)
        echo(f"| {name} | {found['recall']:.2f} [{found['lo']:.2f}, {found['hi']:.2f}] | {found['words']:.0f} |")


if __name__ == "__main__":
    run_cli(main)
