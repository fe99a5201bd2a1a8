"""Posts that must stay in one split: near-duplicates, excerpts, cross-posts and series."""

import re
from collections import defaultdict

from blogtwin.text.tokens import SHINGLE_WORDS, tokenise_words

NUMBER = r"(?:\d+|[ivx]+|one|two|three|four|five|six|seven|eight|nine|ten)"
PART = r"(?:part|pt\.?|chapter|episode|vol(?:ume)?\.?|no\.?)\s*" + NUMBER + r"\b"
OF = rf"(?:\s*/\s*|\s+of\s+){NUMBER}\b"
SERIES = re.compile(
    rf"[\s,:;(\[–—-]*(?:{PART}(?:{OF})?|\b{NUMBER}{OF}|#\d+|(?<=[\s,:;(\[–—-])(?-i:[IVX]+)\b)[)\]]?\s*(?::.*|[–—-].*)?$",
    re.I,
)


def group_related(posts: list[dict], jaccard: float, containment: float) -> list[list[int]]:
    """Indices of `posts` ({"title", "text"}) in groups that stay together, each group in the order of `posts`.

    Two posts belong together when their 5-word shingles have a Jaccard similarity of at least `jaccard`, or at least
    `containment` of the smaller one's stand in the other; or when their titles are parts of one series. Boilerplate,
    shingles in at least 5 posts and 5 % of the posts, is not counted.
    """
    import numpy as np

    leader = list(range(len(posts)))

    def find(i):
        while leader[i] != i:
            leader[i] = i = leader[leader[i]]
        return i

    sizes, one, other, shared = shared_shingles([p["text"] for p in posts])
    smaller = np.minimum(sizes[one], sizes[other])
    alike = (shared >= jaccard * (sizes[one] + sizes[other] - shared)) | (shared >= containment * smaller)
    for a, b in zip(one[alike].tolist(), other[alike].tolist(), strict=True):
        leader[find(b)] = find(a)
    series = defaultdict(list)
    for i, post in enumerate(posts):
        title = " ".join(post["title"].split())[-200:]
        if SERIES.search(title):
            series[" ".join(tokenise_words(SERIES.sub("", title)))].append(i)
    for name, members in series.items():
        for i in members[1:] if name else []:
            leader[find(i)] = find(members[0])
    together = defaultdict(list)
    for i in range(len(posts)):
        together[find(i)].append(i)
    return list(together.values())


def shared_shingles(texts: list[str]):
    """(shingles that count of each text, and of each pair of texts with any in common: its first, its second, how
    many).

    Shingles are hashes of 64 bits: ten million words have about one chance in a million of two that are the same by
    accident.
    """
    import numpy as np
    from scipy.sparse import csr_matrix

    sets = list(shingle_hashes(texts))
    owner = np.repeat(np.arange(len(texts), dtype=np.int32), [len(one) for one in sets])
    _, number, held_by = np.unique(
        np.concatenate([np.empty(0, np.uint64), *sets]), return_inverse=True, return_counts=True
    )
    del sets
    held_by = held_by[number]  # of each shingle of each text: how many texts have it
    boilerplate = held_by >= max(5, 0.05 * len(texts))
    before, footers = (np.bincount(some, minlength=len(texts)) for some in (owner, owner[boilerplate]))
    # A post that is mostly such shingles is no post with a footer: it is one of many copies.
    counts = ~boilerplate | (footers * 2 >= before)[owner]
    sizes = np.bincount(owner[counts], minlength=len(texts))
    counts &= held_by > 1
    columns = np.unique(number[counts], return_inverse=True)[1]
    holds = csr_matrix(
        (np.ones(len(columns), np.int32), (owner[counts], columns)), (len(texts), int(columns.max(initial=-1)) + 1)
    )
    pairs = (holds @ holds.T).tocoo()
    once = pairs.row < pairs.col
    return sizes, pairs.row[once], pairs.col[once], pairs.data[once]


def shingle_hashes(texts: list[str]):
    """The shingles of each text, each once, as 64-bit numbers that are the same for the same words."""
    import numpy as np

    known: dict[str, int] = {}
    weights = np.array([pow(0x9E3779B97F4A7C15, 2 * k + 1, 2**64) for k in range(SHINGLE_WORDS)], np.uint64)
    for text in texts:
        ids = np.array([known.setdefault(word, len(known) + 1) for word in tokenise_words(text)], np.uint64)
        ids = (ids ^ (ids << np.uint64(32))) * np.uint64(0xD6E8FEB86659FD93)  # neighbouring numbers, far apart
        ids ^= ids >> np.uint64(32)
        if len(ids) < SHINGLE_WORDS:
            yield np.empty(0, np.uint64)
            continue
        runs = sum(ids[k : len(ids) - SHINGLE_WORDS + 1 + k] * weights[k] for k in range(SHINGLE_WORDS))
        yield np.unique(runs ^ (runs >> np.uint64(29)))
