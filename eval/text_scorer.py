"""What one text by itself scores: style, copying, topic. The page shows it, and rewards are made of it; the scorecard
measures many texts together."""

import math

import numpy as np

from eval import relevance
from eval.memorization import CopyDetector
from eval.style import impostors, verification
from eval.style.features import SEGMENT_WORDS, count_features

MIN_WORDS = 100  # of a text's prose, and of the two posts at least that a style is known from


class TextScorer:
    """The measures of one author, made ready once."""

    def __init__(self, learnt: list[str], voice: list[str], briefs: list[str]):
        """`learnt`: posts that are not to be copied. `voice`: posts that sound like the author. `briefs`: prompts among
        which a text is to find its own."""
        self.copying = CopyDetector(learnt)
        self.briefs = briefs
        everybody = impostors.load_impostors()
        everybody = everybody.without(everybody.same_as([*learnt, *voice]))
        author = count_features(voice)
        self.measurable = (
            len(everybody.names) >= impostors.MIN_AUTHORS
            and int((author.segments * SEGMENT_WORDS >= MIN_WORDS).sum()) >= 2
        )
        if self.measurable:
            self.verifiers = verification.fit_verifiers("masked", author, everybody)
            self.scale = verification.fit_full_scale(
                verification.cross_fit("masked", author, everybody, {}, self.verifiers), everybody.author
            )

    def style(self, text: str) -> float | None:
        """0: other bloggers, 1: the author; None where the style is not measurable, or the text is too short."""
        if not self.measurable:
            return None
        z, length = verification.score_texts(self.verifiers, "masked", count_features([text], families=("masked",)))
        found = float(self.scale.score(z, length)[0]) if math.isfinite(z[0]) else math.nan
        return found if math.isfinite(found) else None

    def on_topic(self, text: str, brief: str) -> float | None:
        """Share of the other briefs that are less like the text than its own, by meaning (0.5 is chance); None where
        nothing can be compared."""
        briefs = [brief, *(b for b in self.briefs if b != brief)]
        if len(briefs) < 2 or not text.strip():
            return None
        return float(
            relevance.rank_auc(
                relevance.embedding_similarity([relevance.remove_prompt_echo(brief, text)], briefs), np.zeros(1, int)
            )[0]
        )
