"""The scorecard, “is it me?”: how the twin does on posts it was not trained on, beside the base model.

Reads   artifacts/gguf/twin.gguf, data/split/*.jsonl, data/raw/posts.jsonl (titles), eval/style/impostors.npz
Writes  artifacts/eval/metrics.json     numbers only: what `dvc metrics diff` shows
        artifacts/eval/samples.jsonl    prompt, what each system wrote, and what the author wrote
        artifacts/eval/report.html      for a person
        artifacts/eval/verdict.txt      the verdict in a sentence, and what to try next, one line each
        artifacts/eval/*.tsv            the plots: likelihood, style, confusion, style_features
Run     python scripts/07_eval.py --system base      once for each base model: artifacts/eval/base.jsonl
        python scripts/07_eval.py
        python scripts/07_eval.py --suite structure  one suite, base and twin; writes nothing
"""

import _path

import argparse

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.files import read_jsonl, write_jsonl
from blogtwin.paths import EVAL_DIR
from eval import run

BASE_FILE = EVAL_DIR / "base.jsonl"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", choices=["base"], help="collect what the base model writes and scores, and stop")
    parser.add_argument("--suite", metavar="NAME", help="run one suite of eval/suites/cases, on base and twin")
    options = parser.parse_args()
    params = load_params()
    rows = []
    if not (options.suite or options.system):
        rows = read_jsonl(BASE_FILE)
        run.check_other_twin(params)
    from blogtwin.models.registry import resolve_base

    base = resolve_base(params.train.base)
    if options.suite:
        run.run_suite(params, base, options.suite)
    elif options.system:
        write_jsonl(BASE_FILE, run.collect_base(params, base))
        echo(f"wrote {BASE_FILE}")
    else:
        card = run.make_scorecard(params, base, rows + run.collect_twins(params, base))
        if params.eval.judge_model:
            card.metrics["judge"] = run.run_llm_judge(params, card)
        run.write_scorecard(params, base, card)
        echo(card.verdict)
        echo(f"wrote {EVAL_DIR}/metrics.json, samples.jsonl, report.html and the tables of the plots")


if __name__ == "__main__":
    run_cli(main)
