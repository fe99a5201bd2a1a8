"""The scorecard, «is it me?»: how the twin does on posts it has never seen, beside the base model, plain and prompted.

Reads   artifacts/gguf/twin.gguf, data/split/*.jsonl, data/raw/posts.jsonl (titles), eval/style/impostors.npz
Writes  artifacts/eval/metrics.json     numbers only: what `dvc metrics diff` shows
        artifacts/eval/samples.jsonl    prompt, what each voice wrote, and what the author wrote
        artifacts/eval/report.html      for a person
        artifacts/eval/verdict.txt      the verdict in a sentence, and what to try next, a line each
        artifacts/eval/*.tsv            the plots: habits, likelihood, style
Run     python scripts/07_eval.py --system base      once for each base model: artifacts/eval/base.jsonl
        python scripts/07_eval.py
        python scripts/07_eval.py --suite structure  one suite by itself, base and twin; writes nothing
"""

import _path

import argparse

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.files import read_jsonl, write_jsonl
from blogtwin.paths import EVAL_DIR
from eval.run import (
    check_other_twin,
    collect_base,
    collect_twins,
    make_scorecard,
    run_llm_judge,
    run_suite,
    write_scorecard,
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--system", choices=["base"], help="only let this system read and write, and keep what it did")
    parser.add_argument("--suite", metavar="NAME", help="only this suite of eval/suites, base and twin")
    options = parser.parse_args()
    params = load_params()
    alone = options.suite or options.system
    rows = [] if alone else read_jsonl(EVAL_DIR / "base.jsonl")
    if not alone:
        check_other_twin(params)
    from blogtwin.models.registry import resolve_base

    base = resolve_base(params.train.base)
    if options.suite:
        run_suite(params, base, options.suite)
    elif options.system:
        write_jsonl(EVAL_DIR / "base.jsonl", collect_base(params, base))
        echo(f"wrote {EVAL_DIR}/base.jsonl")
    else:
        card = make_scorecard(params, base, rows + collect_twins(params, base))
        if params.eval.judge_model:
            card.metrics["judge"] = run_llm_judge(params, card)
        write_scorecard(params, base, card)
        echo(card.verdict)
        echo(f"wrote {EVAL_DIR}/metrics.json, samples.jsonl, report.html and the tables of the plots")


if __name__ == "__main__":
    run_cli(main)
