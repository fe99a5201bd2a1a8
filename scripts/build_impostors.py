"""Build eval/style/impostors.npz from the blogs of several people: the feature counts that an author's style is
compared with. It holds counts only, no sentences.

Reads   FOLDER, with a folder of posts for each author
Writes  eval/style/impostors.npz
Run     python scripts/build_impostors.py FOLDER
"""

import _path

import argparse
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import atomic_open
from eval.style.impostors import CUTOFF_DATE, MAX_POSTS, MIN_POSTS, load_blogs, longest_posts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="a folder of posts for each author")
    folder = parser.parse_args().folder
    from eval.style import impostors

    blogs = {
        name: longest_posts(posts, MAX_POSTS) for name, posts in load_blogs(folder).items() if len(posts) >= MIN_POSTS
    }
    if len(blogs) < impostors.MIN_AUTHORS:
        raise UserError(
            f"{folder} holds {len(blogs)} authors with {MIN_POSTS} posts or more up to {CUTOFF_DATE}, and"
            f" {impostors.MIN_AUTHORS} are needed: add more."
        )
    with atomic_open(impostors.SHIPPED_FILE, "wb") as file:
        impostors.save_impostors(impostors.from_blogs(blogs), file)
    for name, posts in blogs.items():
        echo(f"{name}: {len(posts)} posts")
    echo(f"wrote {impostors.SHIPPED_FILE.name}, {impostors.SHIPPED_FILE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_cli(main)
