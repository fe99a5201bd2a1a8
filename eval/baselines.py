"""Adversarial baselines: texts without a model, which must not pass the verdict."""

import random

BASELINES = ("verbatim", "markov")  # those on every scorecard


def copy_verbatim(training: list[str], n: int, seed: int) -> list[str]:
    """`n` training posts, copied; each once, if there are enough."""
    rng = random.Random(seed)
    if len(training) < n:
        return [rng.choice(training) for _ in range(n)]
    return rng.sample(training, n)


def markov_text(training: list[str], n: int, length: int, order: int, seed: int) -> list[str]:
    """`n` Markov chains of `length` words: each word follows the `order` words before it as it did somewhere in the
    training posts. Paragraph breaks count as words."""
    rng = random.Random(seed)
    posts = []
    for text in training:
        words = text.replace("\n\n", " \n\n ").split(" ")
        posts.append([word for word in words if word])
    starts = [tuple(post[:order]) for post in posts if len(post) > order]
    follows: dict[tuple, list[str]] = {}
    for post in posts:
        for i in range(len(post) - order):
            follows.setdefault(tuple(post[i : i + order]), []).append(post[i + order])
    texts = []
    for _ in range(n):
        chain = list(rng.choice(starts))
        while len(chain) < length:
            following = follows.get(tuple(chain[-order:]))
            chain.append(rng.choice(following or list(rng.choice(starts))))
        texts.append(" ".join(chain).replace(" \n\n ", "\n\n").strip())
    return texts


def shuffle_words(texts: list[str], seed: int) -> list[str]:
    """Each text with its words in random order."""
    rng, shuffled = random.Random(seed), []
    for text in texts:
        words = text.split()
        rng.shuffle(words)
        shuffled.append(" ".join(words))
    return shuffled


def repeat_sentence(texts: list[str], length: int) -> list[str]:
    """The first sentence of each text, repeated up to about `length` words."""
    repeated = []
    for text in texts:
        sentence = text.split("\n\n")[0].split(". ")[0].rstrip(".") + "."
        repeated.append(" ".join([sentence] * max(1, length // max(1, len(sentence.split())))))
    return repeated
