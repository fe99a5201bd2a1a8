"""Whose posts the floor is made of, and how they are read from clones: impostor_sources.yaml lists people, licenses and
commits. Only scripts/build_impostors.py needs this; scoring reads the counts."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import yaml

from blogtwin.dvc import run_git
from blogtwin.errors import UserError
from blogtwin.text.markdown import extract_prose
from corpus import readers
from corpus.cleaning import clean_markdown
from corpus.dedup import group_related
from corpus.file_dates import post_dates
from corpus.post import Post
from eval.style.impostors import CUTOFF_DATE, MAX_FILE_BYTES, MAX_POSTS

SOURCES_FILE = Path(__file__).with_name("impostor_sources.yaml")
MIN_WORDS = 250  # of prose; shorter posts are left out
DETECTED_CHARACTERS = 3000  # of a post, from which its language is told
MIN_JACCARD, MIN_CONTAINMENT = 0.3, 0.2  # of 5-word runs: from here on two posts are one, printed twice
FULL_WORDS = 500  # a window of the verifier


@dataclass(frozen=True)
class Source:
    """One person's blog: `paths` are the folders of `repository` at `commit` that hold the posts."""

    name: str
    repository: str
    commit: str
    license: str
    stated_in: str  # where in the repository the license is stated
    about: str
    paths: list[str]
    language: str = "en"  # ISO 639-1


def load_sources(path: Path = SOURCES_FILE) -> list[Source]:
    """All sources that the file lists, in its order."""
    return [Source(**row) for row in yaml.safe_load(path.read_text(encoding="utf-8"))]


def read_posts(source: Source, clone: Path) -> list[str]:
    """The person's usable posts as cleaned Markdown, oldest first: dated up to CUTOFF_DATE, with MIN_WORDS words or
    more, in the source's language, each once, by the person who wrote most of them.

    Raises UserError unless `clone` has the listed commit checked out.
    """
    head = run_git(clone, "rev-parse", "HEAD") if clone.is_dir() else None
    if not head or head.stdout.strip() != source.commit:
        raise UserError(
            f"{clone} is not {source.repository} at commit {source.commit}: clone it there, then check that commit out."
        )
    files = [file for path in source.paths for file in sorted((clone / path).rglob("*")) if file.is_file()]
    days = post_dates(clone, files)
    dated: list[tuple[str, Post]] = []
    for file in files:
        try:
            post = readers.read_post(file, MAX_FILE_BYTES)
        except readers.SkippedPost:
            continue
        day, origin = (post.date, "post") if post.date else days.get(file.relative_to(clone).as_posix(), ("", ""))
        if day and day <= CUTOFF_DATE and origin != "file time" and not post.not_public:
            dated.append((day, post))
    texts = [clean_markdown(post.text) for _, post in _by_main_author(dated)]
    return _each_once([text for text in texts if _is_usable(text, source.language)])


def _by_main_author(dated: list[tuple[str, Post]]) -> list[tuple[str, Post]]:
    """Without what guests wrote, oldest first."""
    names = Counter(tuple(post.authors) for _, post in dated if post.authors)
    main = names.most_common(1)[0][0] if names else ()
    return sorted(((day, post) for day, post in dated if tuple(post.authors) in ((), main)), key=lambda row: row[0])


def _is_usable(text: str, language: str) -> bool:
    """True for a text with enough prose, in that language."""
    import py3langid

    prose = extract_prose(text)
    return len(prose.split()) >= MIN_WORDS and py3langid.classify(prose[:DETECTED_CHARACTERS])[0] == language


def _each_once(texts: list[str]) -> list[str]:
    """The first of each group of texts that share much."""
    rows = [{"title": "", "text": text, "translation": ""} for text in texts]
    return [texts[i] for i in sorted(group[0] for group in group_related(rows, MIN_JACCARD, MIN_CONTAINMENT))]


def spread_posts(texts: list[str], n: int = MAX_POSTS) -> list[str]:
    """`n` of the texts, spread evenly over their order; those of a full window are taken first."""
    full = [i for i, text in enumerate(texts) if len(extract_prose(text).split()) >= FULL_WORDS]
    if len(full) < n:
        lengths = {i: len(extract_prose(text).split()) for i, text in enumerate(texts)}
        full = sorted(sorted(lengths, key=lambda i: -lengths[i])[:n])
    step = len(full) / min(n, len(full)) if full else 1
    return [texts[full[int(k * step)]] for k in range(min(n, len(full)))]
