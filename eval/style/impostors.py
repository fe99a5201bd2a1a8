"""Impostors: other people's posts, the floor that a system is measured from. Shipped as counts, in impostors.npz; users
can add their own.

Who they are, with license and commit, is listed in impostor_sources.yaml; `python scripts/build_impostors.py CLONES`
counts their posts anew.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from blogtwin.errors import UserError
from eval.style.features import SegmentCounts, count_features, fingerprint

CUTOFF_DATE = "2022-11-30"  # a post of a later date may have been written with a language model
MAX_POSTS, MIN_WORDS = 20, 100  # of a person; of a post
MIN_SEGMENTS = 5  # an n-gram or word that stands in fewer segments of all people is left out of the file
MAX_FILE_BYTES = 5e7
SHIPPED_FILE = Path(__file__).with_name("impostors.npz")
# Share of a blog's sampled 8-word runs that stand in the author's own posts: two people share next to none.
SAME_AUTHOR_FRACTION = 0.02
MIN_AUTHORS = 4


def load_blogs(folder: Path, until: str = CUTOFF_DATE) -> dict[str, list[str]]:
    """{author: cleaned posts, oldest first} of a folder with one folder for each author; undated posts are included.

    Raises UserError when there is no such folder.
    """
    from blogtwin.text.markdown import extract_prose
    from corpus import readers
    from corpus.cleaning import clean_markdown

    if not folder.is_dir():
        raise UserError(f"There is no folder {folder}: give one that holds a folder of posts for each author.")
    blogs = {}
    for author in sorted(p for p in folder.iterdir() if p.is_dir()):
        posts = []
        for path in sorted(author.rglob("*")):
            try:
                post = readers.read_post(path, MAX_FILE_BYTES) if path.is_file() else None
            except readers.SkippedPost:
                continue
            if post and not post.not_public and (post.date or "") <= until:
                text = clean_markdown(post.text)
                if len(extract_prose(text).split()) >= MIN_WORDS:
                    posts.append((post.date or "", path.as_posix(), text))
        if posts:
            blogs[author.name] = [text for *_, text in sorted(posts)]
    return blogs


@dataclass(frozen=True)
class Impostors:
    """`texts` of several authors; `author[i]` is the number in `names` of who wrote text i."""

    names: list[str]
    texts: SegmentCounts
    author: np.ndarray
    fingerprints: list[np.ndarray]

    def excluding(self, names: set[str]) -> "Impostors":
        """All authors but these, with texts and authors numbered anew."""
        kept = [n for n, name in enumerate(self.names) if name not in names]
        new_author = {old: new for new, old in enumerate(kept)}
        texts = np.flatnonzero(np.isin(self.author, kept))
        new_text = {old: new for new, old in enumerate(texts)}
        rows = np.flatnonzero(np.isin(self.texts.owner, texts))
        owner = np.array([new_text[old] for old in self.texts.owner[rows]], int)
        counts = {family: matrix[rows] for family, matrix in self.texts.counts.items()}
        author = np.array([new_author[self.author[text]] for text in texts], int)
        return Impostors(
            [self.names[n] for n in kept],
            SegmentCounts(counts, owner, len(texts)),
            author,
            [self.fingerprints[n] for n in kept],
        )

    def matching_authors(self, posts: list[str]) -> set[str]:
        """Names of those who wrote `posts` themselves: the author's own blog must not count as an impostor's."""
        own = fingerprint(posts)
        names = set()
        for name, checksums in zip(self.names, self.fingerprints, strict=True):
            if len(checksums) and np.isin(checksums, own).mean() >= SAME_AUTHOR_FRACTION:
                names.add(name)
        return names


def from_blogs(blogs: dict[str, list[str]]) -> Impostors:
    """From {author: Markdown posts}."""
    posts = [post for name in blogs for post in blogs[name]]
    author = np.repeat(np.arange(len(blogs)), [len(blogs[name]) for name in blogs])
    return Impostors(list(blogs), count_features(posts), author, [fingerprint(blogs[name]) for name in blogs])


def concatenate(first: Impostors, second: Impostors) -> Impostors:
    """All authors of both, the first's first."""
    counts = {
        family: sparse.vstack([first.texts.counts[family], second.texts.counts[family]]).tocsr()
        for family in first.texts.counts
    }
    texts = SegmentCounts(
        counts, np.concatenate([first.texts.owner, second.texts.owner + first.texts.n]), first.texts.n + second.texts.n
    )
    return Impostors(
        [*first.names, *second.names],
        texts,
        np.concatenate([first.author, second.author + len(first.names)]),
        [*first.fingerprints, *second.fingerprints],
    )


