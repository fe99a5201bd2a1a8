"""Cosine Delta: how far texts lie from the author's other posts in their use of function words and marks. For reading,
not for the verdict.

Relative frequencies, standardised over all texts of all people, and compared by angle (Evert et al. 2017, doi
10.1093/llc/fqx023).
"""

import numpy as np

from eval.style.features import SegmentCounts
from eval.style.verification import MIN_WORDS


def cosine_delta(author: SegmentCounts, others: SegmentCounts, voices: dict[str, SegmentCounts]) -> dict[str, float]:
    """{voice: mean distance from the author's centroid}, 0 to 2, with `author` (each post against the others) and
    `others`; nan where no text is long enough."""
    groups = {name: _frequencies(texts) for name, texts in {"author": author, "others": others, **voices}.items()}
    known = np.concatenate([groups["author"], groups["others"]])
    mean, spread = known.mean(0), known.std(0)
    used = spread > 0
    z = {name: (rows[:, used] - mean[used]) / spread[used] for name, rows in groups.items()}
    own = z["author"]
    found = {name: _distance(rows, own.mean(0)) for name, rows in z.items() if name != "author"}
    left_out = (own.sum(0) - own) / max(1, len(own) - 1)
    return {"author": _distance(own, left_out) if len(own) > 1 else float("nan"), **found}


def _frequencies(texts: SegmentCounts) -> np.ndarray:
    rows, _ = texts.windows(10**6)  # each text whole
    counts = texts.sums("function", [r for r in rows if len(r) >= MIN_WORDS]).toarray()
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _distance(rows: np.ndarray, centre: np.ndarray) -> float:
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(centre, axis=-1)
    return float(np.mean(1 - (rows * centre).sum(1) / np.maximum(norms, 1e-12))) if len(rows) else float("nan")
