"""Scores of a single text: style, copying, relevance. The web app shows them, and rewards are made from them; the
scorecard measures many texts together."""

import math

import numpy as np

from eval import relevance
from eval.memorization import CopyDetector
from eval.style import impostors, verification
from eval.style.features import SEGMENT_WORDS, count_features
from eval.style.languages import unmeasurable_language

MIN_WORDS = 100  # of prose, of each of the two posts at least that a style is measured by


class TextScorer:
    """Scores texts against one author; the verifiers are fitted once, when it is made."""

    def __init__(self, training: list[str], reference: list[str], prompts: list[str]) -> None:
        """`training`: posts that must not be copied. `reference`: posts that show the author's style. `prompts`: the
        briefs (title and topics) that a text's own is compared with."""
        self.copying = CopyDetector(training)
        self.prompts = prompts
        everybody = impostors.load_impostors()
        others = everybody.excluding(everybody.matching_authors([*training, *reference]))
        author = count_features(reference)
        long_posts = int((author.segments * SEGMENT_WORDS >= MIN_WORDS).sum())
        self.measurable = len(others.names) >= impostors.MIN_AUTHORS and long_posts >= 2
        self.measurable = self.measurable and not unmeasurable_language(reference)
        if self.measurable:
            self.verifiers = verification.fit_verifiers("masked", author, others)
            scores = verification.cross_fit("masked", author, others, {}, self.verifiers)
            self.scale = verification.fit_full_scale(scores, others.author)

    def style(self, text: str) -> float | None:
        """0 for other bloggers, 1 for the author, not bounded; None where the style is not measurable, or the text has
        fewer than 100 words of prose."""
        if not self.measurable:
            return None
        z, length = verification.score_texts(self.verifiers, "masked", count_features([text], families=("masked",)))
        score = float(self.scale.score(z, length)[0]) if math.isfinite(z[0]) else math.nan
        return score if math.isfinite(score) else None

    def on_topic(self, text: str, brief: str) -> float | None:
        """Share of the other prompts that are less similar to the text than its own, by meaning (0 to 1; 0.5 is
        chance); None where there is nothing to compare."""
        prompts = [brief, *(prompt for prompt in self.prompts if prompt != brief)]
        if len(prompts) < 2 or not text.strip():
            return None
        body = relevance.remove_prompt_echo(brief, text)
        similarities = relevance.embedding_similarity([body], prompts)
        return float(relevance.rank_auc(similarities, np.zeros(1, int))[0])
