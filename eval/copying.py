"""How much of a text stands word for word in the training posts."""

from corpus.similar import index, longest_run, words


class Copying:
    """The training posts, ready to be searched."""

    def __init__(self, posts: list[str]):
        self.sources = [words(p) for p in posts]
        self.places = index(self.sources)

    def run(self, text: str) -> tuple[int, str, int]:
        """(words of the longest run that stands in a training post, the run itself in lower case, number of the post; -1 for none)."""
        tokens = words(text)
        length, start, source = longest_run(tokens, self.places, self.sources)
        return length, " ".join(tokens[start : start + length]), source
