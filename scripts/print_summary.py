"""The short table that `make all` ends with, and what to do next.

Reads   artifacts/train/metrics.json, artifacts/gguf/parity.json, artifacts/eval/metrics.json,
artifacts/ollama/receipt.json Run     python scripts/print_summary.py [--report]
"""

import _path

import argparse

from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.hints import make_command, shell_command
from blogtwin.paths import EVAL_DIR, GGUF_DIR, OLLAMA_DIR, TRAIN_DIR
from eval.summary import LABELS, read_json, read_verdict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="only say where the report is")
    report = EVAL_DIR / "report.html"
    if parser.parse_args().report:
        if not report.is_file():
            raise UserError(f"There is no {report} yet: run `{make_command('all')}`.")
        echo(f"open {report.resolve().as_uri()} in a browser")
        return
    training, parity, scores, receipt = (
        read_json(TRAIN_DIR / "metrics.json"),
        read_json(GGUF_DIR / "parity.json"),
        read_json(EVAL_DIR / "metrics.json"),
        read_json(OLLAMA_DIR / "receipt.json"),
    )
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"your twin, on {scores['n']['prompts']} held-out posts", title_justify="left")
    names = [n for n in ("base", "styled", "five_shot", "twin", "swap", "author") if n in scores]
    for head in ("", *(LABELS[n] for n in names)):
        table.add_column(head, justify="right" if head else "left")

    def row(title: str, family: str, key: str, form: str) -> None:
        values = [scores[n].get(family, {}).get(key) for n in names]
        table.add_row(title, *("" if v is None else format(v, form) for v in values))

    row("bits per byte (lower is better)", "likelihood", "bits_per_byte", ".3f")
    row("style: 0 other bloggers, 1 you", "style", "masked", ".2f")
    row("  by function words alone", "style", "function", ".2f")
    row("longest copy, words (median)", "copying", "longest_copy_median", ".0f")
    row("on topic (1: always its own prompt)", "topic", "tfidf_auc", ".2f")
    if "notes" in scores["twin"]:
        row("from notes: fact recall", "notes", "fact_recall", ".0%")
        row("from notes: unsupported facts", "notes", "unsupported_rate", ".0%")
    row("finished by itself", "shape", "eos_rate", ".0%")
    row("words (median)", "shape", "words_median", ".0f")
    Console().print(table)
    echo(read_verdict(EVAL_DIR / "verdict.txt"))
    echo(
        f"trained {training['train_posts']} posts in {training['seconds']:.0f} s on {training['device']}"
        f" ({training['tokens_per_s']:.0f} tokens/s); the export is what was trained (|Δ log p|"
        f" {parity['twin']['delta_to_twin']:.3f}, base {parity['twin']['delta_to_base']:.3f})"
    )
    where = (
        f"`ollama run {receipt['tag']}`"
        if receipt["status"] == "registered"
        else f"install Ollama and run `{make_command('all')}` again"
    )
    ask, own = shell_command('python scripts/ask.py "a prompt"'), make_command("blog", FROM="~/posts")
    echo(f"next: read {report} (`{make_command('report')}`); `{ask}`; in Ollama: {where}; your own posts: `{own}`")


if __name__ == "__main__":
    run_cli(main)
