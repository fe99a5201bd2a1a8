"""How much of people's notes the twin's drafts tell, and what they make up: on the sets of tests/data/notes.

Reads   tests/data/notes/<blog>/*.yaml, artifacts/gguf/twin.gguf; for another blog than the sample, its posts in a
        folder of its name in BLOGTWIN_BLOGS (for the author's own passages) and a project with its twin
Writes  artifacts/eval/drafting.json, artifacts/eval/drafts.jsonl (to be read aloud)
Run     python scripts/evaluate_drafting.py [--split test|valid] [--blog sample] [--candidates 8] [--limit N]
            [--system drafter --system one_draft --system best_of_8] [--counterfactual] [--drafts FILE]
            [--content BASE]   a base model that writes plain sentences first, which the twin puts into the voice
"""

import _path

import argparse
from pathlib import Path

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.files import nan_to_none, read_jsonl, write_json, write_jsonl
from blogtwin.paths import EVAL_DIR


def main() -> None:
    from eval.drafting_run import SYSTEMS, DraftingModels, evaluate, load_cases, render_figures, write_drafts

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--split", choices=["test", "valid"], default="test")
    parser.add_argument("--blog", default="sample")
    parser.add_argument("--candidates", type=int, default=8, help="of each round of the search")
    parser.add_argument("--limit", type=int, default=1000, help="sets of notes at most")
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="drafter, if not given")
    parser.add_argument("--counterfactual", action="store_true", help="also from notes with other numbers and names")
    parser.add_argument("--drafts", type=Path, help="judge these drafts, written before, and write none")
    parser.add_argument("--content", default="", help="a base model for the plain sentences")
    given = parser.parse_args()
    params = load_params()
    kinds = [False, True] if given.counterfactual else [False]
    cases = {kind: load_cases(given.blog, given.split, given.limit, kind, params.eval.seed) for kind in kinds}
    if given.drafts:
        rows = read_jsonl(given.drafts)
    else:
        rows = []
        with DraftingModels(params, given.content) as models:
            for system in given.system or SYSTEMS[:1]:
                for kind in kinds:
                    for row in write_drafts(models, system, cases[kind], params, given.candidates):
                        rows.append(row)
                        echo(f"{system} {row['name']}{' swapped' * kind}: {row['seconds']} s")
        write_jsonl(EVAL_DIR / "drafts.jsonl", rows)
    figures = evaluate(rows, cases, given.blog, params)
    about = {"blog": given.blog, "split": given.split, "candidates": given.candidates, "content_model": given.content}
    write_json(EVAL_DIR / "drafting.json", nan_to_none(about | figures))
    echo(render_figures(figures))


if __name__ == "__main__":
    run_cli(main)
