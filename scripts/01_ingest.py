"""Read a folder of posts into one clean table.

Reads   the folder `ingest.source` (.md, .txt, .docx)
Writes  data/raw/posts.jsonl       a row a post
        data/raw/discarded.jsonl   every file left out, with its reason
Run     python scripts/01_ingest.py
"""

import argparse
import os
from collections import Counter
from pathlib import Path

from _shared import RAW, UserError, load_params, run, say, write_all, write_jsonl

# Folders that hold no posts; each is named once in discarded.jsonl, not file by file.
NOT_POSTS = {".git", ".svn", ".obsidian", ".trash", ".dvc", "node_modules", "__pycache__", ".venv"}


def walk(folder: Path) -> tuple[list[Path], list[tuple[Path, str]]]:
    """(files in a stable order, [(folder passed over, reason)]); follows links, but enters no real folder twice."""
    files, passed, seen = [], [], set()

    def unreadable(error: OSError) -> None:
        passed.append((Path(error.filename), "the folder can't be opened"))

    for here, folders, names in os.walk(folder, followlinks=True, onerror=unreadable):
        real = os.path.realpath(here)
        if real in seen:
            passed.append((Path(here), "a link back to a folder already read"))
            folders.clear()
            continue
        seen.add(real)
        passed.extend((Path(here, f), "not a folder of posts") for f in folders if f in NOT_POSTS)
        folders[:] = sorted(f for f in folders if f not in NOT_POSTS)
        files += [Path(here, name) for name in sorted(names)]
    return files, passed


def as_text(name: str) -> str:
    """A file name as text: bytes that are no UTF-8 are written out, so that two such names stay different."""
    return name.encode("utf-8", "backslashreplace").decode()


def ingest(folder: Path, min_words: int, max_bytes: float) -> tuple[list[dict], list[dict]]:
    """All files of a folder → (post rows, discarded rows). Every file is in exactly one of them."""
    import py3langid
    from rich.progress import track

    from corpus import readers

    files, passed = walk(folder)
    posts, discarded, first_with = [], [], {}

    def name(path):
        return as_text(str(path.relative_to(folder)))

    def leave_out(path, reason):
        discarded.append({"source": name(path), "reason": as_text(reason)})

    for path, reason in passed:
        leave_out(path, reason)
    for path in track(files, "reading posts", transient=True):
        try:
            post = readers.read(path, max_bytes)
        except readers.LeftOut as e:
            leave_out(path, str(e))
            continue
        except OSError as e:
            leave_out(path, f"can't be opened: {e.strerror or e}")
            continue
        words, post_id = len(post.text.split()), readers.post_id(post.text)
        if post.draft:
            leave_out(path, "a draft")
        elif words < min_words:
            leave_out(path, f"only {words} words, fewer than ingest.min_words ({min_words})")
        elif post_id in first_with:
            leave_out(path, f"the same text as {first_with[post_id]}")
        else:
            first_with[post_id] = name(path)
            posts.append(
                {
                    "id": post_id,
                    "title": post.title,
                    "date": post.date,
                    "text": post.text,
                    "source": name(path),
                    "format": path.suffix.lower().lstrip("."),
                    "word_count": words,
                    "tags": post.tags,
                    "lang": py3langid.classify(post.text[:5000])[0],
                }
            )
    return posts, discarded


def show(posts: list[dict], discarded: list[dict]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="ingest", title_justify="left", show_header=False)
    dates = sorted(p["date"] for p in posts if p["date"])
    formats = Counter(p["format"] for p in posts)
    table.add_row("read", f"{len(posts) + len(discarded)} files")
    table.add_row("kept", f"{len(posts)} posts ({', '.join(f'{n} .{f}' for f, n in formats.most_common())})")
    for reason, n in Counter(d["reason"].split(":")[0].split(", fewer")[0] for d in discarded).most_common(8):
        table.add_row("left out", f"{n}: {escape(reason)}")
    table.add_row("words", f"{sum(p['word_count'] for p in posts):,}")
    table.add_row("dates", f"{dates[0]} to {dates[-1]}" + (f", {len(posts) - len(dates)} without" if len(dates) < len(posts) else "") if dates else "none")
    Console().print(table)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    params = load_params().ingest
    source = Path(params.source)
    if not source.is_dir():
        raise UserError(f"ingest.source is {params.source}, and there is no such folder: set it in params.yaml, or run `make blog FROM=your/folder`.")
    posts, discarded = ingest(source, params.min_words, params.max_file_mb * 1e6)
    if not posts:
        write_jsonl(RAW / "discarded.jsonl", discarded)
        raise UserError(f"{source} holds {len(discarded)} files and no post (see {RAW / 'discarded.jsonl'}): put .md, .txt or .docx posts there.")
    write_all({RAW / "posts.jsonl": posts, RAW / "discarded.jsonl": discarded})
    show(posts, discarded)
    say(f"wrote {RAW / 'posts.jsonl'} and {RAW / 'discarded.jsonl'}")


if __name__ == "__main__":
    run(main)
