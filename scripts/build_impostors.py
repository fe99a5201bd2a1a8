"""Build eval/style/impostors.npz, the feature counts that an author's style is compared with, from clones of the blogs
that eval/style/impostor_sources.yaml lists. It holds counts only, no sentences.

Reads   CLONES: a folder with a clone of each repository, named as in the list, at its listed commit
Writes  eval/style/impostors.npz
Run     python scripts/build_impostors.py CLONES
"""

import _path

import argparse
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import atomic_open


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path, metavar="CLONES", help="a folder with a clone of each listed repository")
    clones = parser.parse_args().clones
    from eval.style import impostors
    from eval.style.impostor_sources import load_sources, read_posts, spread_posts

    blogs = {}
    for source in load_sources():
        posts = read_posts(source, clones / source.name)
        if len(posts) < impostors.MAX_POSTS:
            raise UserError(
                f"{source.name} has {len(posts)} usable posts, and {impostors.MAX_POSTS} are needed: add folders to its"
                " paths in eval/style/impostor_sources.yaml, or take it out."
            )
        blogs[source.name] = spread_posts(posts, impostors.MAX_POSTS)
        echo(f"{source.name}: {impostors.MAX_POSTS} of {len(posts)} posts ({source.license})")
    with atomic_open(impostors.SHIPPED_FILE, "wb") as file:
        impostors.save_impostors(impostors.from_blogs(blogs), file)
    echo(f"wrote {impostors.SHIPPED_FILE.name}, {impostors.SHIPPED_FILE.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_cli(main)
