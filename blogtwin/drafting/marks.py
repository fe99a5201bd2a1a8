"""What a sentence that the writer changed says of the notes: the marks of a draft for words that no search chose."""

from collections.abc import Sequence

from blogtwin.drafting.claims import check_claim, content_stems, foreign_share, is_negated, parse_claim
from blogtwin.drafting.drafter import MAX_FOREIGN, DraftSentence, Status
from blogtwin.drafting.notes import NoteLine
from blogtwin.text.facts import unsupported_facts


def mark_sentence(text: str, title: str, lines: Sequence[NoteLine]) -> DraftSentence:
    """The sentence with its mark and the numbers of the lines that it tells.

    contradicts: it denies and none of its lines does, or the other way round. unsupported: it tells no line, states a
    fact that the notes don't hold, or says much more than they do. supported: all else.
    """
    claims = [parse_claim(line.number, line.text) for line in lines if line.kind == "claim"]
    told = [claim for claim in claims if check_claim(claim, text).is_told]
    source = "\n".join([title, *(line.text for line in lines)])
    known = frozenset(content_stems(source))
    foreign = foreign_share(text, known, without_words=0.0)
    status: Status = "supported"
    if told and is_negated(text) != any(claim.negated for claim in told):
        status = "contradicts"
    elif not told or unsupported_facts(source, text) or foreign > MAX_FOREIGN:
        status = "unsupported"
    return DraftSentence(text, status, tuple(claim.number for claim in told))
