"""Use your own posts: copy them to data/blog, add them to DVC, and set ingest.source to that folder.

FROM is a folder, an export file of a blog (.xml, .zip, .json, .jsonl, .mbox …), or the address of its feed.
The posts stay on this machine: Git ignores data/blog, and sees only a pointer, data/blog.dvc (a hash, no text).

Run     make blog FROM=~/posts
"""

import _path

import sys
from pathlib import Path

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.edit_params import set_params
from blogtwin.hints import make_command
from corpus.import_posts import BLOG_DIR, import_posts, track_with_dvc


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        echo(__doc__)
        return
    source = sys.argv[1]
    load_params()  # a mistake in params.yaml must not be found after the posts were copied
    num_files = import_posts(source)
    track_with_dvc(num_files)
    set_params(Path("params.yaml"), {"ingest.source": str(BLOG_DIR)})
    echo(
        f"copied {num_files} file{'' if num_files == 1 else 's'} from {source} to {BLOG_DIR} and added them to DVC"
        f" ({BLOG_DIR}.dvc is a pointer; Git never sees the posts)"
    )
    echo(f"next: `{make_command('all')}` trains the twin")
    echo(f"      `{make_command('all', BASE='llama3.2:1b')}` trains it on a larger base model")


if __name__ == "__main__":
    run_cli(main)
