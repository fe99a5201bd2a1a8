"""Print the short table that `make all` ends with, and what to do next.

Reads   artifacts/train/metrics.json, artifacts/gguf/parity.json, artifacts/eval/metrics.json,
        artifacts/eval/verdict.txt, artifacts/ollama/receipt.json
Run     python scripts/print_summary.py
        python scripts/print_summary.py --report   only says where the report is
"""

import _path

import argparse

from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.hints import make_command, shell_command
from blogtwin.paths import EVAL_DIR, GGUF_DIR, OLLAMA_DIR, TRAIN_DIR
from eval.summary import read_json, read_verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="only say where the report is")
    report = EVAL_DIR / "report.html"
    if parser.parse_args().report:
        if not report.is_file():
            raise UserError(f"There is no {report} yet: run `{make_command('all')}`.")
        echo(f"open {report.resolve().as_uri()} in a browser")
        return
    training = read_json(TRAIN_DIR / "metrics.json")
    parity = read_json(GGUF_DIR / "parity.json")["twin"]
    scores = read_json(EVAL_DIR / "metrics.json")
    receipt = read_json(OLLAMA_DIR / "receipt.json")
    from rich.console import Console

    from eval.summary_table import build_summary_table

    Console().print(build_summary_table(scores))
    echo(read_verdict(EVAL_DIR / "verdict.txt")[0])
    echo(
        f"trained on {training['train_posts']} posts in {training['seconds']:.0f} s on {training['device']}"
        f" ({training['tokens_per_s']:.0f} tokens/s); the export is the model that was trained (|Δ log p|"
        f" {parity['delta_to_twin']:.3f}, base {parity['delta_to_base']:.3f})"
    )
    in_ollama = f"install Ollama and run `{make_command('all')}` again"
    if receipt["status"] == "registered":
        in_ollama = f"`ollama run {receipt['tag']}`"
    ask, blog = shell_command('python scripts/ask.py "a prompt"'), make_command("blog", FROM="~/posts")
    echo(f"next: read {report} (`{make_command('report')}`); `{ask}`; in Ollama: {in_ollama}; your own posts: `{blog}`")


if __name__ == "__main__":
    run_cli(main)
