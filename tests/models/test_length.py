"""How many words a prompt asks for, and where an answer may end then: rules over a vocabulary of single characters and
words, without a model."""

import asyncio

import numpy as np
import pytest

from blogtwin.inference.chat_stream import Answer, end_near
from blogtwin.models.length import (
    WordTarget,
    ends_sentence,
    hide_length_request,
    length_request,
    requested_words,
    sentence_end_near,
)

PIECES = ["<end>", " rain", ".", "\n", " 3", "?", "”", " Dr"]
END, WORD, STOP, NEWLINE, DIGIT, QUESTION, QUOTE, DOCTOR = range(len(PIECES))


class Vocabulary:
    """What WordTarget needs of a model."""

    def piece(self, token: int) -> bytes:
        return b"" if token == END else PIECES[token].encode()

    def ends(self, token: int) -> bool:
        return token == END


def allowed(target: WordTarget, ids: list[int]) -> set[int]:
    return set(np.flatnonzero(np.isfinite(target.adjust(ids, np.arange(len(PIECES))))).tolist())


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Write a blog post titled “The ladder”. About 200 words.", 200),
        ("Write about 150 words on rain", 150),
        ("A post on rain, in roughly 300 words", 300),
        ("Write 120 words about rain.", 120),
        ("a post of 80-120 words about the sea", 100),
        ("a post of 80 to 120 words about the sea", 100),
        ("Tell me of the harbour: ~90 words.", 90),
        ("About 100 words. No: about 250 words.", 250),
        (length_request(1500), 1500),
        ("Write about the sea.", 0),
        ("- wrote about 200 words today\n- then rain", 0),  # a note
        ("The first 200 words of my book were deleted.", 0),
        ("I lost 300 words yesterday.", 0),
        ("Write about 5 words.", 0),
        ("Write about 9000 words.", 0),
        ("Write about 200 wordsmiths.", 0),
        ("Rewrite this:\n\n" + "It rained. " * 60 + "Then we wrote it up in 300 words.", 0),
        ("", 0),
    ],
)
def test_a_prompt_asks_for_words(prompt, words):
    assert requested_words(prompt) == words


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("Write a blog post titled “The ladder”. About 200 words.", "Write a blog post titled “The ladder”."),
        (
            "About 150 words. Go on with the post “Rain” from here:\n\nIt rained.",
            "Go on with the post “Rain” from here:\n\nIt rained.",
        ),
        ("What about rain? 80 to 120 words, please!", "What about rain?"),
        ("Write about rain.\n\nAround 300 words", "Write about rain."),
        ("Write about 150 words on rain.", "Write about 150 words on rain."),
        ("A post on rain, in roughly 300 words.", "A post on rain, in roughly 300 words."),
        ("About 200 words.", "About 200 words."),  # nothing else is left
    ],
)
def test_the_model_is_not_shown_a_sentence_that_only_says_the_length(prompt, shown):
    assert hide_length_request(prompt) == shown


def test_a_text_cannot_end_before_it_is_long_enough():
    target = WordTarget(Vocabulary(), 20)
    assert END not in allowed(target, [WORD] * 16)
    assert END in allowed(target, [WORD] * 17)


def test_a_text_that_is_long_enough_ends_with_its_paragraph():
    target = WordTarget(Vocabulary(), 20)
    assert not target.is_complete([WORD] * 17)
    assert not target.is_complete([WORD] * 17 + [NEWLINE])  # no sentence has ended: a heading, or an item
    assert WordTarget(Vocabulary(), 20).is_complete([WORD] * 17 + [STOP, NEWLINE])
    assert not WordTarget(Vocabulary(), 20).is_complete([WORD] * 16 + [STOP, NEWLINE])


@pytest.mark.parametrize("end", [[STOP], [QUESTION], [STOP, QUOTE]], ids=["full stop", "question", "quote"])
def test_a_text_of_the_wanted_words_must_end_with_its_sentence(end):
    target = WordTarget(Vocabulary(), 20)
    assert allowed(target, [WORD] * 21) == set(range(len(PIECES)))
    assert allowed(target, [WORD] * 21 + end) == {END}


def test_a_text_ends_before_a_sentence_that_would_make_it_too_long():
    sentence = [WORD] * 9 + [STOP]
    assert allowed(WordTarget(Vocabulary(), 20), sentence * 2) == {END}  # 18 words; 27 would be further from 20
    short = [WORD, WORD, STOP]
    assert allowed(WordTarget(Vocabulary(), 20), short * 9) > {END}  # 18 words; 20 are nearer


@pytest.mark.parametrize(
    ("text", "words", "shown"),
    [
        ("It rained. It was late. Nobody came.", 5, "It rained. It was late."),
        ("It rained. It was late.", 5, None),  # the sentence may go on
        ("It rained. It was late. ", 5, "It rained. It was late."),
        ("It rained and rained and", 2, None),
        ("It cost 3. 50 pounds. Late.", 3, "It cost 3. 50 pounds."),
        ("Dr. Smith came late. He", 3, "Dr. Smith came late."),
    ],
)
def test_a_text_that_is_still_written_is_ended_with_the_nearest_sentence(text, words, shown):
    end = sentence_end_near(text, words)
    assert (None if end is None else text[:end]) == shown


def test_an_answer_of_an_engine_that_cannot_count_is_ended_and_its_request_dropped():
    closed = []

    async def answers():
        try:
            text = ""
            for piece in ["It", " rained", ".", " It", " was", " late", ".", " No", "body", " came", "."]:
                text += piece
                yield Answer(text)
        finally:
            closed.append(True)

    async def collect(words: int) -> list[Answer]:
        return [Answer(a.text, end=a.end) async for a in end_near(answers(), words)]

    *before, last = asyncio.run(collect(5))
    assert (last.text, last.end) == ("It rained. It was late.", "stop") and closed == [True]
    assert all(last.text.startswith(a.text) and not a.end for a in before)
    assert asyncio.run(collect(50))[-1] == Answer("It rained. It was late. Nobody came.")


def test_a_list_without_sentences_ends_with_a_line():
    assert not WordTarget(Vocabulary(), 20).is_complete([WORD] * 25 + [NEWLINE])
    assert WordTarget(Vocabulary(), 20).is_complete([WORD] * 26 + [NEWLINE])


def test_the_point_of_a_number_or_an_abbreviation_ends_nothing():
    assert len(allowed(WordTarget(Vocabulary(), 20), [WORD] * 21 + [DIGIT, STOP])) == len(PIECES)
    assert len(allowed(WordTarget(Vocabulary(), 20), [WORD] * 21 + [DOCTOR, STOP])) == len(PIECES)
    assert not ends_sentence("It costs 3.")
    assert ends_sentence("It costs three.")
