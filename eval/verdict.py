"""The rule of the verdict, in one place: the gates in order, then the claim, and both in words.

The gates: the splits share no post; the system copies no more than its author repeats himself; it is fluent, neither
word salad nor a loop; the author's style can be measured at all. Then “closer to you than prompting” holds only if the
system is above the five-shot base model, above the twin of another author (if there is one) and above other people, by
both style verifiers, with intervals above zero.
"""

from dataclasses import dataclass
from typing import Any

from blogtwin.hints import make_command

GATES = ("disjoint", "copying", "fluent", "measurable")
# The measures of fluency in which a system's texts must be as the author's are, and their names in a sentence.
FLUENCY_MEASURES = {
    "coherence_gain": "the order of sentences",
    "adjacent_similarity": "how sentences follow each other",
    "repetition": "repetition",
    "capitalised_sentences": "capitals",
    "bits_per_byte_of_base": "word salad (bits per byte under the base)",
}
MAX_STYLE_OVERSHOOT = 1.2
MIN_FLUENT_FRACTION = 0.5  # of a system's texts must be in the author's range; about 0.9 of the author's own are
MIN_EOS_RATE = 0.5  # below it, the token limit is too low for most texts


@dataclass(frozen=True)
class Evidence:
    """What the verdict on one system is made from."""

    shared_posts: int  # held-out posts that were also trained on
    copying_texts: int  # texts over the copying limit
    texts: int
    fluent_share: dict[str, float]  # {measure: share of the texts in the author's range}
    not_measurable: str  # why the style can't be measured; empty if it can
    margins: dict[str, list[tuple[str, float]]]  # {rival: [(verifier, low end of S(system) − S(rival)), …]}
    style: dict[str, tuple[float, float]]  # {verifier: (S, low end of its interval)}


def failed_gates(evidence: Evidence) -> dict[str, str]:
    """{gate: reason} of the gates that are not passed, in order."""
    failed = {}
    if evidence.shared_posts:
        failed["disjoint"] = f"{evidence.shared_posts} held-out posts were also trained on"
    if evidence.copying_texts:
        failed["copying"] = (
            f"{evidence.copying_texts} of {evidence.texts} texts copy more than the author repeats himself"
        )
    poor = {name: share for name, share in evidence.fluent_share.items() if not share >= MIN_FLUENT_FRACTION}
    if poor:
        name, share = min(poor.items(), key=lambda item: item[1])
        failed["fluent"] = f"{share:.0%} of the texts are where 90 % of the author's are in {FLUENCY_MEASURES[name]}"
    if evidence.not_measurable:
        failed["measurable"] = evidence.not_measurable
    return failed


def beats_prompting(evidence: Evidence) -> bool:
    """True if all gates are passed and the system is closer to the author than all its rivals, by every verifier,
    without overshooting."""
    if failed_gates(evidence) or not evidence.margins:
        return False
    above = all(low > 0 for margins in evidence.margins.values() for _, low in margins)
    return above and all(low > 0 and s <= MAX_STYLE_OVERSHOOT for s, low in evidence.style.values())


def verdict_text(evidence: Evidence, style: tuple[float, float, float], prompts: int) -> str:
    """The verdict in a sentence; `style` is (S, low, high) by the masked verifier."""
    score, low, high = style
    measured = (
        f"style {score:.2f} [{low:.2f}, {high:.2f}] of the way from other bloggers to your own posts, {prompts} prompts"
    )
    reasons = failed_gates(evidence)
    if "measurable" in reasons:
        return f"Not measurable, because {reasons['measurable']}."
    if reasons:
        return f"Not yet: {next(iter(reasons.values()))} ({measured})."
    if any(s > MAX_STYLE_OVERSHOOT for s, _ in evidence.style.values()):
        return f"A caricature: more like you than you are ({measured})."
    if beats_prompting(evidence):
        return f"Closer to you than prompting: {measured}."
    return f"Can't tell it from a prompted base model with so few texts: {measured}."


def next_steps(evidence: Evidence, metrics: dict[str, Any]) -> list[str]:
    """What to try next, the most important first."""
    reasons, tips = failed_gates(evidence), []
    if "disjoint" in reasons:
        tips.append(f"Run `{make_command('all')}` from the split on: the twin must not be trained on held-out posts.")
    if "copying" in reasons:
        tips.append("It copies: try fewer epochs (train.epochs) or a lower rank (train.lora_rank).")
    if "fluent" in reasons:
        tips.append(
            "It rambles or repeats itself: lower eval.temperature, raise eval.repeat_penalty, or use a larger base"
            " model."
        )
    if "measurable" in reasons:
        tips.append("Add posts: from about 50 posts on, 10 are held out, and style can be measured.")
    if not reasons and not beats_prompting(evidence):
        tips.append(
            "Not you yet: more posts, more tokens (train.max_tokens), or a larger base model"
            f" ({make_command('all', BASE='llama3.2:1b')})."
        )
    if metrics["twin"]["shape"]["eos_rate"] < MIN_EOS_RATE:
        tips.append("Few texts are finished within eval.max_tokens: raise that limit, because your posts are longer.")
    return tips
