"""Read a folder of posts, or of blog exports, into one clean table.

Reads   the folder `ingest.source` (.md, .txt, .docx, .html, .rst, .org, .qmd, .ipynb, .adoc and more; exports and
        feeds: .xml, .zip, .json, .jsonl, .mbox, .eml)
Writes  data/raw/posts.jsonl       one post per row
        data/raw/discarded.jsonl   every skipped file or post, and the reason
        artifacts/cache/read.jsonl what each file contained, so that the next run reads only new files
Run     python scripts/01_ingest.py
"""

import _path

import argparse
from pathlib import Path

from blogtwin.config import load_params
from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import write_jsonl, write_jsonl_files
from blogtwin.hints import make_command
from blogtwin.paths import ARTIFACTS_DIR, RAW_DIR
from corpus.ingest import ingest_folder, print_summary
from corpus.left_out import no_posts_message


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = load_params().ingest
    source = Path(params.source)
    if not source.is_dir():
        raise UserError(
            f"ingest.source is {params.source}, and there is no such folder: set it in params.yaml, or run"
            f" `{make_command('blog', FROM='your/folder')}`."
        )
    from blogtwin.cache import JsonCache

    with JsonCache(ARTIFACTS_DIR / "cache/read.jsonl", params.chat_role, params.max_file_mb) as remembered:
        limits = params.min_words, params.max_file_mb * 1e6
        kinds = params.author, params.chat_role, params.post_types
        posts, discarded = ingest_folder(source, *limits, *kinds, remembered, params.language)
    if not posts:
        write_jsonl(RAW_DIR / "discarded.jsonl", discarded)
        raise UserError(f"{source} {no_posts_message(discarded)} (all reasons: {RAW_DIR / 'discarded.jsonl'}).")
    write_jsonl_files({RAW_DIR / "posts.jsonl": posts, RAW_DIR / "discarded.jsonl": discarded})
    print_summary(posts, discarded)
    if remembered.hits:
        echo(
            f"{remembered.misses} of {remembered.misses + remembered.hits} files are new or changed; the others are"
            " cached"
        )
    echo(f"wrote {RAW_DIR / 'posts.jsonl'} and {RAW_DIR / 'discarded.jsonl'}")


if __name__ == "__main__":
    run_cli(main)
