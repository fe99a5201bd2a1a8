"""Does the twin write as many words as it is asked for, and does its text end? On the held-out posts' prompts.

Reads   data/split/, artifacts/gguf/twin.gguf
Writes  artifacts/eval/lengths.json, artifacts/eval/lengths.jsonl (the texts, to be read aloud)
Run     python scripts/evaluate_lengths.py [--posts 12]
"""

import _path

import argparse

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.files import write_json, write_jsonl
from blogtwin.models import registry
from blogtwin.paths import EVAL_DIR, GGUF_DIR
from blogtwin.sampling import SamplingParams


def main() -> None:
    from rich.progress import Progress

    from corpus.examples import first_parts, join_parts
    from eval.lengths import length_figures, length_prompts, style_gain, write_texts
    from eval.run import load_reference_authors, read_split

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--posts", type=int, default=12, help="held-out posts that are asked for")
    given = parser.parse_args()
    params = load_params()
    prompts = length_prompts(first_parts(read_split("test"), given.posts), params.prepare.system)
    sampling = SamplingParams.from_params(params.eval)
    tokenizer = registry.resolve_base(params.train.base).tokenizer()
    with Progress(transient=True) as progress:
        task = progress.add_task("writing", total=2 * len(prompts))
        rows = write_texts(GGUF_DIR / "twin.gguf", tokenizer, prompts, sampling, lambda n: progress.advance(task, n))
    held_out = list(join_parts(read_split("test", "valid")).values())
    training = list(join_parts(read_split("train")).values())
    others = load_reference_authors(params, training + held_out)
    figures = length_figures(rows) | {"style_gain": style_gain(rows, held_out, others, params.eval.seed)}
    write_jsonl(EVAL_DIR / "lengths.jsonl", rows)
    write_json(EVAL_DIR / "lengths.json", figures)
    for name, values in figures.items():
        echo(f"{name:12} {values}")


if __name__ == "__main__":
    run_cli(main)
