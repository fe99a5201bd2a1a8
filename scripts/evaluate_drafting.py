"""How much of people's notes the twin's drafts tell, and what they make up: on the sets of tests/data/notes.

Reads   tests/data/notes/<blog>/*.yaml, artifacts/gguf/twin.gguf; for another blog than the sample, its posts in a
        folder of its name in BLOGTWIN_BLOGS (for the author's own passages) and a project with its twin
Writes  artifacts/eval/drafting.json, artifacts/eval/drafts.jsonl (to be read aloud), draft_scores.jsonl beside them
Run     python scripts/evaluate_drafting.py [--split test|valid] [--blog sample] [--candidates 8] [--limit N]
            [--system drafter --system one_draft --system best_of_8 --system base_drafter] [--counterfactual]
            [--drafts FILE] [--resume] [--seconds 30]   in place of --candidates: a time for each draft
            [--by-rule]   from notes that rules make of the passages, as in training, in place of the people's
            [--content BASE]   a base model that writes plain sentences first, which the twin puts into the voice
"""

import _path

import argparse
from pathlib import Path

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.files import read_jsonl


def main() -> None:
    from eval.drafting_run import DRAFTS_FILE, SYSTEMS, Effort, judge, load_cases, render_figures, write_systems

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--split", choices=["test", "valid"], default="test")
    parser.add_argument("--blog", default="sample")
    parser.add_argument("--candidates", type=int, default=8, help="of each round of the search")
    parser.add_argument("--seconds", type=float, default=0, help="as many candidates as fit this time, as the server")
    parser.add_argument("--limit", type=int, default=1000, help="sets of notes at most")
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="drafter, if not given")
    others = parser.add_mutually_exclusive_group()
    others.add_argument("--counterfactual", action="store_true", help="also from notes with other numbers and names")
    others.add_argument("--by-rule", action="store_true", help="from notes that rules make of the passages")
    parser.add_argument("--drafts", type=Path, help="judge these drafts, written before, and write none")
    parser.add_argument("--content", default="", help="a base model for the plain sentences")
    parser.add_argument("--resume", action="store_true", help="keep the drafts that the same models and code made")
    given = parser.parse_args()
    params = load_params()
    kinds = [False, True] if given.counterfactual else [False]
    sets = (given.blog, given.split, given.limit)
    cases = {kind: load_cases(*sets, kind, params.eval.seed, given.by_rule) for kind in kinds}
    if given.drafts:
        rows = read_jsonl(given.drafts)
    else:
        if not given.resume:
            DRAFTS_FILE.unlink(missing_ok=True)
        systems = given.system or SYSTEMS[:1]
        effort = Effort(0 if given.seconds else given.candidates, given.seconds)
        rows = write_systems(systems, cases, params, effort, given.content, DRAFTS_FILE)
    about = {"blog": given.blog, "split": given.split, "content_model": given.content, "by_rule": given.by_rule}
    about |= {"seconds": given.seconds} if given.seconds else {"candidates": given.candidates}
    figures = judge(rows, cases, given.blog, params, about)
    echo(render_figures(figures))


if __name__ == "__main__":
    run_cli(main)
