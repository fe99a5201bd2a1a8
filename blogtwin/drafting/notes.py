"""A writer's notes as lines: what is to be told, what is a heading, and what is placed as it stands."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from blogtwin.text.sentences import split_evenly, split_prose

BULLET = re.compile(r"^\s*(?:[-*•–]\s+|\d{1,2}[.)]\s+|\[[ xX]?\]\s+)+")
HEADING = re.compile(r"^\s*#{1,6}\s+(.+?)\s*#*\s*$")
FENCE = re.compile(r"^\s*(```|~~~)")
# Placed as they are: a picture, a quotation in a block, a table row, a line that is a link and nothing else.
VERBATIM = re.compile(r"^\s*(?:!\[|>|\||<\w|\[[^\]]*\]\([^)]*\)\s*$|https?://\S+\s*$)")
MAX_LINE_WORDS = 30  # a longer line is prose, and is told sentence by sentence

# Code, a link or a quotation inside a sentence.
FIXED = re.compile(r"`|\]\(|https?://|www\.|[“”„«»\"]|<\w")

Kind = Literal["claim", "heading", "verbatim"]
Form = Literal["note", "sentence", "fixed"]


@dataclass(frozen=True)
class NoteLine:
    """A line of the notes; `paragraph` counts the blocks that blank lines, headings and verbatim parts divide.

    `form` of a claim: jotted down (note), a sentence of a text that is rewritten (sentence), or one that stands as it
    is (fixed)."""

    number: int
    kind: Kind
    text: str
    paragraph: int
    form: Form = "note"


def parse_notes(notes: str, max_line_words: int = MAX_LINE_WORDS) -> list[NoteLine]:
    """The lines in order. One of more words than `max_line_words` is prose, and becomes a line for each sentence."""
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
            for part in split_prose(text) if len(text.split()) > max_line_words else [text]:
                if re.search(r"\w", part):
                    add("claim", part)
        goes_on = bool(verbatim)
    return lines


def place_headings(lines: list[NoteLine], outline: Sequence[str]) -> list[NoteLine]:
    """The lines with the outline's headings among them, each over as many lines as the others; notes that have headings
    of their own stay as they are."""
    if not outline or any(line.kind == "heading" for line in lines):
        return lines
    placed: list[NoteLine] = []
    paragraph = 0
    for heading, own in zip(outline, split_evenly(lines, len(outline)), strict=True):
        paragraph += 1
        placed.append(NoteLine(len(placed), "heading", heading, paragraph))
        for at, line in enumerate(own):
            if at == 0 or line.paragraph != own[at - 1].paragraph:
                paragraph += 1
            placed.append(replace(line, number=len(placed), paragraph=paragraph))
    return placed


def parse_prose(text: str) -> list[NoteLine]:
    """A text to be rewritten as lines: one for each sentence, paragraphs kept. What is placed in notes is placed here
    too, and a sentence with code, a link or a quotation stands as it is."""
    lines = parse_notes(_join_wrapped_lines(text), max_line_words=0)
    return [
        replace(line, form="fixed" if FIXED.search(line.text) else "sentence") if line.kind == "claim" else line
        for line in lines
    ]


def _join_wrapped_lines(text: str) -> str:
    """Each paragraph of prose on one line."""
    joined: list[str] = []
    fenced = goes_on = False
    for raw in text.replace("\r\n", "\n").split("\n"):
        at_fence = FENCE.match(raw) is not None
        placed = fenced or at_fence or not raw.strip() or HEADING.match(raw) or VERBATIM.match(raw)
        fenced = fenced != at_fence
        if goes_on and not placed and not BULLET.match(raw):
            joined[-1] += f" {raw.strip()}"
        else:
            joined.append(raw)
        goes_on = not placed
    return "\n".join(joined)
