"""The rival without training that most people try first: retrieval-augmented generation. The base model is shown the
passages of the author's posts that are nearest to the prompt, by TF-IDF."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from blogtwin.models import chat
from corpus.chunking import chunk
from corpus.cleaning import split_paragraphs
from eval.systems import NUM_SHOTS, SHOT_TOKENS, System

SEPARATOR = "\n\n---\n\n"


class PassageIndex:
    """The passages of posts, each of at most SHOT_TOKENS tokens. `count`: tokens of a text."""

    def __init__(self, posts: Sequence[str], count: Callable[[str], int]) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self.passages = [
            passage for post in posts for passage in chunk(split_paragraphs(post), count, SHOT_TOKENS, SHOT_TOKENS)
        ]
        self.vectorizer = TfidfVectorizer(sublinear_tf=True)
        self.weights = self.vectorizer.fit_transform(self.passages)

    def nearest(self, query: str, count: int = NUM_SHOTS) -> list[str]:
        """The passages that are nearest to the query by cosine, the nearest first; of equal ones the earlier."""
        likeness = (self.weights @ self.vectorizer.transform([query]).T).toarray()[:, 0]
        return [self.passages[at] for at in np.argsort(-likeness, kind="stable")[:count]]


@dataclass(frozen=True)
class RetrievalSystem(System):
    """A model that reads the passages nearest to its prompt before it writes."""

    index: PassageIndex | None = None

    def messages(self, example: dict[str, Any]) -> list[dict[str, str]]:
        """The chat messages that ask for an example."""
        system, user = chat.prompt_messages(example, self.system_prompt)
        assert self.index is not None
        shown = SEPARATOR.join(self.index.nearest(user["content"]))
        asked = f"Passages of this blog’s earlier posts:\n\n{shown}{SEPARATOR}In the same voice: {user['content']}"
        return [system, {"role": "user", "content": asked}]
