"""The labelled drafts are whole: every sentence has a label that is defined, and the texts are as they were agreed."""

from collections import Counter

import yaml

from blogtwin.paths import ROOT
from blogtwin.text.tokens import tokenise_words
from eval.note_sets import NoteSet, find_post, list_set_files, read_passage

DATA = ROOT / "tests/data/labelled_drafts"
LABELS = {"supported", "wrong_role", "invented", "contradicts", "nonsense"}


def load(name):
    return yaml.safe_load((DATA / name).read_text(encoding="utf-8"))


def test_every_sentence_has_one_label_that_is_defined():
    texts, labels = load("texts.yaml"), load("labels.yaml")
    assert [text["id"] for text in texts] == list(labels) == list(load("systems.yaml"))
    for text in texts:
        assert len(text["sentences"]) == len(labels[text["id"]]), text["id"]
    assert {label for own in labels.values() for label in own} == LABELS
    definitions = (DATA / "DEFINITIONS.md").read_text(encoding="utf-8")
    assert all(f"| `{label}` |" in definitions for label in LABELS)


def test_all_systems_are_among_the_60_texts():
    systems = Counter(load("systems.yaml").values())
    assert systems.total() == 60 and systems["author"] == 15 and len(systems) == 7 and min(systems.values()) >= 6


def test_texts_belong_to_sets_that_measure():
    sets = {file.stem: NoteSet.from_file(file) for file in list_set_files("sample")}
    assert {sets[text["notes"]].split for text in load("texts.yaml")} == {"test"}
    assert {sets[text["notes"]].split for text in load("fitting_texts.yaml")} == {"valid"}


def test_the_authors_texts_are_the_authors():
    systems = load("systems.yaml")
    sets = {file.stem: NoteSet.from_file(file) for file in list_set_files("sample")}
    for text in load("texts.yaml"):
        if systems[text["id"]] == "author":
            one = sets[text["notes"]]
            post = find_post(one, "sample", None)
            assert post is not None
            words = " ".join(tokenise_words(read_passage(post, *one.passage)))
            assert all(" ".join(tokenise_words(sentence)) in words for sentence in text["sentences"]), text["id"]


def test_no_sentence_of_the_author_is_called_nonsense():
    systems, labels = load("systems.yaml"), load("labels.yaml")
    assert not [name for name, system in systems.items() if system == "author" and "nonsense" in labels[name]]


ROWS = {
    "the author": "author",
    "the twin, searched": "twin_searched",
    "the twin, best of 8 drafts": "twin_best_of_8",
    "the twin, one draft": "twin_one",
    "the twin, title only": "twin_title",
    "the base, given the notes": "base_notes",
    "a Markov chain": "markov",
}
COLUMNS = ("supported", "invented", "wrong_role", "contradicts", "nonsense")


def test_the_table_in_the_docs_is_what_the_labels_say():
    systems, labels = load("systems.yaml"), load("labels.yaml")
    docs = (ROOT / "docs/evaluation.md").read_text(encoding="utf-8")
    for row, system in ROWS.items():
        texts = [labels[name] for name, one in systems.items() if one == system]
        counts = Counter(label for text in texts for label in text)
        shares = [f"{counts[label] / counts.total():.2f}" if counts[label] else "0" for label in COLUMNS]
        spoilt = sum("nonsense" in text for text in texts)
        cells = [row, str(len(texts)), *shares, f"{spoilt} of {len(texts)}"]
        assert f"| {' | '.join(cells)} |" in docs, cells
