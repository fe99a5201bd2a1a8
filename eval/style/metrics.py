"""The style family of the scorecard: S of every system by each verifier, and how far the verifiers can be trusted."""

import math
from dataclasses import dataclass, field

import numpy as np

from eval.rounding import round_metric, round_values, with_interval
from eval.style import verification
from eval.style.cosine_delta import cosine_delta
from eval.style.features import SegmentCounts, count_features
from eval.style.impostors import MIN_AUTHORS, Impostors
from eval.style.languages import unmeasurable_language
from eval.style.sentences import telling_sentences

TOPIC_FAMILY = "topic"  # content words only: an alarm beside the verdict's two verifiers, never part of it
NEAREST_THRESHOLD = 0.5  # S from which a text is nearer to the author than to other people
RIVALS = ("base", "styled", "five_shot", "retrieval", "swap")


@dataclass
class StyleMetrics:
    """`scores` by feature family, empty where nothing could be measured. `attributions`: (who wrote a text, who the
    verifier says did). `sentences`: of each of the twin's texts, see `telling_sentences`. `unmeasurable`: why the
    verdict must not rely on the style; empty when it may."""

    by_system: dict[str, dict[str, float]]
    verifier: dict[str, dict[str, float]] = field(default_factory=dict)
    gain: dict[str, dict[str, float]] = field(default_factory=dict)
    scores: dict[str, verification.Scores] = field(default_factory=dict)
    attributions: list[tuple[str, str]] = field(default_factory=list)
    sentences: list[dict[str, list[str]]] = field(default_factory=list)
    unmeasurable: str = ""


def style_metrics(texts: dict[str, list[str]], held_out: list[str], impostors: Impostors, seed: int) -> StyleMetrics:
    """Style of all systems' `texts`, measured against the author's `held_out` posts and other people's."""
    author = count_features(held_out)
    reason = unmeasurable_language(held_out) or _missing_data(author, impostors)
    if reason:
        return StyleMetrics({name: _not_measured() for name in texts}, unmeasurable=reason)
    systems = {name: count_features(group) for name, group in texts.items() if name != "author"}
    found = StyleMetrics({name: {} for name in texts})
    for family in (*verification.VERIFIER_NAMES, TOPIC_FAMILY):
        fitted = verification.fit_verifiers(family, author, impostors)
        decisions = verification.cross_fit(family, author, impostors, systems, fitted)
        scores = verification.style_scores(decisions, impostors.author, seed)
        found.scores[family] = scores
        if family == "masked":
            found.attributions = _attributions(decisions, scores, impostors)
            found.sentences = [telling_sentences(fitted, text) for text in texts.get("twin", [])]
        if family in verification.VERIFIER_NAMES:
            found.verifier[family] = verification.auc(decisions, impostors.author, seed) | _spans(decisions, impostors)
        for name in systems:
            found.by_system[name] |= with_interval(family, scores.mean[name], *scores.interval(name))
        found.by_system["author"][family] = 1.0
    for name, distance in cosine_delta(author, impostors.texts, systems).items():
        found.by_system.setdefault(name, {})["delta"] = round_metric(distance)
    found.unmeasurable = verification.unmeasurable_reason(found.verifier["masked"])
    found.verifier = {family: round_values(values) for family, values in found.verifier.items()}
    for rival in RIVALS:
        if rival in systems:
            found.gain[f"over_{rival}"] = _gain_over(rival, found.scores)
    return found


def _missing_data(author: SegmentCounts, impostors: Impostors) -> str:
    """Why not even a score can be computed; empty when it can."""
    if len(impostors.names) < MIN_AUTHORS:
        return f"there are {len(impostors.names)} other authors to compare with, and {MIN_AUTHORS} are needed"
    if (author.segments >= verification.MIN_SEGMENTS).sum() < 2:
        return "fewer than 2 held-out posts have 100 words of prose"
    return ""


def _not_measured() -> dict[str, float]:
    nothing: dict[str, float] = {}
    for family in verification.VERIFIER_NAMES:
        nothing |= {family: math.nan, f"{family}_lo": math.nan, f"{family}_hi": math.nan}
    return nothing


def _spans(decisions: verification.VerifierScores, impostors: Impostors) -> dict[str, float]:
    """What single texts score, 90 % of them: {author_p5, author_p95, others_p5, others_p95}."""
    found: dict[str, float] = {}
    for name, values in verification.reference_scores(decisions, impostors.author).items():
        low, high = np.nanpercentile(values, [5, 95])
        found |= {f"{name}_p5": float(low), f"{name}_p95": float(high)}
    return found


def _attributions(
    decisions: verification.VerifierScores, scores: verification.Scores, impostors: Impostors
) -> list[tuple[str, str]]:
    """(who wrote it, "author" or "others") of each text that is long enough to be scored."""
    by_name = {**verification.reference_scores(decisions, impostors.author), **scores.texts}
    found = []
    for name, values in by_name.items():
        for score in values:
            if not math.isnan(score):
                found.append((name, "author" if score > NEAREST_THRESHOLD else "others"))
    return found


def _gain_over(rival: str, scores: dict[str, verification.Scores]) -> dict[str, float]:
    """S(twin) − S(rival) with its interval, by the verifiers that the verdict is made from."""
    gain: dict[str, float] = {}
    for family in verification.VERIFIER_NAMES:
        gain |= with_interval(family, *scores[family].difference("twin", rival))
    return gain
