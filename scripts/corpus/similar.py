"""Posts that must stay in one split: near-duplicates, excerpts, cross-posts and series."""

import re
from collections import Counter, defaultdict

SHINGLE = 5  # words
WORD = re.compile(r"\w+(?:['’]\w+)*")
NUMBER = r"(?:\d+|[ivx]+|one|two|three|four|five|six|seven|eight|nine|ten)"
PART = r"(?:part|pt\.?|chapter|episode|vol(?:ume)?\.?|no\.?)\s*" + NUMBER + r"\b"
OF = rf"(?:\s*/\s*|\s+of\s+){NUMBER}\b"
SERIES = re.compile(rf"[\s,:;(\[–—-]*(?:{PART}(?:{OF})?|\b{NUMBER}{OF}|#\d+|(?<=[\s,:;(\[–—-])(?-i:[IVX]+)\b)[)\]]?\s*(?::.*|[–—-].*)?$", re.I)


def words(text: str) -> list[str]:
    """Words as compared everywhere that looks for copies: case folded, punctuation gone."""
    return WORD.findall(text.casefold())


def shingles(text: str) -> set[tuple]:
    tokens = words(text)
    return {tuple(tokens[i : i + SHINGLE]) for i in range(len(tokens) - SHINGLE + 1)}


def groups(posts: list[dict], jaccard: float, containment: float) -> list[list[int]]:
    """Indices of `posts` ({"title", "text"}) in groups that stay together, each group in the order of `posts`.

    Two posts belong together when their 5-word shingles have a Jaccard similarity of at least `jaccard`, or at least
    `containment` of the smaller one's stand in the other; or when their titles are parts of one series. Boilerplate,
    shingles in at least 5 posts and 5 % of the posts, is not counted.
    """
    sets = [shingles(p["text"]) for p in posts]
    frequency = Counter(s for one in sets for s in one)
    boilerplate = {s for s, n in frequency.items() if n >= max(5, 0.05 * len(posts))}
    # A post that is mostly such shingles is no post with a footer: it is one of many copies.
    sets = [one - boilerplate if len(one - boilerplate) > len(one) / 2 else one for one in sets]
    holders = defaultdict(list)
    for i, one in enumerate(sets):
        for s in one:
            if frequency[s] > 1:
                holders[s].append(i)
    shared: Counter = Counter()
    for found in holders.values():
        for a in range(len(found)):
            for b in range(a + 1, len(found)):
                shared[found[a], found[b]] += 1
    leader = list(range(len(posts)))

    def find(i):
        while leader[i] != i:
            leader[i] = i = leader[leader[i]]
        return i

    for (a, b), n in shared.items():
        smaller = min(len(sets[a]), len(sets[b]))
        if n / (len(sets[a]) + len(sets[b]) - n) >= jaccard or n / smaller >= containment:
            leader[find(b)] = find(a)
    series = defaultdict(list)
    for i, post in enumerate(posts):
        title = " ".join(post["title"].split())[-200:]
        if SERIES.search(title):
            series[" ".join(words(SERIES.sub("", title)))].append(i)
    for name, members in series.items():
        for i in members[1:] if name else []:
            leader[find(i)] = find(members[0])
    together = defaultdict(list)
    for i in range(len(posts)):
        together[find(i)].append(i)
    return list(together.values())


def longest_run(text: list[str], seen: dict, sources: list[list[str]]) -> tuple[int, int, int]:
    """Longest run of words of `text` that stands in any source: (length, start in text, source number).

    `seen` is `index(sources)`; runs shorter than SHINGLE words count as 0.
    """
    best = (0, 0, -1)
    for i in range(len(text) - SHINGLE + 1):
        for source, at in seen.get(tuple(text[i : i + SHINGLE]), ()):
            n = SHINGLE
            other = sources[source]
            if i and at and text[i - 1] == other[at - 1]:
                continue  # the rest of a run that was measured from its start
            while i + n < len(text) and at + n < len(other) and text[i + n] == other[at + n]:
                n += 1
            if n > best[0]:
                best = (n, i, source)
    return best


def index(sources: list[list[str]]) -> dict:
    """Where each run of SHINGLE words stands: {run: [(source number, position)]}."""
    places = defaultdict(list)
    for number, source in enumerate(sources):
        for at in range(len(source) - SHINGLE + 1):
            places[tuple(source[at : at + SHINGLE])].append((number, at))
    return places
