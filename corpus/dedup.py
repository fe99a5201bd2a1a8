"""Posts that must stay in one split: near-duplicates, excerpts, cross-posts and series."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from blogtwin.text.tokens import SHINGLE_WORDS, tokenise_words

if TYPE_CHECKING:
    import numpy as np

_NUMBER = r"(?:\d+|[ivx]+|one|two|three|four|five|six|seven|eight|nine|ten)"
_OF_TOTAL = rf"(?:\s*/\s*|\s+of\s+){_NUMBER}\b"
SERIES = re.compile(
    rf"""(?ix)
    [\s,:;(\[–—-]*
    (?:
        # part 2, chapter ii of iv
        (?:part|pt\.?|chapter|episode|vol(?:ume)?\.?|no\.?)\s*{_NUMBER}\b (?:{_OF_TOTAL})?
        # 2/3, two of three
      | \b{_NUMBER}{_OF_TOTAL}
        # #2
      | \#\d+
        # II
      | (?<=[\s,:;(\[–—-])(?-i:[IVX]+)\b
    )
    [)\]]?
    # the title of the part
    \s*(?::.*|[–—-].*)?$
    """
)
# A shingle in at least 5 posts and 5 % of them is boilerplate, such as a footer.
MIN_BOILERPLATE_POSTS, MIN_BOILERPLATE_FRACTION = 5, 0.05
COPY_BOILERPLATE_FRACTION = 0.5  # a post with more boilerplate than this is one of many copies: all of it is counted


class SharedShingles(NamedTuple):
    """How many shingles texts have, and how many each pair of them has in common."""

    sizes: np.ndarray  # (texts,)
    first: np.ndarray  # (pairs,): index of a text
    second: np.ndarray  # (pairs,): index of another text, greater than `first`
    common: np.ndarray  # (pairs,): shingles in both; only pairs with any are listed


def group_related(posts: Sequence[Mapping[str, Any]], min_jaccard: float, min_containment: float) -> list[list[int]]:
    """Indices of `posts` ({"title", "text", "translation"}) in groups that stay together, each in the order of `posts`.

    Two posts are related when their 5-word shingles have a Jaccard similarity of at least `min_jaccard`, when at least
    `min_containment` of the smaller one's are in the other, when their titles are parts of one series, or when one is a
    translation of the other. Boilerplate, shingles in at least 5 posts and 5 % of the posts, is not counted.
    """
    import numpy as np

    parents = list(range(len(posts)))  # a union-find forest

    def find(i: int) -> int:  # the root of a group, with path halving
        while parents[i] != i:
            parents[i] = i = parents[parents[i]]
        return i

    sizes, first, second, common = shared_shingles([post["text"] for post in posts])
    smaller = np.minimum(sizes[first], sizes[second])
    union = sizes[first] + sizes[second] - common
    related = (common >= min_jaccard * union) | (common >= min_containment * smaller)
    for a, b in zip(first[related].tolist(), second[related].tolist(), strict=True):
        parents[find(b)] = find(a)
    for members in [*_series(posts), *_translations(posts)]:
        for i in members[1:]:
            parents[find(i)] = find(members[0])
    groups: dict[int, list[int]] = defaultdict(list)
    for i in range(len(posts)):
        groups[find(i)].append(i)
    return list(groups.values())


def _series(posts: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Indices of the posts of each series: their titles are the same but for the number of the part."""
    series: dict[str, list[int]] = defaultdict(list)
    for i, post in enumerate(posts):
        title = " ".join(post["title"].split())[-200:]
        if SERIES.search(title):
            series[" ".join(tokenise_words(SERIES.sub("", title)))].append(i)
    series.pop("", None)  # "Part 2" alone names no series
    return list(series.values())


def _translations(posts: Sequence[Mapping[str, Any]]) -> list[list[int]]:
    """Indices of the posts that are one post in several languages: see `PostRow`."""
    groups: dict[str, list[int]] = defaultdict(list)
    for i, post in enumerate(posts):
        groups[post.get("translation") or ""].append(i)
    groups.pop("", None)
    return list(groups.values())


def shared_shingles(texts: list[str]) -> SharedShingles:
    """Shingles of the texts and of each pair of them, without boilerplate.

    Shingles are 64-bit hashes: among ten million words the chance of a collision is one in a million.
    """
    import numpy as np
    from scipy.sparse import csr_matrix

    sets = list(shingle_hashes(texts))
    # one entry per shingle of a text: the index of the text, the number of the shingle, how many texts have it
    owner = np.repeat(np.arange(len(texts), dtype=np.int32), [len(hashes) for hashes in sets])
    _, number, num_texts = np.unique(
        np.concatenate([np.empty(0, np.uint64), *sets]), return_inverse=True, return_counts=True
    )
    del sets
    num_texts = num_texts[number]
    is_boilerplate = num_texts >= max(MIN_BOILERPLATE_POSTS, MIN_BOILERPLATE_FRACTION * len(texts))
    all_sizes = np.bincount(owner, minlength=len(texts))
    boilerplate_sizes = np.bincount(owner[is_boilerplate], minlength=len(texts))
    is_copy = boilerplate_sizes >= COPY_BOILERPLATE_FRACTION * all_sizes
    counted = ~is_boilerplate | is_copy[owner]
    sizes = np.bincount(owner[counted], minlength=len(texts))
    counted &= num_texts > 1
    columns = np.unique(number[counted], return_inverse=True)[1]
    shape = (len(texts), int(columns.max(initial=-1)) + 1)
    incidence = csr_matrix((np.ones(len(columns), np.int32), (owner[counted], columns)), shape)
    pairs = (incidence @ incidence.T).tocoo()
    upper = pairs.row < pairs.col  # each pair once
    return SharedShingles(sizes, pairs.row[upper], pairs.col[upper], pairs.data[upper])


def shingle_hashes(texts: list[str]) -> Iterator[np.ndarray]:
    """Of each text its different shingles, as 64-bit hashes (uint64); comparable within one call only."""
    import numpy as np

    word_ids: dict[str, int] = {}
    weights = np.array([pow(0x9E3779B97F4A7C15, 2 * k + 1, 2**64) for k in range(SHINGLE_WORDS)], np.uint64)
    for text in texts:
        ids = np.array([word_ids.setdefault(word, len(word_ids) + 1) for word in tokenise_words(text)], np.uint64)
        ids = (ids ^ (ids << np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)  # spreads neighbouring numbers
        ids ^= ids >> np.uint64(32)
        if len(ids) < SHINGLE_WORDS:
            yield np.empty(0, np.uint64)
            continue
        hashes = np.zeros(len(ids) - SHINGLE_WORDS + 1, np.uint64)
        for k in range(SHINGLE_WORDS):
            hashes += ids[k : k + len(hashes)] * weights[k]
        yield np.unique(hashes ^ (hashes >> np.uint64(29)))