def save_impostors(impostors: Impostors, path: Path) -> None:
    """Write to a compressed .npz file: counts as bytes (255 at most), columns as steps from one to the next, byte by
    byte. Features of fewer than MIN_SEGMENTS segments are left out: most of the columns, and 1 % of the counts."""
    arrays: dict[str, Any] = {
        "names": np.array(impostors.names),
        "author": impostors.author.astype(np.int16),
        "owner": impostors.texts.owner.astype(np.int32),
    }
    for number, checksums in enumerate(impostors.fingerprints):
        arrays[f"fingerprint_{number}"] = checksums
    for family, matrix in impostors.texts.counts.items():
        in_segments = np.bincount(matrix.indices, minlength=matrix.shape[1])
        columns = np.flatnonzero(in_segments >= MIN_SEGMENTS)
        kept = matrix[:, columns].tocsr()
        kept.sort_indices()
        steps = np.diff(kept.indices, prepend=0)
        starts = kept.indptr[:-1][np.diff(kept.indptr) > 0]
        steps[starts] = kept.indices[starts]
        arrays |= {
            f"{family}_data": np.minimum(kept.data, 255).astype(np.uint8),
            f"{family}_steps_low": (steps & 255).astype(np.uint8),
            f"{family}_steps_high": (steps >> 8).astype(np.uint8),
            f"{family}_columns": np.diff(columns, prepend=0).astype(np.uint16),
            f"{family}_indptr": kept.indptr.astype(np.uint32),
            f"{family}_width": np.array(matrix.shape[1]),
        }
        assert not len(steps) or steps.max() < 2**16, "a step between two columns fits in two bytes"
    np.savez_compressed(path, **arrays)


def load_impostors(path: Path = SHIPPED_FILE) -> Impostors:
    """Read what `save_impostors` wrote; by default the shipped authors."""
    with np.load(path) as file:
        counts = {}
        for name in file.files:
            if name.endswith("_indptr"):
                family = name.removesuffix("_indptr")
                counts[family] = _decode_counts(file, family)
        author, names = file["author"].astype(int), [str(n) for n in file["names"]]
        return Impostors(
            names,
            SegmentCounts(counts, file["owner"].astype(int), len(author)),
            author,
            [file[f"fingerprint_{n}"] for n in range(len(names))],
        )


def _decode_counts(file: Any, family: str) -> sparse.csr_matrix:
    """(segments, features) counts of one family, from the steps that `save_impostors` wrote."""
    starts = file[f"{family}_indptr"].astype(np.int32)
    steps = file[f"{family}_steps_low"].astype(np.int64) + 256 * file[f"{family}_steps_high"].astype(np.int64)
    position = np.cumsum(steps)
    before = np.r_[0, position][starts[:-1]]  # what the rows above add up to
    indices = position - np.repeat(before, np.diff(starts))
    columns = np.cumsum(file[f"{family}_columns"].astype(np.int64))
    parts = (file[f"{family}_data"].astype(np.float32), columns[indices].astype(np.int32), starts)
    return sparse.csr_matrix(parts, shape=(len(starts) - 1, int(file[f"{family}_width"])))
