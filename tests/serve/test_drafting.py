"""A draft from notes by the real server: every line accounted for, nothing made up, cancelled when nobody wants it."""

import time

import pytest

from blogtwin.text.facts import unsupported_facts
from tests.support.long_draft import cancel_long_draft
from tests.support.server_process import events

pytestmark = [pytest.mark.slow, pytest.mark.model]
TITLE = "The new rope"
PICTURE, LINK, CODE = "![the rope](rope.jpg)", "https://example.org/ropes?a=1", "```\nlength = 40\n\n  # metres\n```"
NOTES = f"rope 22 mm, cost 118 pounds\nDenzil said too thick\n{PICTURE}\n{CODE}\n{LINK}\n- took 3 hours to fit"
TO_TELL = ["rope 22 mm, cost 118 pounds", "Denzil said too thick", "took 3 hours to fit"]
ASKED = {"title": TITLE, "notes": NOTES, "model": "base", "seed": 3, "candidates": 2}
PLACED = ("verbatim", "heading", "own_words")
SECONDS_TO_STOP = 60  # a round of candidates on a busy machine; the search that is stopped would take many times that


def drafted(server, **changes) -> list[tuple[str, dict]]:
    with server.http.stream("POST", "/api/draft", json={**ASKED, **changes}, timeout=400) as answer:
        assert answer.status_code == 200, answer.read()
        return events(answer.iter_lines())


@pytest.fixture(scope="module")
def found(server):
    return drafted(server)


@pytest.fixture(scope="module")
def draft(found):
    assert found[-1][0] == "draft", found[-1]
    return found[-1][1]


def sentences_of(draft) -> list[dict]:
    return [sentence for paragraph in draft["paragraphs"] for sentence in paragraph["sentences"]]


def test_a_draft_streams_its_outline_the_number_of_candidates_paragraphs_and_the_whole(found, draft):
    names = [name for name, _ in found]
    assert names[:2] == ["outline", "start"] and set(names[2:-1]) == {"paragraph"}
    assert found[0][1] == {"title": TITLE, "outline": []} and found[1][1]["candidates"] == 2
    assert [line["text"] for line in found[1][1]["lines"]] == [line["text"] for line in draft["receipt"]["lines"]]
    paragraphs = [data for name, data in found if name == "paragraph"]
    assert [p["number"] for p in paragraphs] == list(range(1, len(paragraphs) + 1))
    assert draft["paragraphs"] == paragraphs and draft["title"] == TITLE
    assert draft["text"] == "\n\n".join(p["text"] for p in paragraphs)


def test_every_line_is_in_the_receipt_and_where_it_says(draft):
    receipt, sentences = draft["receipt"], sentences_of(draft)
    lines = [line["text"] for line in receipt["lines"]]
    assert lines == [*TO_TELL[:2], PICTURE, CODE, LINK, TO_TELL[2]]
    for line in receipt["lines"]:
        assert line["number"] in sentences[line["sentence"]]["lines"]
        expected = {"told": "supported"}.get(line["status"], line["status"])
        assert expected in [s["status"] for s in sentences if line["number"] in s["lines"]]
    told = dict.fromkeys(number for s in sentences for number in s["lines"])  # two halves of a line have its number
    assert list(told) == sorted({line["number"] for line in receipt["lines"]})
    assert (receipt["seed"], receipt["candidates_per_round"], len(receipt["model"])) == (3, 2, 64)
    assert receipt["candidates"] == 2 * receipt["rounds"] > 0 and receipt["tokens"] > 0


def test_no_number_or_name_stands_in_a_draft_that_the_notes_do_not_hold(draft):
    source = f"{TITLE}\n{NOTES}"
    for sentence in sentences_of(draft):
        for text in (sentence["text"], *sentence["alternatives"]):
            assert not unsupported_facts(source, text), text


def test_pictures_code_and_links_are_placed_letter_by_letter(draft):
    placed = [s["text"] for s in sentences_of(draft) if s["status"] == "verbatim"]
    assert placed == [PICTURE, CODE, LINK] and all(text in draft["text"] for text in placed)


