"""The short table that `make all` ends with, and what to do next.

Reads   artifacts/train/metrics.json, artifacts/gguf/parity.json, artifacts/eval/metrics.json, artifacts/ollama/receipt.json
Run     python scripts/summary.py [--report]
"""

import argparse
import json

from _shared import EVAL, GGUF, OLLAMA, TRAIN, UserError, run, say


def read(path) -> dict:
    if not path.is_file():
        raise UserError(f"There is no {path} yet: run `make all`.")
    return json.loads(path.read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--report", action="store_true", help="only say where the report is")
    report = EVAL / "report.html"
    if parser.parse_args().report:
        if not report.is_file():
            raise UserError(f"There is no {report} yet: run `make all`.")
        say(f"open {report.resolve().as_uri()} in a browser")
        return
    training, parity, scores, receipt = read(TRAIN / "metrics.json"), read(GGUF / "parity.json"), read(EVAL / "metrics.json"), read(OLLAMA / "receipt.json")
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"your twin, on {scores['n']['posts']} held-out posts", title_justify="left")
    for head in ("", "base", "twin", "you"):
        table.add_column(head, justify="left" if not head else "right")
    base, twin, author = scores["base"], scores["twin"], scores["author"]
    table.add_row("bits per byte (lower is better)", f"{base['bits_per_byte']:.3f}", f"{twin['bits_per_byte']:.3f} ({-scores['gain']['bits_per_byte_percent']:+.1f} %)", "")
    table.add_row("style: 0 the base, 1 you", f"{base['style']:.2f}", f"{twin['style']:.2f}", f"{author['style']:.2f}")
    table.add_row("longest run copied, words (median)", str(base["copied_run_median"]), str(twin["copied_run_median"]), str(author["copied_run_median"]))
    table.add_row("stops by itself", f"{base['stopped']:.0%}", f"{twin['stopped']:.0%}", "")
    table.add_row("words (median)", str(base["words_median"]), str(twin["words_median"]), str(author["words_median"]))
    Console().print(table)
    say(f"trained {training['train_posts']} posts in {training['seconds']:.0f} s on {training['device']} ({training['tokens_per_s']:.0f} tokens/s); the export is what was trained (|Δ log p| {parity['twin']['delta_to_twin']:.3f}, base {parity['twin']['delta_to_base']:.3f})")
    where = f"`ollama run {receipt['tag']}`" if receipt["status"] == "registered" else "install Ollama and run `make all` again"
    say(f"next: read {report} (`make report`); `python scripts/smoke.py \"a prompt\"`; in Ollama: {where}; your own posts: `make blog FROM=~/posts`")


if __name__ == "__main__":
    run(main)
