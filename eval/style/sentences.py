"""Which sentences of a text sound least and most like the author, by the verifier's own weights.

A sentence is scored as a text of its own. That is too short for a verdict, but it shows what the style score sees.
"""

from collections.abc import Sequence

import numpy as np
from scipy import sparse

from blogtwin.text.markdown import extract_prose
from blogtwin.text.sentences import split_sentences
from eval.style.features import vectorisers
from eval.style.verification import DecisionFunction

NUM_SHOWN = 3
MIN_WORDS, MAX_WORDS = 6, 60  # of a sentence that can be judged, and that can be shown


def telling_sentences(verifiers: Sequence[DecisionFunction], text: str, shown: int = NUM_SHOWN) -> dict[str, list[str]]:
    """{"least", "most"}: the `shown` sentences of a text that are least and most like the author, the extreme ones
    first, none in both; empty where a text has fewer than two. `verifiers`: of the family "masked"."""
    sentences = list(dict.fromkeys(" ".join(s.split()) for s in split_sentences(extract_prose(text))))
    sentences = [s for s in sentences if MIN_WORDS <= len(s.split()) <= MAX_WORDS]
    shown = min(shown, len(sentences) // 2)
    if not shown:
        return {"least": [], "most": []}
    vectorizer, prepare = vectorisers()["masked"]
    counts: sparse.csr_matrix = vectorizer.transform([prepare(s) for s in sentences]).astype(np.float32).tocsr()
    order = np.argsort(np.mean([decide(counts) for decide in verifiers], 0), kind="stable")
    return {
        "least": [sentences[i] for i in order[:shown]],
        "most": [sentences[i] for i in order[::-1][:shown]],
    }
