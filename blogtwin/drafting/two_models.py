"""Two models: one tells the notes in plain sentences, the other puts each of them into the author's voice.

Both are searched and checked alike. Where the voice loses or adds something, the plain sentence stands.
"""

from dataclasses import dataclass, replace
from typing import Any

from blogtwin.drafting.claims import MIN_ROLES, MIN_TERMS, Claim, ClaimCheck, check_claim, is_negated, parse_claim
from blogtwin.drafting.drafter import MIN_RECALL, Drafter, DraftParagraph, DraftSentence, Writer
from blogtwin.drafting.notes import NoteLine


@dataclass(frozen=True)
class PlainSentence:
    """A sentence of the content model as a claim, and the lines of the notes that it tells."""

    claim: Claim
    told: tuple[Claim, ...]

    def rejection_reason(self, text: str) -> str | None:
        """Why a text does not say the same in other words; None where it does."""
        whole = check_claim(self.claim, text)
        if whole.missing or whole.terms < MIN_TERMS or is_negated(text) != self.claim.negated:
            return "not what the plain sentence says"
        for line in self.told:
            if _tells_less(check_claim(line, text), check_claim(line, self.claim.line)):
                return "not what the notes say"
        return None


def _tells_less(check: ClaimCheck, plain: ClaimCheck) -> bool:
    """Whether a text tells too little of a line of the notes, where the plain sentence tells enough."""
    return check.recall < min(plain.recall, MIN_RECALL) or check.roles < min(plain.roles, MIN_ROLES)


class TwoModelDrafter(Drafter):
    """A Drafter whose writer is the voice. `content` writes the plain sentences; the rest is as for a Drafter, and the
    same for both searches."""

    def __init__(self, content: Writer, voice: Writer, *given: Any, **settings: Any):
        super().__init__(voice, *given, **settings)
        self.content = Drafter(content, *given, **settings)
        self.content.room = "tight" if self.room == "tight" else "own"  # a sentence more is for the voice to add
        self.plain: PlainSentence | None = None

    def _write_sentences(self, group: list[NoteLine]) -> list[DraftSentence]:
        self.content.text = self.text
        notes = {line.number: parse_claim(line.number, line.text) for line in group}
        written = DraftParagraph()
        for plain in self.content._write_sentences(group):
            told = tuple(notes[number] for number in plain.lines)
            written.sentences += self._put_into_voice(plain, told, written.text)
        self.plain = None
        return [*written.sentences, *self._add_sentence(group, self.lines_to_show(notes.values()), written.text)]

    def _put_into_voice(self, plain: DraftSentence, told: tuple[Claim, ...], before: str) -> list[DraftSentence]:
        """The plain sentence in the voice; itself where the voice finds no other; the writer's own words where neither
        model tells the line."""
        claim = parse_claim(plain.lines[0], plain.text)
        if plain.written_by is None:
            self.plain = None
            return self._tell((claim.line,), before, [claim])[1]
        self.plain = PlainSentence(claim, told)
        _, voiced = self._best_sentence(self.search((claim.line,), before, [claim]), [claim])
        if voiced is None or voiced.status != "supported":
            return [replace(plain, status="content") if plain.status == "supported" else plain]
        return [replace(voiced, lines=plain.lines)]

    def _rejection_reason(self, text: str, before: str, window: str) -> str | None:
        reason = super()._rejection_reason(text, before, window)
        return reason or (self.plain.rejection_reason(text) if self.plain else None)
