"""The style of two systems' drafts from the same notes, by function words: what the search may not look at.

Drafts are shorter than the verifier needs, so those of several sets of notes are joined, the same sets for both.
"""

from collections.abc import Sequence

from eval.rounding import with_interval
from eval.style import verification
from eval.style.features import count_features
from eval.style.impostors import Impostors
from eval.style.languages import unmeasurable_language

FAMILY = "function"
MIN_WORDS = 250  # of a joined text


def join_drafts(ours: Sequence[str], theirs: Sequence[str], words: int = MIN_WORDS) -> list[tuple[str, str]]:
    """Texts of one system and the other, of the same drafts in a row, until both have `words` words; what is left at
    the end goes with the last."""
    joined: list[tuple[str, str]] = []
    one, other = "", ""
    for a, b in zip(ours, theirs, strict=True):
        one, other = f"{one}\n\n{a}".strip(), f"{other}\n\n{b}".strip()
        if min(len(one.split()), len(other.split())) >= words:
            joined.append((one, other))
            one, other = "", ""
    if joined and (one or other):
        last = joined.pop()
        joined.append((f"{last[0]}\n\n{one}", f"{last[1]}\n\n{other}"))
    return joined


def style_difference(
    held_out: Sequence[str], impostors: Impostors, ours: Sequence[str], theirs: Sequence[str], seed: int
) -> dict[str, float]:
    """{style, style_rival, style_gain with its 95 % interval, style_texts}: how far each system's drafts are on the way
    from other people's posts (0) to the author's `held_out` ones (1); empty where the drafts have too few words, or the
    language is one that has no verifier."""
    joined = join_drafts(ours, theirs)
    if not joined or unmeasurable_language(held_out):
        return {}
    author = count_features(list(held_out), families=(FAMILY,))
    systems = {
        name: count_features([pair[i] for pair in joined], families=(FAMILY,))
        for i, name in enumerate(("ours", "theirs"))
    }
    decisions = verification.cross_fit(FAMILY, author, impostors, systems)
    scores = verification.style_scores(decisions, impostors.author, seed)
    found = {"style": round(scores.mean["ours"], 4), "style_rival": round(scores.mean["theirs"], 4)}
    return found | with_interval("style_gain", *scores.difference("ours", "theirs")) | {"style_texts": len(joined)}
