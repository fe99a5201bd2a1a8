"""A writer's notes as lines: what is to be told, what is a heading, and what is placed as it stands."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from blogtwin.text.sentences import SENTENCE_END

BULLET = re.compile(r"^\s*(?:[-*•–]\s+|\d{1,2}[.)]\s+|\[[ xX]?\]\s+)+")
HEADING = re.compile(r"^\s*#{1,6}\s+(.+?)\s*#*\s*$")
FENCE = re.compile(r"^\s*(```|~~~)")
# Placed as they are: a picture, a quotation in a block, a table row, a line that is a link and nothing else.
VERBATIM = re.compile(r"^\s*(?:!\[|>|\||<\w|\[[^\]]*\]\([^)]*\)\s*$|https?://\S+\s*$)")
MAX_LINE_WORDS = 30  # a longer line is prose, and is told sentence by sentence

Kind = Literal["claim", "heading", "verbatim"]


@dataclass(frozen=True)
class NoteLine:
    """A line of the notes; `paragraph` counts the blocks that blank lines, headings and verbatim parts divide."""

    number: int
    kind: Kind
    text: str
    paragraph: int


def split_evenly(lines: list[NoteLine], parts: int) -> list[list[NoteLine]]:
    """Lines in so many runs, in their order; no two differ by more than one line."""
    bounds = [round(i * len(lines) / parts) for i in range(parts + 1)]
    return [lines[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]


def parse_notes(notes: str) -> list[NoteLine]:
    """The lines in order. A paragraph of prose becomes a line for each sentence."""
    lines: list[NoteLine] = []
    paragraph, fenced, goes_on = 0, False, False  # goes_on: a table or a quotation may have its next row here

    def add(kind: Kind, text: str) -> None:
        lines.append(NoteLine(len(lines), kind, text, paragraph))

    for raw in notes.replace("\r\n", "\n").split("\n"):
        if FENCE.match(raw) or fenced:
            if FENCE.match(raw):
                paragraph += 1
                fenced = not fenced
                if not fenced:
                    lines[-1] = NoteLine(
                        lines[-1].number, "verbatim", f"{lines[-1].text}\n{raw.strip()}", paragraph - 1
                    )
                    continue
                add("verbatim", raw.strip())
            else:
                lines[-1] = NoteLine(lines[-1].number, "verbatim", f"{lines[-1].text}\n{raw.rstrip()}", paragraph)
            goes_on = False
            continue
        heading = HEADING.match(raw)
        verbatim = VERBATIM.match(raw) or VERBATIM.match(BULLET.sub("", raw))
        if verbatim and goes_on:
            lines[-1] = replace(lines[-1], text=f"{lines[-1].text}\n{raw.rstrip()}")
        elif not raw.strip():
            paragraph += 1
        elif heading:
            paragraph += 1
            add("heading", heading[1])
            paragraph += 1
        elif verbatim:
            paragraph += 1
            add("verbatim", raw.rstrip())
            paragraph += 1
        else:
            text = BULLET.sub("", raw).strip()
            parts = SENTENCE_END.split(text) if len(text.split()) > MAX_LINE_WORDS else [text]
            for part in parts:
                if re.search(r"\w", part or ""):
                    add("claim", part.strip())
        goes_on = bool(verbatim)
    return lines
