"""Voices that no model speaks, which a scorecard must not be fooled by."""

import random


def copy_verbatim(training: list[str], n: int, seed: int) -> list[str]:
    """`n` training posts, copied."""
    chosen = random.Random(seed)
    return [chosen.choice(training) for _ in range(n)] if len(training) < n else chosen.sample(training, n)


def markov_text(training: list[str], n: int, length: int, order: int, seed: int) -> list[str]:
    """`n` chains of `length` words in which each word follows `order` words as it once did in a training post; line
    breaks are words."""
    chosen = random.Random(seed)
    posts = [post.replace("\n\n", " \n\n ").split(" ") for post in training]
    posts = [[w for w in post if w] for post in posts]
    starts = [tuple(p[:order]) for p in posts if len(p) > order]
    follows: dict[tuple, list[str]] = {}
    for post in posts:
        for i in range(len(post) - order):
            follows.setdefault(tuple(post[i : i + order]), []).append(post[i + order])
    texts = []
    for _ in range(n):
        chain = list(chosen.choice(starts))
        while len(chain) < length:
            chain.append(chosen.choice(follows.get(tuple(chain[-order:])) or list(chosen.choice(starts))))
        texts.append(" ".join(chain).replace(" \n\n ", "\n\n").strip())
    return texts


def shuffle_words(texts: list[str], seed: int) -> list[str]:
    """Each text with its words in another order."""
    chosen, out = random.Random(seed), []
    for text in texts:
        tokens = text.split()
        chosen.shuffle(tokens)
        out.append(" ".join(tokens))
    return out


def repeat_sentence(texts: list[str], length: int) -> list[str]:
    """The first sentence of each text, again and again."""
    out = []
    for text in texts:
        sentence = text.split("\n\n")[0].split(". ")[0].rstrip(".") + "."
        out.append(" ".join([sentence] * max(1, length // max(1, len(sentence.split())))))
    return out
