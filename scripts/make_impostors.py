"""Blogs of several people → eval/impostors.npz: the counts of their prose that a voice is measured against, no sentences.

Reads   FOLDER: one folder of posts for each author
Writes  eval/impostors.npz
Run     python scripts/make_impostors.py FOLDER
"""

import argparse
from pathlib import Path

from _shared import UserError, run, say, writing

UNTIL = "2022-11-30"  # what is dated later may have been written with a language model
POSTS, FEWEST_POSTS, FEWEST_WORDS = 40, 10, 100


def blogs(folder: Path, until: str = UNTIL) -> dict[str, list[str]]:
    """{author: cleaned posts, oldest first} of a folder with one folder for each author; undated posts are taken."""
    from corpus import readers
    from corpus.clean import clean
    from eval.prose import prose

    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: give one that holds a folder of posts for each author.")
    found = {}
    for author in sorted(p for p in folder.iterdir() if p.is_dir()):
        posts = []
        for path in sorted(author.rglob("*")):
            try:
                post = readers.read(path, 5e7) if path.is_file() else None
            except readers.LeftOut:
                continue
            if post and not post.draft and (post.date or "") <= until:
                text = clean(post.text)
                if len(prose(text).split()) >= FEWEST_WORDS:
                    posts.append((post.date or "", path.as_posix(), text))
        if posts:
            found[author.name] = [text for *_, text in sorted(posts)]
    return found


def longest(posts: list[str], n: int) -> list[str]:
    """The `n` posts with most prose, in their own order: they give full windows."""
    from eval.prose import prose

    kept = sorted(range(len(posts)), key=lambda i: -min(500, len(prose(posts[i]).split())))[:n]
    return [posts[i] for i in sorted(kept)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER")
    folder = parser.parse_args().folder
    from eval import impostors

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
