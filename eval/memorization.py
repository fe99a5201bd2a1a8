"""How much of a text stands word for word in the posts that were trained on, and how much an author repeats himself."""

import numpy as np

from blogtwin.text.tokens import SHINGLE_WORDS, longest_match, ngram_index, tokenise_words

WARN_RUN, FAIL_RUN = (
    14,
    40,
)  # words; the 95th and 99th percentile of what 19 bloggers copy from themselves (442 held-out posts)
FAIL_COVER_13 = 0.03


class CopyDetector:
    """The training posts, ready to be searched."""

    def __init__(self, posts: list[str]):
        self.sources = [tokenise_words(p) for p in posts]
        self.places = ngram_index(self.sources)

    def run(self, text: str) -> tuple[int, str, int]:
        """(words of the longest run that stands in a training post, the run itself in lower case, number of the post;
        -1 for none)."""
        tokens = tokenise_words(text)
        length, start, source = longest_match(tokens, self.places, self.sources)
        return length, " ".join(tokens[start : start + length]), source

    def spans(self, text: str, least: int = 8) -> list[tuple[int, int, int]]:
        """Maximal runs of `least` words or more that stand in a training post: (first word, words, number of the post),
        in order, none in another."""
        tokens, found, i = tokenise_words(text), [], 0
        while i <= len(tokens) - SHINGLE_WORDS:
            best, where = 0, -1
            for source, at in self.places.get(tuple(tokens[i : i + SHINGLE_WORDS]), ()):
                n, other = SHINGLE_WORDS, self.sources[source]
                while i + n < len(tokens) and at + n < len(other) and tokens[i + n] == other[at + n]:
                    n += 1
                if n > best:
                    best, where = n, source
            if best >= least:
                found.append((i, best, where))
                i += best
            else:
                i += 1
        return found

    def measure(self, text: str) -> dict:
        """{run, copied, source, cover_8, cover_13}: the longest run, and shares of the words that runs of 8 and of 13
        cover."""
        n = max(1, len(tokenise_words(text)))
        spans = self.spans(text)
        length, copied, source = self.run(text)
        return {
            "run": length,
            "copied": copied,
            "source": source,
            "cover_8": sum(s[1] for s in spans) / n,
            "cover_13": sum(s[1] for s in spans if s[1] >= 13) / n,
        }


def copy_summary(measured: list[dict]) -> dict:
    """Numbers of one voice over its texts."""
    runs = [m["run"] for m in measured]
    return {
        "run_median": float(np.median(runs)),
        "run_max": int(max(runs)),
        "cover_8": round(float(np.mean([m["cover_8"] for m in measured])), 4),
        "cover_13": round(float(np.mean([m["cover_13"] for m in measured])), 4),
    }


def copy_limits(author: list[dict]) -> tuple[int, float]:
    """(longest run, cover by runs of 13) that a voice may reach in a text: 40 words and 3 %, or what the author himself
    does where that is more."""
    return max(FAIL_RUN, max((m["run"] for m in author), default=0) + 1), max(
        FAIL_COVER_13, max((m["cover_13"] for m in author), default=0)
    )


def is_over_limit(measured: list[dict], author: list[dict]) -> list[int]:
    """Numbers of the texts that copy more than is allowed."""
    run, cover = copy_limits(author)
    return [i for i, m in enumerate(measured) if m["run"] >= run or m["cover_13"] > cover]
