"""The rule of the verdict, in one place: the gates in order, then the claim, and both in words.

The gates: the splits share no post; the system copies no more than its author repeats himself; it is fluent, neither
word salad nor a loop; the author's style can be measured at all. The second and third count texts, and are tests with
an error rate and a third outcome, “can't tell” (eval/gates.py). Then “closer to you than prompting” holds only if the
system is above the five-shot base model, above the twin of another author (if there is one) and above other people, by
both style verifiers, with intervals above zero.
"""

from dataclasses import dataclass, replace
from typing import Any

from blogtwin.hints import make_command
from eval.gates import COPYING, FLUENT, Count, Outcome

GATES = ("disjoint", "copying", "fluent", "measurable")
# The measures of fluency in which a system's texts must be as the author's are, and their names in a sentence.
FLUENCY_MEASURES = {
    "coherence_gain": "the order of sentences",
    "adjacent_similarity": "how sentences follow each other",
    "repetition": "repetition",
    "capitalised_sentences": "capitals",
    "bits_per_byte_of_base": "word salad (bits per byte under the base)",
}
WORSE_LAST = (Outcome.PASSED, Outcome.UNDECIDED, Outcome.FAILED)
MAX_STYLE_OVERSHOOT = 1.2
MIN_EOS_RATE = 0.5  # below it, the token limit is too low for most texts


@dataclass(frozen=True)
class Evidence:
    """What the verdict on one system is made from."""

    shared_posts: int  # held-out posts that were also trained on
    copying: Count  # texts over the copying limit
    fluent: dict[str, Count]  # {measure: texts in the author's range}
    not_measurable: str  # why the style can't be measured; empty if it can
    margins: dict[str, list[tuple[str, float]]]  # {rival: [(verifier, low end of S(system) − S(rival)), …]}
    style: dict[str, tuple[float, float]]  # {verifier: (S, low end of its interval)}

    def plus(self, copying: Count, fluent: dict[str, Count]) -> "Evidence":
        """With the counts of more texts of the system."""
        together = {measure: count.plus(fluent[measure]) for measure, count in self.fluent.items()}
        return replace(self, copying=self.copying.plus(copying), fluent=together)


def judge_gates(evidence: Evidence) -> dict[str, tuple[Outcome, str]]:
    """{gate: (outcome, why it is not passed)} of all gates, in order."""
    shared, copied = evidence.shared_posts, evidence.copying
    outcomes = {measure: FLUENT.outcome(count) for measure, count in evidence.fluent.items()}
    worst = max(outcomes.values(), key=WORSE_LAST.index, default=Outcome.PASSED)
    poor = [measure for measure, outcome in outcomes.items() if outcome is worst]
    measure = min(poor, key=lambda name: evidence.fluent[name].hits) if poor else ""
    return {
        "disjoint": (
            Outcome.FAILED if shared else Outcome.PASSED,
            f"{shared} held-out posts were also trained on",
        ),
        "copying": (
            COPYING.outcome(copied),
            f"{copied.hits} of {copied.texts} texts copy more than the author repeats himself",
        ),
        "fluent": (worst, _fluency_reason(measure, evidence.fluent[measure]) if measure else ""),
        "measurable": (Outcome.FAILED if evidence.not_measurable else Outcome.PASSED, evidence.not_measurable),
    }


def _fluency_reason(measure: str, count: Count) -> str:
    return f"{count.hits} of {count.texts} texts are where 90 % of the author's are in {FLUENCY_MEASURES[measure]}"


def failed_gates(evidence: Evidence) -> dict[str, str]:
    """{gate: reason} of the gates that failed, in order."""
    return {gate: why for gate, (outcome, why) in judge_gates(evidence).items() if outcome is Outcome.FAILED}


def undecided_gates(evidence: Evidence) -> dict[str, str]:
    """{gate: reason} of the gates that so many texts can't decide, in order."""
    return {gate: why for gate, (outcome, why) in judge_gates(evidence).items() if outcome is Outcome.UNDECIDED}


def beats_prompting(evidence: Evidence) -> bool:
    """True if all gates are passed and the system is closer to the author than all its rivals, by every verifier,
    without overshooting."""
    if failed_gates(evidence) or undecided_gates(evidence) or not evidence.margins:
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
    unsure = undecided_gates(evidence)
    if unsure:
        return f"Can't tell yet: {next(iter(unsure.values()))} ({measured})."
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
    if undecided_gates(evidence) and not reasons:
        tips.append("A gate is near its line: raise eval.num_prompts, so that more texts are counted.")
    elif not reasons and not beats_prompting(evidence):
        tips.append(
            "Not you yet: more posts, more tokens (train.max_tokens), or a larger base model"
            f" ({make_command('all', BASE='llama3.2:1b')})."
        )
    if metrics["twin"]["shape"]["eos_rate"] < MIN_EOS_RATE:
        tips.append("Few texts are finished within eval.max_tokens: raise that limit, because your posts are longer.")
    return tips
