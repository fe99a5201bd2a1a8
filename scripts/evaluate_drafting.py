"""How much of people's notes the twin's drafts tell, and what they make up: on the sets of tests/data/notes.

Reads   tests/data/notes/<blog>/*.yaml, artifacts/gguf/twin.gguf
Writes  artifacts/eval/drafting.json, artifacts/eval/drafts.jsonl (to be read aloud)
Run     python scripts/evaluate_drafting.py [--split test|valid] [--blog sample] [--candidates 8] [--limit N]
        [--content BASE]   a base model that writes plain sentences first, which the twin puts into the voice
"""

import _path

import argparse
import contextlib
import functools
import time
from collections import Counter

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.files import write_json, write_jsonl
from blogtwin.models import registry
from blogtwin.paths import EVAL_DIR, GGUF_DIR


def main() -> None:
    from blogtwin.drafting.drafter import Drafter
    from blogtwin.drafting.plain_prompt import plain_messages
    from blogtwin.drafting.two_models import TwoModelDrafter
    from eval.drafting import NotesModel, score_draft, summarise, trained_messages
    from eval.note_sets import NoteSet, list_set_files

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--split", choices=["test", "valid"], default="test")
    parser.add_argument("--blog", default="sample")
    parser.add_argument("--candidates", type=int, default=8)
    parser.add_argument("--limit", type=int, default=1000)
    parser.add_argument("--content", default="")
    given = parser.parse_args()
    params = load_params()
    base = registry.resolve_base(params.train.base)
    sets = {file.stem: NoteSet.from_file(file) for file in list_set_files(given.blog)}
    chosen = [(name, one) for name, one in sets.items() if one.split == given.split][: given.limit]
    scores, rows, statuses = [], [], Counter[str]()
    with contextlib.ExitStack() as held:
        ask = functools.partial(trained_messages, params.prepare.system)
        twin = held.enter_context(NotesModel(GGUF_DIR / "twin.gguf", None, base.tokenizer(), ask))
        content = None
        if given.content:
            plain = registry.resolve_base(given.content)
            content = held.enter_context(NotesModel(plain.gguf, None, plain.tokenizer(), plain_messages))
        for name, note_set in chosen:
            started = time.perf_counter()
            notes = (note_set.title, note_set.as_text(), params.eval.seed, given.candidates)
            source = f"{note_set.title}\n{note_set.as_text()}"
            voice = twin.writer(source, "twin")
            drafter = (
                TwoModelDrafter(content.writer(source, "content"), voice, *notes) if content else Drafter(voice, *notes)
            )
            paragraphs = list(drafter.paragraphs())
            statuses.update(sentence.status for paragraph in paragraphs for sentence in paragraph.sentences)
            score = score_draft(name, note_set, paragraphs, time.perf_counter() - started)
            scores.append(score)
            rows.append({"name": name, "notes": note_set.as_text(), "draft": drafter.text, "counts": score.counts})
            echo(f"{len(scores)}/{len(chosen)} {name}: fact recall {score.rate('fact_recall'):.2f}")
    figures = summarise(scores, params.eval.seed) | {"split": given.split, "candidates": given.candidates}
    figures |= {"content_model": given.content, "sentences": dict(statuses)}
    write_json(EVAL_DIR / "drafting.json", figures)
    write_jsonl(EVAL_DIR / "drafts.jsonl", rows)
    for key, value in figures.items():
        echo(f"{key:22} {value}")


if __name__ == "__main__":
    run_cli(main)
