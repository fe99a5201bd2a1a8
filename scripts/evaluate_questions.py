"""How often a draft's questions ask for a fact that was cut from its notes: on the sets of tests/data/notes.

Reads   tests/data/notes/<blog>/*.yaml, artifacts/gguf/twin.gguf
Writes  artifacts/eval/questions.json
Run     python scripts/evaluate_questions.py [--split valid|test] [--blog sample] [--candidates 8] [--limit N]
"""

import _path

import argparse
import functools
from dataclasses import asdict

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.files import write_json
from blogtwin.models import registry
from blogtwin.paths import EVAL_DIR, GGUF_DIR


def main() -> None:
    from eval.drafting import NotesModel, trained_messages
    from eval.note_sets import NoteSet, list_set_files
    from eval.questions import cut_fact, is_asked, summarise

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--split", choices=["valid", "test"], default="valid")
    parser.add_argument("--blog", default="sample")
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--limit", type=int, default=1000)
    given = parser.parse_args()
    params = load_params()
    base = registry.resolve_base(params.train.base)
    sets = [NoteSet.from_file(file) for file in list_set_files(given.blog)]
    chosen = [one for one in sets if one.split == given.split][: given.limit]
    cases = []
    ask = functools.partial(trained_messages, params.prepare.system)
    with NotesModel(GGUF_DIR / "twin.gguf", None, base.tokenizer(), ask, params.prepare.system) as model:
        for note_set in chosen:
            cut = cut_fact(note_set, params.eval.seed)
            if cut is None:
                continue
            drafter = model.drafter(note_set.title, cut.notes, params.eval.seed, given.candidates)
            list(drafter.paragraphs())
            questions = drafter.wishes.questions()
            cases.append((cut, questions))
            echo(f"{note_set.title}: {cut.value} of line {cut.line} asked: {is_asked(cut, questions)}")
            for question in questions:
                echo(f"    {question.question} {asdict(question)['lines']} {question.share:.2f}")
    figures = summarise(cases) | {"split": given.split, "candidates": given.candidates}
    write_json(EVAL_DIR / "questions.json", figures)
    for key, value in figures.items():
        echo(f"{key:22} {value}")


if __name__ == "__main__":
    run_cli(main)
