"""How long a big archive takes to read, cut and split, and how much memory: 500 posts and 5,000 of 2,000 words, and
three more posts after.

The posts are made of the sample blog's words, drawn by how often they stand there, with headings, lists, links, quotes
and code.

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

WORDS = 2000  # of a post
STAGES = ("01_ingest", "02_prepare", "03_split")
REACH = {
    "5,000 posts in under 3 minutes": lambda big: big["seconds"] < 180,
    "5,000 posts in under 2 GB": lambda big: big["most_mb"] < 2000,
}


def vocabulary() -> list[str]:
    """The words of the sample blog, as often as they stand there."""
    text = " ".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "data/sample").glob("*.md")))
    return [word for word in text.split() if word.strip("'’.,;:!?()").isalpha()]


def post(number: int, words: list[str]) -> str:
    """A Markdown file with front matter."""
    draw = random.Random(number)

    def some(n: int) -> str:
        return " ".join(draw.choices(words, k=n))

    blocks, left = [], WORDS
    while left > 0:
        n = min(left, draw.randint(30, 120))
        kind = draw.random()
        if kind < 0.08:
            blocks.append(f"## {some(4)}")
            n = 4
        elif kind < 0.14:
            blocks.append("\n".join(f"- {some(n // 4)}" for _ in range(4)))
        elif kind < 0.18:
            blocks.append(f"> {some(n)}")
        elif kind < 0.2:
            blocks.append(f"```python\nprint({number})\n```\n\n{some(n)}")
        else:
            blocks.append(f"{some(n // 2)} [{some(3)}](https://example.org/{number}) {some(n - n // 2 - 3)}")
        left -= n
    return (
        f"---\ntitle: Post {number}\ndate:"
        f" {2000 + number // 336 % 25}-{1 + number // 28 % 12:02}-{1 + number % 28:02}\ntags:"
        f" [{draw.choice(words).strip('.,;:!?()')}]\n---\n" + "\n\n".join(blocks) + "\n"
    )


def stage(name: str, folder: Path) -> dict:
    """Seconds and MB of one stage, run as DVC runs it."""
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / f"scripts/{name}.py")], cwd=folder, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    if status != 0:
        raise UserError(f"{name} failed; its reason stands above.")
    return {
        "seconds": round(time.perf_counter() - started, 2),
        "mb": round(used.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10), 1),
    }


def archive(posts: int) -> dict:
    """What the stages take for a blog of so many posts, and once more when three are added."""
    words = vocabulary()
    with tempfile.TemporaryDirectory() as there:
        folder = Path(there)
        shutil.copy(ROOT / "params.yaml", folder)
        shutil.copytree(
            ROOT / "corpus", folder / "corpus", ignore=shutil.ignore_patterns("*.py", "__pycache__")
        )  # the empty persona
        (folder / "blog").mkdir()
        set_params(folder / "params.yaml", {"ingest.source": "blog"})
        for number in range(posts):
            (folder / f"blog/{number:05}.md").write_text(post(number, words), encoding="utf-8")
        found = {name: stage(name, folder) for name in STAGES}
        for number in range(posts, posts + 3):
            (folder / f"blog/{number:05}.md").write_text(post(number, words), encoding="utf-8")
        again = {name: stage(name, folder) for name in STAGES}
    total = round(sum(s["seconds"] for s in found.values()), 2)
    each = ", ".join(f"{name[3:]} {s['seconds']:.1f} s, {s['mb']:,.0f} MB" for name, s in found.items())
    echo(
        f"{posts:,} posts, {posts * WORDS:,} words: {total:.1f} s ({each}); three more:"
        f" {sum(s['seconds'] for s in again.values()):.1f} s"
    )
    return {
        "posts": posts,
        "words": posts * WORDS,
        "seconds": total,
        "most_mb": max(s["mb"] for s in found.values()),
        "stages": found,
        "three_more_seconds": round(sum(s["seconds"] for s in again.values()), 2),
        "three_more": again,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--posts", type=int, nargs="+", default=[500, 5000], help="sizes of the archive (default %(default)s)"
    )
    sizes = parser.parse_args().posts
    found = [archive(posts) for posts in sizes]
    biggest = max(found, key=lambda f: f["posts"])
    reached = {aim: bool(test(biggest)) for aim, test in REACH.items()} if biggest["posts"] >= 5000 else {}
    for aim, there in reached.items():
        echo(f"{'reached' if there else 'MISSED '}  {aim}")
    write_json(ARTIFACTS_DIR / "bench/data.json", {"archives": found, "reached": reached})
    echo(f"wrote {ARTIFACTS_DIR}/bench/data.json")


if __name__ == "__main__":
    run_cli(main)
