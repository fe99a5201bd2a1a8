"""A text that is rewritten: the same search, whose lines are sentences."""

from blogtwin.drafting.drafter import Drafter
from blogtwin.drafting.notes import parse_prose
from tests.drafting.test_drafter import Scripted, nothing

TEXT = "The rope is 22 mm thick. It cost 118 pounds, as Denzil feared. Denzil said it was “too thick”. We fitted it."


def rewrite(say, text=TEXT):
    drafter = Drafter(Scripted(say), "", text, 1, 4, lines=parse_prose(text))
    return drafter, list(drafter.paragraphs())


def test_what_the_model_can_not_tell_stands_letter_by_letter():
    drafter, paragraphs = rewrite(nothing, f"{TEXT}\n\nand then: it rained")
    assert drafter.text == f"{TEXT}\n\nand then: it rained"
    assert {s.status for p in paragraphs for s in p.sentences} == {"own_words"}


def test_a_sentence_that_is_told_takes_its_place_and_the_paragraph_stays_one():
    told = "My rope, I should say, is a thick 22 mm."
    drafter, (paragraph,) = rewrite(lambda r: [told] if "22" in r.licensed.split("\n")[1] else [])
    assert paragraph.text == TEXT.replace("The rope is 22 mm thick.", told) == drafter.text
    assert [(s.status, s.lines) for s in paragraph.sentences][:2] == [("supported", (0,)), ("own_words", (1,))]


def test_a_sentence_with_a_quotation_is_not_even_asked_for():
    drafter, _ = rewrite(nothing)
    assert all("too thick" not in " ".join(request.lines) for request in drafter.writer.asked)


def test_a_sentence_is_not_told_by_half():
    half = "It cost me all of 118 pounds."
    _, (paragraph,) = rewrite(lambda r: [half] if "118" in r.licensed and "feared" not in r.licensed else [])
    assert "It cost 118 pounds, as Denzil feared." in paragraph.text and half not in paragraph.text


def test_a_long_paragraph_is_told_a_few_sentences_at_a_time_without_saying_one_again():
    sentences = [f"The boat number {n} has a mast of {n + 40} feet." for n in range(2, 9)]
    again = "The boat number 2 has a mast, I would say, of 42 feet."
    drafter, (paragraph,) = rewrite(lambda r: [again], " ".join(sentences))
    assert all(len(request.lines) <= 4 for request in drafter.writer.asked)
    assert [s.text for s in paragraph.sentences] == [again, *sentences[1:]]
