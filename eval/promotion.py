"""Whether a new twin takes the place of the live one: a worse twin never replaces a better one.

The two scorecards are compared on the same prompts, by the paired test of `make diff`.
"""

from dataclasses import dataclass, field
from typing import Any

from blogtwin.errors import UserError
from eval.compare_runs import compare_runs
from eval.verdict import GATES


@dataclass(frozen=True)
class Scorecard:
    """What is measured of a twin. `gates`: {gate: passed}, empty where it was not measured; `samples`: those of
    samples.jsonl, or of `measured_samples`; `posts`: how many it was trained on."""

    gates: dict[str, bool | None]
    samples: list[dict[str, Any]] = field(default_factory=list)
    posts: int = 0


@dataclass(frozen=True)
class Decision:
    """Whether the new twin goes live, and why. `worse`: it is the worse one in a gate or a measure."""

    promoted: bool
    reason: str
    worse: bool = False


def gates_of(metrics: dict[str, Any]) -> dict[str, bool | None]:
    """{gate: passed, or None where the scorecard can't tell} of the twin, from metrics.json; empty where it has no
    verdict."""
    flags = metrics.get("twin", {}).get("verdict", {})
    return {gate: None if flags[gate] is None else bool(flags[gate]) for gate in GATES if gate in flags}


def decide(live: Scorecard, new: Scorecard) -> Decision:
    """The live one stays if the new one is worse in a gate, or in a measure by an interval without zero. Else the new
    one goes live if it is better in a measure, or, where nothing can be told, knows more posts and fails no gate."""
    if not new.gates:
        return Decision(False, "the new one was not measured")
    if not live.gates:
        return Decision(True, "the live one was not measured")
    failed = [gate for gate in GATES if new.gates.get(gate, False) is False]
    if lost := [gate for gate in failed if live.gates.get(gate)]:
        return Decision(False, f"the new one fails the gate “{lost[0]}”, and the live one passes it", worse=True)
    try:
        rows = compare_runs(live.samples, new.samples)
    except UserError:  # of other held-out posts
        rows = []
    if worse := [_in_words(row) for row in rows if row["verdict"] == "worse"]:
        return Decision(False, f"the new one is worse in {worse[0]}", worse=True)
    if better := [_in_words(row) for row in rows if row["verdict"] == "better"]:
        return Decision(True, f"the new one is better in {better[0]}")
    prompts = max((row["n"] for row in rows), default=0)
    untold = f"{prompts} prompts can't tell them apart" if prompts else "they have no held-out posts in common"
    if failed:
        return Decision(False, f"{untold}, and the new one fails the gate “{failed[0]}”")
    if new.posts > live.posts:
        return Decision(True, f"{untold}, and the new one knows {new.posts} posts instead of {live.posts}")
    return Decision(False, f"{untold}, and the new one knows no more posts ({new.posts}; the live one {live.posts})")


def _in_words(row: dict[str, Any]) -> str:
    """A measure's row of `compare_runs`."""
    return f"{row['title']}: {row['a']:.3f} → {row['b']:.3f}, difference [{row['lo']:.3f}, {row['hi']:.3f}]"
