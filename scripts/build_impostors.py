"""Blogs of several people → eval/style/impostors.npz: the counts of their prose that a voice is measured against, no sentences.

Reads   FOLDER: one folder of posts for each author
Writes  eval/style/impostors.npz
Run     python scripts/build_impostors.py FOLDER
"""

import _path

import argparse
from pathlib import Path

from blogtwin.console import run, say
from blogtwin.errors import UserError
from blogtwin.files import writing
from eval.style.impostors import FEWEST_POSTS, POSTS, UNTIL, blogs, longest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder = parser.parse_args().folder
    from eval.style import impostors

    found = {name: longest(posts, POSTS) for name, posts in blogs(folder).items() if len(posts) >= FEWEST_POSTS}
    if len(found) < impostors.FEWEST_AUTHORS:
        raise UserError(f"{folder} holds {len(found)} authors with {FEWEST_POSTS} posts or more up to {UNTIL}, and {impostors.FEWEST_AUTHORS} are needed.")
    gathered = impostors.gather(found)
    with writing(impostors.SHIPPED, "wb") as file:
        impostors.save(gathered, file)
    for name, posts in found.items():
        say(f"{name}: {len(posts)} posts")
    say(f"wrote {impostors.SHIPPED.name}, {impostors.SHIPPED.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run(main)
