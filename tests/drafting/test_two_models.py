"""Plain sentences by one model, put into the voice by another: what the voice may change, and who wrote what."""

import pytest

from blogtwin.drafting.claims import parse_claim
from blogtwin.drafting.drafter import Drafter, as_sentence
from blogtwin.drafting.receipt import make_receipt
from blogtwin.drafting.two_models import PlainSentence, TwoModelDrafter
from tests.drafting.test_drafter import LINES, NOTES, TELLING, TITLE, Scripted, first_line, nothing, telling

PLAIN = TELLING
VOICED = {
    PLAIN[LINES[0]]: "118 pounds is what the new rope of 22 mm cost, and it is thick.",
    PLAIN[LINES[1]]: "Too thick, is what Denzil said of it.",
    PLAIN[LINES[2]]: "For 9 years it lasted, my old rope, I would add.",
}


def voicing(request) -> list[str]:
    """The plain sentence in other words."""
    return [VOICED.get(first_line(request), "It is what it is, all told.")]


def draft(content, voice, notes=NOTES, **settings):
    drafter = TwoModelDrafter(Scripted(content, "plain"), Scripted(voice, "voice"), TITLE, notes, 1, 4, **settings)
    paragraphs = list(drafter.paragraphs())
    return drafter, paragraphs, [sentence for paragraph in paragraphs for sentence in paragraph.sentences]


def test_each_plain_sentence_is_the_line_that_the_voice_is_asked_for():
    drafter, _, sentences = draft(telling, voicing)
    assert [s.text for s in sentences] == list(VOICED.values())
    assert [(s.status, s.lines, s.written_by) for s in sentences] == [("supported", (n,), "voice") for n in range(3)]
    assert {request.lines for request in drafter.writer.asked} == {(text,) for text in PLAIN.values()}
    assert drafter.content.writer.asked[0].lines == tuple(LINES)
    assert drafter.text == " ".join(VOICED.values())


def test_where_the_voice_finds_nothing_the_plain_sentence_stands_and_says_who_wrote_it():
    drafter, paragraphs, sentences = draft(telling, nothing)
    assert [s.text for s in sentences] == list(PLAIN.values())
    assert [(s.status, s.written_by) for s in sentences] == [("content", "plain")] * 3
    assert [line.status for line in make_receipt(drafter, paragraphs, "m").lines] == ["content"] * 3


def test_what_the_content_model_cannot_tell_the_voice_tells_from_the_notes():
    _, _, sentences = draft(
        lambda r: [] if "Denzil" in first_line(r) else telling(r),
        lambda r: voicing(r) if first_line(r) in VOICED else [PLAIN[LINES[1]]],
    )
    assert [s.written_by for s in sentences] == ["voice"] * 3 and sentences[1].text == PLAIN[LINES[1]]


def test_where_neither_tells_a_line_the_writers_own_words_stand():
    _, _, sentences = draft(nothing, nothing)
    assert [(s.text, s.status, s.written_by) for s in sentences] == [
        (as_sentence(line), "own_words", None) for line in LINES
    ]


@pytest.mark.parametrize("text, reason", [
    (VOICED[PLAIN[LINES[0]]], None),
    ("The new rope is 22 mm thick.", "not what the plain sentence says"),  # no price
    ("The new rope is 22 mm thick and did not cost me 118 pounds.", "not what the plain sentence says"),
    ("There were 118 pounds on the quay and 22 mm of rain.", "not what the plain sentence says"),
])  # fmt: skip
def test_the_voice_may_not_lose_or_turn_what_the_plain_sentence_says(text, reason):
    plain = PlainSentence(parse_claim(0, PLAIN[LINES[0]]), (parse_claim(0, LINES[0]),))
    assert plain.rejection_reason(text) == reason


def test_the_voice_is_held_to_the_notes_where_the_plain_sentence_says_more():
    plain = "The pump that he had fitted by the wall in the yard behind the house was fixed at night."
    told = parse_claim(0, "pump fixed at night")
    text = "It was by the wall in the yard behind the house that he had fitted it."
    assert PlainSentence(parse_claim(0, plain), (told,)).rejection_reason(text) == "not what the notes say"


def test_a_number_that_only_the_voice_knows_is_refused():
    drafter, _, sentences = draft(telling, lambda r: [voicing(r)[0].replace("rope", "rope of 78 feet")])
    assert [s.status for s in sentences] == ["content", "supported", "content"]
    assert drafter.rejected["unsupported fact"] > 0 and not drafter.content.rejected


def test_the_receipt_counts_what_each_of_the_two_wrote():
    drafter, paragraphs, _ = draft(telling, voicing)
    receipt = make_receipt(drafter, paragraphs, "voice digest", "content digest")
    assert (receipt.model, receipt.content.model, receipt.content.name) == ("voice digest", "content digest", "plain")
    assert (receipt.content.candidates, receipt.content.rounds) == (4 * 3, 3)
    assert receipt.candidates == 4 * receipt.rounds >= 4 * 3
    alone = Drafter(Scripted(telling), TITLE, NOTES, 1, 4)
    assert make_receipt(alone, list(alone.paragraphs()), "m").content is None


def test_headings_and_pictures_are_placed_once():
    _, paragraphs, sentences = draft(telling, nothing, f"# Buying it\n{LINES[0]}\n![the rope](rope.jpg)")
    assert [s.status for s in sentences] == ["heading", "content", "verbatim"] and len(paragraphs) == 3
    assert [s.written_by for s in sentences] == [None, "plain", None]


def test_only_the_voice_adds_a_sentence_where_there_is_room():
    def with_more(request):
        return voicing(request) if request.licensed else ["The rope is what we all speak of, the rope."]

    _, _, sentences = draft(telling, with_more, LINES[1], room="roomy")
    assert [(s.written_by, s.lines) for s in sentences] == [("voice", (0,)), ("voice", ())]
    _, _, sentences = draft(telling, with_more, LINES[1], room="own")
    assert len(sentences) == 1
