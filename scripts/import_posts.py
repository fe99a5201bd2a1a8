"""Use your own posts: copy them to data/blog, let DVC keep them, and point ingest.source there.

FROM is a folder, an export file of a blog (.xml, .zip, .json, .jsonl, .mbox …), or the address of its feed.
The posts stay on this machine: data/blog is ignored by Git, which sees only a pointer, data/blog.dvc (a hash, no text).

Run     make blog FROM=~/posts
"""

import _path

import shutil
import sys
from pathlib import Path

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.dvc import run_dvc
from blogtwin.edit_params import set_params
from blogtwin.errors import UserError
from blogtwin.files import atomic_directory
from blogtwin.hints import make_command
from corpus.import_posts import BLOG_DIR, copy_posts, download_feed, resolve_source, save_post_dates


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        echo(__doc__)
        return
    if not sys.argv[1]:
        raise UserError(
            f"FROM is empty: name the folder of your posts, as in `{make_command('blog', FROM='~/posts')}`."
        )
    load_params()
    is_address = sys.argv[1].startswith(("http://", "https://"))
    source = sys.argv[1] if is_address else resolve_source(sys.argv[1])
    with atomic_directory(BLOG_DIR) as folder:
        if is_address:
            download_feed(source, folder)
        elif source.is_file():
            shutil.copy2(source, folder)
        else:
            copy_posts(source, folder)
        count = sum(1 for f in folder.rglob("*") if f.is_file())
        if not count:
            raise UserError(
                f"{source} holds no files: name the folder of your posts, as in"
                f" `{make_command('blog', FROM='~/posts')}`."
            )
        if not is_address and source.is_dir():
            save_post_dates(source, folder)
    done = run_dvc(Path("."), "add", "--quiet", str(BLOG_DIR))
    if done.returncode != 0:
        raise UserError(
            f"{count} files were copied to {BLOG_DIR}, but DVC could not take them:"
            f" {' '.join(done.stderr.split())[:300]}"
        )
    set_params(Path("params.yaml"), {"ingest.source": str(BLOG_DIR)})
    echo(
        f"copied {count} file{'' if count == 1 else 's'} from {source} to {BLOG_DIR} and gave them to DVC"
        f" ({BLOG_DIR}.dvc is a pointer; Git never sees the posts)"
    )
    echo(
        f"next: `{make_command('all')}` makes the twin; `{make_command('all', BASE='llama3.2:1b')}` makes it on a"
        " larger base model"
    )


if __name__ == "__main__":
    run_cli(main)
