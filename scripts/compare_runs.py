"""Compare two runs: the figures of this workspace with the last commit's, or two twins over the same held-out prompts.

Reads   without A, the metrics files of dvc.yaml; with A, artifacts/eval/samples.jsonl of both sides
Run     python scripts/compare_runs.py         as `dvc metrics diff`, and it pairs figures that were renamed
        python scripts/compare_runs.py A B     each a commit, an experiment, or a folder with a samples.jsonl; without
                                               B, this workspace: better, worse or can't tell, and how many posts it
                                               would take to tell
        python scripts/compare_runs.py A B --system five_shot
"""

import _path

import argparse

from blogtwin.console import run_cli
from eval.compare_runs import compare_runs, diff_metrics, load_samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("a", metavar="A", nargs="?")
    parser.add_argument("b", metavar="B", nargs="?", default=".")
    parser.add_argument("--system", default="twin", help="whose answers are compared (default: twin)")
    options = parser.parse_args()
    from eval.comparison_tables import print_comparison, print_metrics_diff

    if options.a is None:
        print_metrics_diff(diff_metrics())
        return
    rows = compare_runs(load_samples(options.a), load_samples(options.b), options.system)
    print_comparison(rows, options.system, options.a, options.b)


if __name__ == "__main__":
    run_cli(main)
