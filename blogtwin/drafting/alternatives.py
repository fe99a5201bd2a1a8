"""Other sentences for lines of the notes that a draft has told already: the same search and the same gates."""

from dataclasses import dataclass

from blogtwin.drafting.claims import Claim, check_claim, parse_claim
from blogtwin.drafting.drafter import Drafter, DraftSentence, group_lines, sentence_status, split_line

MAX_ALTERNATIVES = 3


@dataclass(frozen=True)
class SentencePlace:
    """A sentence of a draft. `lines`: numbers of the note lines that it tells. `paragraph`: the text of its paragraph
    before it; `draft_before`: the text of the paragraphs before that. `text`: what stands there now."""

    lines: tuple[int, ...]
    paragraph: str
    draft_before: str
    text: str


def find_alternatives(drafter: Drafter, place: SentencePlace) -> tuple[list[DraftSentence], str]:
    """(up to three other sentences that tell all lines of the place, best first; why there is none). Raises
    DraftStopped."""
    wanted = [line for line in drafter.lines if line.number in place.lines]
    todo = [parse_claim(line.number, line.text) for line in wanted if line.kind == "claim"]
    if not todo or len(todo) < len(wanted):
        return [], "This is placed as it stands in the notes."
    if len(todo) == 1:
        todo = [_told_part(todo[0], place.text)]
    if not all(drafter.can_tell(claim) for claim in todo):
        return [], "The line is longer than a sentence can tell."
    drafter.text = place.draft_before
    shown = next(group for groups in group_lines(drafter.lines) for group in groups if wanted[0] in group)
    lines = drafter.lines_to_show(parse_claim(line.number, line.text) for line in shown)
    found = drafter.search(lines, place.paragraph, todo, enough=MAX_ALTERNATIVES + 1)
    numbers = tuple(claim.number for claim in todo)
    sentences = [
        DraftSentence(scored.candidate.text, sentence_status(scored), numbers, (), drafter.writer.name)
        for scored in found
        if scored.candidate.text != place.text and scored.tells_first and (len(todo) == 1 or scored.tells_next)
    ]
    if sentences:
        return sentences[:MAX_ALTERNATIVES], ""
    return [], "No other sentence that the model wrote tells this without saying more."


def _told_part(claim: Claim, text: str) -> Claim:
    """The half of a line that the present sentence tells, where it tells not all of it."""
    halves = [parse_claim(claim.number, half) for half in split_line(claim.line)]
    told = [half for half in halves if check_claim(half, text).is_told]
    return told[0] if len(told) == 1 and not check_claim(claim, text).is_told else claim
