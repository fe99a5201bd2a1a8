"""Cosine Delta: the distance of texts from the author's posts by their function words and punctuation. It is reported,
and has no part in the verdict.

Relative frequencies are standardised over all texts of all people and compared by angle (Evert et al. 2017, doi
10.1093/llc/fqx023).
"""

import numpy as np

from eval.style.features import SegmentCounts
from eval.style.verification import MIN_SEGMENTS


def cosine_delta(author: SegmentCounts, others: SegmentCounts, systems: dict[str, SegmentCounts]) -> dict[str, float]:
    """{system: mean distance from the author's centroid}, 0 to 2, with `author` (each post against the others) and
    `others`; nan where no text is long enough."""
    groups = {name: _frequencies(texts) for name, texts in {"author": author, "others": others, **systems}.items()}
    known = np.concatenate([groups["author"], groups["others"]])
    mean, spread = known.mean(0), known.std(0)
    used = spread > 0
    z = {name: (rows[:, used] - mean[used]) / spread[used] for name, rows in groups.items()}
    own = z["author"]
    centroids_without = (own.sum(0) - own) / max(1, len(own) - 1)  # for each post, the centroid of the others
    distances = {"author": _distance(own, centroids_without) if len(own) > 1 else float("nan")}
    for name, rows in z.items():
        if name != "author":
            distances[name] = _distance(rows, own.mean(0))
    return distances


def _frequencies(texts: SegmentCounts) -> np.ndarray:
    """(texts, features) relative frequencies of the texts that are long enough."""
    rows, _ = texts.windows(10**6)  # each text whole
    counts = texts.aggregate("function", [r for r in rows if len(r) >= MIN_SEGMENTS]).toarray()
    return counts / np.maximum(counts.sum(1, keepdims=True), 1)


def _distance(rows: np.ndarray, centre: np.ndarray) -> float:
    """Mean cosine distance of rows from a centre, which may be one a row; nan for no rows."""
    norms = np.linalg.norm(rows, axis=1) * np.linalg.norm(centre, axis=-1)
    return float(np.mean(1 - (rows * centre).sum(1) / np.maximum(norms, 1e-12))) if len(rows) else float("nan")
