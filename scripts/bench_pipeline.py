"""Time and memory of ingest, prepare and split on large blogs: 500 and 5,000 posts of 2,000 words, and again after
three posts were added.

The posts are synthetic: words of the sample blog with their frequencies, in headings, lists, links, quotes and code.

Writes  artifacts/bench/data.json
Run     make bench-data
        python scripts/bench_pipeline.py --posts 50 100
"""

import _path

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.edit_params import set_params
from blogtwin.errors import UserError
from blogtwin.files import write_json
from blogtwin.paths import ARTIFACTS_DIR, ROOT

POST_WORDS = 2000
ADDED_POSTS = 3
STAGES = ("01_ingest", "02_prepare", "03_split")
MAX_SECONDS, MAX_MB = 180, 2000  # the targets, for a blog of TARGET_POSTS
TARGET_POSTS = 5000


def vocabulary() -> list[str]:
    """The words of the sample blog, as often as they occur there."""
    text = " ".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "data/sample").glob("*.md")))
    return [word for word in text.split() if word.strip("'’.,;:!?()").isalpha()]


def synthetic_post(number: int, words: list[str]) -> str:
    """A Markdown file with front matter; each number gives another one, and always the same."""
    rng = random.Random(number)

    def sample(n: int) -> str:
        return " ".join(rng.choices(words, k=n))

    blocks, remaining = [], POST_WORDS
    while remaining > 0:
        n = min(remaining, rng.randint(30, 120))
        kind = rng.random()
        if kind < 0.08:
            blocks.append(f"## {sample(4)}")
            n = 4
        elif kind < 0.14:
            blocks.append("\n".join(f"- {sample(n // 4)}" for _ in range(4)))
        elif kind < 0.18:
            blocks.append(f"> {sample(n)}")
        elif kind < 0.2:
            blocks.append(f"```python\nprint({number})\n```\n\n{sample(n)}")
        else:
            before, words_of_link, after = sample(n // 2), sample(3), sample(n - n // 2 - 3)
            blocks.append(f"{before} [{words_of_link}](https://example.org/{number}) {after}")
        remaining -= n
    date = f"{2000 + number // 336 % 25}-{1 + number // 28 % 12:02}-{1 + number % 28:02}"
    tag = rng.choice(words).strip(".,;:!?()")
    return f"---\ntitle: Post {number}\ndate: {date}\ntags: [{tag}]\n---\n" + "\n\n".join(blocks) + "\n"


def write_posts(folder: Path, numbers: range, words: list[str]) -> None:
    for number in numbers:
        (folder / f"{number:05}.md").write_text(synthetic_post(number, words), encoding="utf-8")


def measure_stage(name: str, folder: Path) -> dict[str, float]:
    """Seconds and peak memory of one stage, in a process of its own as DVC runs it."""
    started = time.perf_counter()
    command = [sys.executable, str(ROOT / f"scripts/{name}.py")]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise UserError(f"{name} failed: see its error above.")
    bytes_per_unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "mb": round(usage.ru_maxrss * bytes_per_unit / 2**20, 1),
    }


def measure_blog(num_posts: int) -> dict:
    """What the stages take for a blog of so many posts, and again after ADDED_POSTS were added."""
    words = vocabulary()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        shutil.copy(ROOT / "params.yaml", folder)
        (folder / "corpus").mkdir()
        shutil.copy(ROOT / "corpus/persona.yaml", folder / "corpus")  # the empty form
        (folder / "blog").mkdir()
        set_params(folder / "params.yaml", {"ingest.source": "blog"})
        write_posts(folder / "blog", range(num_posts), words)
        first = {name: measure_stage(name, folder) for name in STAGES}
        write_posts(folder / "blog", range(num_posts, num_posts + ADDED_POSTS), words)
        again = {name: measure_stage(name, folder) for name in STAGES}
    seconds = round(sum(stage["seconds"] for stage in first.values()), 2)
    seconds_again = round(sum(stage["seconds"] for stage in again.values()), 2)
    stages = ", ".join(f"{name[3:]} {stage['seconds']:.1f} s, {stage['mb']:,.0f} MB" for name, stage in first.items())
    echo(
        f"{num_posts:,} posts, {num_posts * POST_WORDS:,} words: {seconds:.1f} s ({stages});"
        f" after {ADDED_POSTS} more posts: {seconds_again:.1f} s"
    )
    return {
        "posts": num_posts,
        "words": num_posts * POST_WORDS,
        "seconds": seconds,
        "peak_mb": max(stage["mb"] for stage in first.values()),
        "stages": first,
        "three_more_seconds": seconds_again,
        "three_more": again,
    }


def check_targets(blog: dict) -> dict[str, bool]:
    """Whether the measured blog meets the targets; empty for one that is too small to tell."""
    if blog["posts"] < TARGET_POSTS:
        return {}
    return {
        f"{TARGET_POSTS:,} posts in under {MAX_SECONDS // 60} minutes": blog["seconds"] < MAX_SECONDS,
        f"{TARGET_POSTS:,} posts in under {MAX_MB / 1000:.0f} GB": blog["peak_mb"] < MAX_MB,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--posts", type=int, nargs="+", default=[500, 5000], help="sizes of the blog (default %(default)s)"
    )
    blogs = [measure_blog(num_posts) for num_posts in parser.parse_args().posts]
    reached = check_targets(max(blogs, key=lambda blog: blog["posts"]))
    for target, is_met in reached.items():
        echo(f"{'reached' if is_met else 'MISSED '}  {target}")
    path = ARTIFACTS_DIR / "bench/data.json"
    write_json(path, {"archives": blogs, "reached": reached})
    echo(f"wrote {path}")


if __name__ == "__main__":
    run_cli(main)
