"""Another sentence for the same lines, by the real server; and the choice between two, from the API to the file that
training reads."""

import pytest

from blogtwin.models import chat, registry
from blogtwin.text.facts import unsupported_facts
from eval.drafting import notes_example
from serve import database
from tests.support.api_client import client

TITLE, NOTES = "The new rope", "# Buying it\nrope 22 mm, cost 118 pounds\nDenzil said too thick\n![rope](rope.jpg)"
PLACE = {"title": TITLE, "notes": NOTES, "lines": [2], "model": "base", "seed": 3, "candidates": 4}
CHOICE = {
    "title": TITLE,
    "notes": NOTES,
    "lines": [2],
    "before": "The rope is 22 mm and cost 118 pounds.",
    "chosen": "Denzil said that it was too thick.",
    "rejected": "It was too thick, Denzil said.",
}


@pytest.fixture
def http(served, tmp_path, monkeypatch):
    """The application on the workspace, without its models."""
    monkeypatch.chdir(served)
    return client(tmp_path)


@pytest.mark.slow
@pytest.mark.model
def test_other_sentences_tell_the_same_line_and_nothing_that_the_notes_do_not_say(server):
    text = "Denzil said that it was too thick."
    before = "The rope is 22 mm thick and cost 118 pounds."
    asked = {**PLACE, "paragraph": before, "text": text}
    found = server.http.post("/api/draft/sentence", json=asked, timeout=300).json()
    assert len(found["sentences"]) <= 3 and bool(found["reason"]) is not bool(found["sentences"])
    for sentence in found["sentences"]:
        assert sentence["lines"] == [2] and sentence["text"] != text and "Denzil" in sentence["text"]
        assert not unsupported_facts(f"{TITLE}\n{NOTES}", sentence["text"])
    assert server.http.post("/api/draft/sentence", json=asked, timeout=300).json() == found


@pytest.mark.slow
@pytest.mark.model
@pytest.mark.parametrize("line", [0, 3])
def test_a_heading_or_a_picture_has_no_other_sentence(server, line):
    found = server.http.post("/api/draft/sentence", json={**PLACE, "lines": [line]}, timeout=300).json()
    assert found == {"sentences": [], "reason": "This is placed as it stands in the notes."}


@pytest.mark.parametrize("path", ["sentence", "choice"])
def test_a_number_that_no_line_has_is_refused(http, path):
    asked = {**PLACE, "lines": [4], "chosen": "One.", "rejected": "Two."}
    refused = http.post(f"/api/draft/{path}", json=asked)
    assert refused.status_code == 422 and "the notes have 4 lines" in refused.json()["error"]["message"]


def test_a_choice_is_a_pair_that_training_reads_asked_as_the_search_asks(http, tmp_path):
    from train.preferences.dpo import load_votes

    assert http.post("/api/draft/choice", json=CHOICE).status_code == 200
    file = tmp_path / "votes.jsonl"
    file.write_text(http.get("/api/blind/pairs").text)
    tokenizer = registry.resolve_base("smollm2:135m").tokenizer()
    (row,) = load_votes(str(file), tokenizer, "You are Ann.")
    asked = notes_example(["rope 22 mm, cost 118 pounds", "Denzil said too thick"])
    assert row["prompt_ids"] == chat.encode_prompt(tokenizer, chat.prompt_messages(asked, "You are Ann."))
    texts = [tokenizer.decode(row[name], skip_special_tokens=True) for name in ("chosen_ids", "rejected_ids")]
    assert texts == [f"{CHOICE['before']} {CHOICE[name]}" for name in ("chosen", "rejected")]


def test_a_choice_that_is_taken_back_is_gone_and_only_its_owner_can(http, tmp_path):
    one, other = (http.post("/api/draft/choice", json=CHOICE).json()["id"] for _ in range(2))
    with http.app.state.serve.database.open() as db:
        assert not database.remove_choice(db, "somebody else", one)
    assert http.delete(f"/api/draft/choice/{one}").json() == {"removed": True}
    assert http.delete(f"/api/draft/choice/{one}").status_code == 404
    with http.app.state.serve.database.open() as db:
        assert [choice["id"] for choice in database.choices(db)] == [other]


def test_two_sentences_that_are_the_same_are_no_choice(http):
    refused = http.post("/api/draft/choice", json={**CHOICE, "rejected": CHOICE["chosen"]})
    assert refused.status_code == 422 and http.get("/api/blind/pairs").text == ""


def test_a_changed_sentence_is_marked_by_what_it_says_of_the_notes(http):
    asked = {"title": TITLE, "notes": NOTES}
    marks = {
        text: http.post("/api/draft/check", json={**asked, "text": text}).json()
        for text in ("Denzil said it is too thick.", "Denzil never said too thick.", "It cost 80 pounds.")
    }
    assert [m["status"] for m in marks.values()] == ["supported", "contradicts", "unsupported"]
    assert [m["lines"] for m in marks.values()] == [[2], [2], []]


@pytest.mark.slow
@pytest.mark.model
def test_the_same_text_seed_and_number_give_the_same_rewriting_and_a_budget_becomes_a_number(server):
    asked = {"text": "The ferry left at 9:30 with 40 people. It was late.", "model": "base", "seed": 5}
    once, again = (
        server.http.post("/api/rewrite", json={**asked, "candidates": 2}, timeout=300).json() for _ in range(2)
    )
    assert once["text"] == again["text"] and once["sentences"] == again["sentences"]
    assert once["receipt"]["candidates_per_round"] == 2 and len(once["receipt"]["lines"]) == 2
    little = server.http.post("/api/rewrite", json={**asked, "seconds": 0.1}, timeout=300).json()
    assert little["receipt"]["candidates_per_round"] == 4  # the fewest there are
