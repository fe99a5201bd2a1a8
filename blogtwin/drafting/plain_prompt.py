"""How a model that was not trained on notes is asked for plain sentences: by example.

The examples hold no number in digits and no name, so that none can slip from them into a draft that has no fence.
"""

from collections.abc import Sequence

SYSTEM = (
    "You turn notes into plain sentences: one sentence for each line, in the order of the lines. You keep every number,"
    " name and date, and add nothing."
)
INSTRUCTION = "Write these notes as plain sentences:"
EXAMPLES = (
    (
        ("kettle leaks at the spout", "not fixed, no time", "tea was cold again"),
        "The kettle leaks at the spout. It is not fixed, because there was no time. The tea was cold again.",
    ),
    (
        ("bench by the pond, painted green", "neighbour said too bright"),
        "The bench by the pond was painted green. The neighbour said that it was too bright.",
    ),
)


def plain_messages(lines: Sequence[str]) -> list[dict[str, str]]:
    """The chat that asks for these lines of notes as plain sentences."""
    chat = [{"role": "system", "content": SYSTEM}]
    for notes, text in EXAMPLES:
        chat += [_question(notes), {"role": "assistant", "content": text}]
    return [*chat, _question(lines)]


def _question(lines: Sequence[str]) -> dict[str, str]:
    notes = "\n".join(f"- {line}" for line in lines)
    return {"role": "user", "content": f"{INSTRUCTION}\n\n{notes}"}
