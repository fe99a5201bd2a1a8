"""A recipe on public text, like for like: the base model shown five posts, the base model with retrieval, the twin, and
the twin with verified drafting, on the held-out posts of each blog.

A twin is trained in a folder of its own for each blog, authors/benchmark-<blog>-<base>, by params.yaml of the last
commit and PARAMS. What is finished is not made again.

Reads   the sample blog; with BLOGS= each folder of posts in that folder
Writes  artifacts/benchmark/benchmark.json, and its table in benchmark.md beside it
Run     make benchmark
        make benchmark BLOGS=folder BASE=qwen2.5-coder:0.5b PARAMS="train.max_tokens=60000 train.lora_rank=32"
        python scripts/benchmark.py --collect    in a project's folder: artifacts/eval/benchmark.json, of its twin
"""

import _path

import argparse
from pathlib import Path

from blogtwin.console import run_cli


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--blogs", type=Path, help="a folder with a folder of posts for each blog")
    parser.add_argument("--base", default="", help="a name of registry.yaml; params.yaml's, if not given")
    parser.add_argument("--params", default="", help="the recipe: section.name=value, with spaces between")
    parser.add_argument("--collect", action="store_true", help="only this folder's own twin")
    given = parser.parse_args()
    from eval.benchmark_run import build_recipe, collect_here, list_blogs, measure_blogs

    if given.collect:
        collect_here()
    else:
        measure_blogs(list_blogs(given.blogs), given.blogs, build_recipe(given.base, given.params))


if __name__ == "__main__":
    run_cli(main)
