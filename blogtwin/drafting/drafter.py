"""The search: sentence by sentence in the writer's order, repaired where a line is missing, in the writer's own words
where the model finds none."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from blogtwin.drafting.candidates import Request, SentenceWriter
from blogtwin.drafting.claims import Claim, content_stems, parse_claim
from blogtwin.drafting.gates import NoChecks, TextChecks, rejection_reason
from blogtwin.drafting.notes import NoteLine, parse_notes
from blogtwin.drafting.scoring import Scored, score_candidate
from blogtwin.text.tokens import tokenise_words

LINES_PER_PARAGRAPH = 3
TEMPERATURES = (0.6, 0.9)  # of the first round of candidates and of the later ones
PREFIX_WORDS = (2, 1)  # a missing line is asked for again with its own first words as the beginning
MIN_RECALL = 0.5  # of a line by the best candidate, below which the writer's own words stand

Status = Literal["supported", "unsupported", "own_words", "verbatim", "heading"]


@dataclass(frozen=True)
class DraftSentence:
    """A sentence of the draft. `lines`: numbers of the note lines that it tells."""

    text: str
    status: Status
    lines: tuple[int, ...] = ()
    alternatives: tuple[str, ...] = ()


@dataclass
class DraftParagraph:
    """A paragraph as it comes."""

    sentences: list[DraftSentence] = field(default_factory=list)

    @property
    def text(self) -> str:
        """As a reader sees it."""
        return " ".join(sentence.text for sentence in self.sentences)


class Drafter:
    """Drafts from one set of notes. `per_round`: candidates for a sentence in each round."""

    def __init__(
        self,
        writer: SentenceWriter,
        title: str,
        notes: str,
        seed: int,
        per_round: int,
        checks: TextChecks | None = None,
    ):
        self.writer, self.seed, self.per_round = writer, seed, per_round
        self.checks = checks or NoChecks()
        self.title = title
        self.source = f"{title}\n{notes}"
        self.lines = parse_notes(notes)
        self.known = frozenset(content_stems(self.source))
        self.rejected: dict[str, int] = {}
        self.text = ""
        self.rounds = 0
        self.started = time.perf_counter()

    def paragraphs(self) -> Iterator[DraftParagraph]:
        """The draft, a paragraph at a time."""
        for group in group_lines(self.lines):
            if group[0].kind != "claim":
                status: Status = "heading" if group[0].kind == "heading" else "verbatim"
                shown = f"## {group[0].text}" if status == "heading" else group[0].text
                paragraph = DraftParagraph([DraftSentence(shown, status, (group[0].number,))])
            else:
                paragraph = self._write_paragraph([parse_claim(line.number, line.text) for line in group])
            self.text = "\n\n".join(part for part in (self.text, paragraph.text) if part)
            yield paragraph

    def _write_paragraph(self, claims: list[Claim]) -> DraftParagraph:
        paragraph, todo = DraftParagraph(), list(claims)
        lines = tuple(claim.line for claim in claims)
        while todo:
            best = self._search(lines, paragraph.text, todo)
            if best is None or best[0].checks[0].missing or best[0].checks[0].recall < MIN_RECALL:
                sentence = DraftSentence(as_sentence(todo[0].line), "own_words", (todo[0].number,))
                told = {todo[0].number}
            else:
                checks = zip(todo, best[0].checks, strict=False)
                told = {todo[0].number} | {claim.number for claim, check in checks if check.is_told}
                others = tuple(s.candidate.text for s in best[1:] if s.is_accepted)[:2]
                sentence = DraftSentence(best[0].candidate.text, "supported", tuple(sorted(told)), others)
            paragraph.sentences.append(sentence)
            todo = [claim for claim in todo if claim.number not in told]
        return paragraph

    def _search(self, lines: tuple[str, ...], before: str, todo: list[Claim]) -> list[Scored] | None:
        """Candidates for the next line, best first; None where all were rejected."""
        found: dict[str, Scored] = {}
        wanted = frozenset(w for w in tokenise_words(todo[0].line) if len(w) > 3)
        window = "\n".join([self.title, *(claim.line for claim in todo[:2])])
        prefixes = [first_words(todo[0].line, n) for n in PREFIX_WORDS]
        attempts = [
            ("", TEMPERATURES[0], lines),
            ("", TEMPERATURES[1], lines),
            (prefixes[0], TEMPERATURES[0], (todo[0].line,)),
            (prefixes[1], TEMPERATURES[1], lines),
        ]
        for prefix, temperature, shown in attempts:
            self.rounds += 1
            request = Request(
                shown, before, window, wanted, self.per_round, temperature, self.seed + 1000 * self.rounds, prefix
            )
            for candidate in self.writer.write(request):
                reason = rejection_reason(candidate.text, f"{self.text}\n{before}", window, self.source, self.checks)
                if reason:
                    self.rejected[reason] = self.rejected.get(reason, 0) + 1
                elif candidate.text not in found:
                    found[candidate.text] = score_candidate(candidate, todo, self.known, self.checks)
            if any(scored.is_accepted for scored in found.values()):
                break
        return sorted(found.values(), key=lambda s: -s.score) or None


def group_lines(lines: list[NoteLine]) -> list[list[NoteLine]]:
    """Lines that make a paragraph together: two or three claims of one block; a heading or a verbatim part alone."""
    groups: list[list[NoteLine]] = []
    blocks: dict[int, list[NoteLine]] = {}
    for line in lines:
        blocks.setdefault(line.paragraph, []).append(line)
    for block in blocks.values():
        if block[0].kind != "claim":
            groups += [[line] for line in block]
            continue
        count = max(1, round(len(block) / LINES_PER_PARAGRAPH))
        bounds = [round(i * len(block) / count) for i in range(count + 1)]
        groups += [block[a:b] for a, b in zip(bounds, bounds[1:], strict=False)]
    return groups


def first_words(line: str, count: int) -> str:
    """The first words of a line as the beginning of a sentence."""
    words = line.split()[:count]
    begin = " ".join(words).rstrip(",;:.")
    return begin[:1].upper() + begin[1:]


def as_sentence(line: str) -> str:
    """A line of notes as a sentence: a capital at its start, a full stop at its end."""
    text = line.strip()
    text = text[:1].upper() + text[1:]
    return text if text[-1:] in ".!?…" else f"{text}."
