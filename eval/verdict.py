"""The rule by which a voice is judged, in one place: gates in order, then the claim, in words.

A claim needs all of: the splits share no post; the voice copies no more than its author repeats himself; it is fluent,
not word salad and not a loop; the author's style can be measured at all. Then «closer to you than prompting» holds only
where the voice is above the five-shot base, above a twin of somebody else where there is one, and above other people,
by both opinions on style, with intervals above zero.
"""

from dataclasses import dataclass

from blogtwin.hints import make_command

GATES = ("disjoint", "copying", "fluent", "measurable")
MEASURES = {
    "order_gain": "the order of sentences",
    "adjacent": "how sentences follow each other",
    "repetition": "repetition",
    "capitals": "capitals",
    "bits_per_byte_of_base": "word salad (bits per byte under the base)",
}
MAX_STYLE_OVERSHOOT = 1.2
MIN_FLUENT_FRACTION = 0.5  # of a voice's texts must lie in the author's band; of the author's own about 0.9 do


@dataclass(frozen=True)
class Evidence:
    """What is known of one voice. `margins`: {rival: [(opinion, low end of the interval of S(voice) − S(rival)),
    …]}."""

    shared_posts: int
    copying_texts: int
    texts: int
    fluent_share: dict[str, float]  # measure → share of texts as the author's are
    not_measurable: str
    margins: dict[str, list[tuple[str, float]]]
    style: dict[str, tuple[float, float]]  # opinion → (S, low end of its interval)


def failed_gates(evidence: Evidence) -> dict[str, str]:
    """{gate: why} of the gates that are not passed, in order."""
    found = {}
    if evidence.shared_posts:
        found["disjoint"] = f"{evidence.shared_posts} held-out posts were also trained on"
    if evidence.copying_texts:
        found["copying"] = (
            f"{evidence.copying_texts} of {evidence.texts} texts copy more than the author repeats himself"
        )
    poor = {name: share for name, share in evidence.fluent_share.items() if not share >= MIN_FLUENT_FRACTION}
    if poor:
        name, share = min(poor.items(), key=lambda item: item[1])
        found["fluent"] = f"{share:.0%} of the texts lie where 90 % of the author's do in {MEASURES[name]}"
    if evidence.not_measurable:
        found["measurable"] = evidence.not_measurable
    return found


def beats_prompting(evidence: Evidence) -> bool:
    """Whether the voice is closer to the author than all its rivals, by every opinion, all gates passed, and no
    caricature."""
    if failed_gates(evidence) or not evidence.margins:
        return False
    above = all(low > 0 for opinions in evidence.margins.values() for _, low in opinions)
    return above and all(low > 0 and s <= MAX_STYLE_OVERSHOOT for s, low in evidence.style.values())


def verdict_text(evidence: Evidence, style: tuple[float, float, float], prompts: int) -> str:
    """The verdict in words; `style` is (S, low, high) by the verifier."""
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


def next_steps(evidence: Evidence, metrics: dict) -> list[str]:
    """What to try next, the most pressing first."""
    reasons, tips = failed_gates(evidence), []
    if "disjoint" in reasons:
        tips.append(f"Run `{make_command('all')}` from the split on: the held-out posts must be new to the twin.")
    if "copying" in reasons:
        tips.append("It copies: try fewer epochs (train.epochs) or a lower rank (train.lora_rank).")
    if "fluent" in reasons:
        tips.append(
            "It rambles or loops: lower eval.temperature, raise eval.repeat_penalty, or use a larger base model."
        )
    if "measurable" in reasons:
        tips.append("Add posts: from about fifty on, ten are held out, and style can be measured.")
    if not reasons and not beats_prompting(evidence):
        tips.append(
            "Not you yet: more posts, more tokens (train.max_tokens), or a larger base model"
            f" ({make_command('all', BASE='llama3.2:1b')})."
        )
    if metrics["twin"]["shape"]["stopped"] < 0.5:
        tips.append("It seldom ends by itself within eval.max_tokens: raise that limit, since your posts are longer.")
    return tips