def test_the_writers_own_words_are_the_lines_as_they_are(draft):
    for sentence in sentences_of(draft):
        if sentence["status"] == "own_words":
            assert sentence["text"].rstrip(".").lower() in [line.lower() for line in TO_TELL]


def test_only_an_outline_is_the_writers_own_headings_at_once(server):
    notes = "# Buying it\nrope 22 mm\n## Fitting it\ntook 3 hours"
    started = time.monotonic()
    assert drafted(server, notes=notes, only_outline=True) == [
        ("outline", {"title": TITLE, "outline": ["Buying it", "Fitting it"]})
    ]
    assert drafted(server, only_outline=True)[0][1]["outline"] == []  # none is made up
    assert drafted(server, only_outline=True, outline=["Mine"])[0][1]["outline"] == ["Mine"]
    assert time.monotonic() - started < 5


def test_the_writers_outline_is_kept_and_no_heading_is_made_up(server):
    found = drafted(server, notes="rope cost 118 pounds\nDenzil said too thick", outline=["Buying it", "What he said"])
    draft = found[-1][1]
    headings = [line for line in draft["text"].split("\n") if line.startswith("#")]
    assert headings == ["## Buying it", "## What he said"]
    sections = [data for name, data in found if name == "section"]
    assert sections == [{"number": 1, "heading": "Buying it"}, {"number": 2, "heading": "What he said"}]
    statuses = [line["status"] for line in draft["receipt"]["lines"]]
    assert [status == "heading" for status in statuses] == [True, False, True, False]


def test_two_models_write_and_each_sentence_says_which(server):
    draft = drafted(server, notes=TO_TELL[0] + "\n" + TO_TELL[2], model="finetuned", content_model="base")[-1][1]
    receipt = draft["receipt"]
    assert receipt["fence"] and receipt["content"]["fence"] and receipt["content"]["name"] == "base"
    assert receipt["content"]["candidates"] == 2 * receipt["content"]["rounds"] > 0
    assert receipt["model"] != receipt["content"]["model"] and len(receipt["content"]["model"]) == 64
    for sentence in sentences_of(draft):
        by_status = {"content": "base", "own_words": None, "supported": "finetuned"}
        assert sentence["written_by"] == by_status[sentence["status"]], sentence
        assert not unsupported_facts(f"{TITLE}\n{NOTES}", sentence["text"])
    again = drafted(server, notes=TO_TELL[0] + "\n" + TO_TELL[2], model="finetuned", content_model="base")[-1][1]
    assert again["text"] == draft["text"]


def test_an_unknown_content_model_is_a_404(server):
    answer = server.http.post("/api/draft", json={**ASKED, "content_model": "nobody"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "unknown_model")


def test_a_draft_that_is_cancelled_stops_the_search_and_the_next_one_is_the_same_as_ever(server, draft):
    """Same notes, seed and candidates, same text: also right after another draft was cut off."""
    cancel_long_draft(server, ASKED, "cancel-a-draft", 120, SECONDS_TO_STOP)
    began = time.monotonic()
    again = drafted(server)
    assert time.monotonic() - began < SECONDS_TO_STOP + draft["receipt"]["seconds"] * 4
    assert again[1][0] == "start" and again[1][1]["candidates"] == 2
    assert again[-1][1]["text"] == draft["text"] and again[-1][1]["paragraphs"] == draft["paragraphs"]


def test_write_with_notes_is_searched_and_checked_as_a_draft_is(server):
    notes = "rope cost 118 pounds\nDenzil said too thick"
    asked = {"prompt": TITLE, "input": f"{notes}\n\n## Buying it", "task": "write", "model": "base", "seed": 3}
    with server.http.stream("POST", "/api/generate", json={**asked, "stream": True}, timeout=400) as answer:
        found = events(answer.iter_lines())
    assert [name for name, _ in found] == ["start", "delta", "written"]
    written = found[-1][1]
    assert written["text"] == found[1][1]["text"] and (written["model"], written["finish_reason"]) == ("base", "stop")
    assert "118" in written["text"] and "Buying it" not in written["text"]
    assert not unsupported_facts(f"{TITLE}\n{notes}", written["text"])
    assert 0 < written["time_to_first_token"] <= written["seconds"] and written["tokens"] > 0
