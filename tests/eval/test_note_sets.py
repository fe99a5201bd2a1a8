"""Notes written by hand: the files are whole, and their keys hold for the author's own passage."""

import os
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import yaml

from blogtwin.files import sha256_file
from eval import note_keys
from eval.note_sets import (
    NOTES_DIR,
    SAMPLE,
    Denial,
    NoteFact,
    NoteSet,
    find_post,
    list_set_files,
    read_paragraphs,
    sha256_text,
)

pytestmark = pytest.mark.slow  # reads and cleans the posts of every set
BLOGS_VARIABLE = "BLOGTWIN_BLOGS"  # a folder with a folder of posts for each blog but the sample
MIN_ROLES_SHOWN = 0.9  # of the author's own facts with a role: he may name the thing a sentence earlier
SET_FILES = list_set_files()
BLOGS = sorted({path.parent.name for path in SET_FILES})


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


def available_post(path: Path, note_set: NoteSet) -> Path:
    """The post of a set; the test is skipped where it is not on this machine."""
    folder = os.environ.get(BLOGS_VARIABLE)
    post = find_post(note_set, path.parent.name, Path(folder) if folder else None)
    if post is None:
        where = f"{folder} has none of that name" if folder else f"set {BLOGS_VARIABLE} to the folder of the blogs"
        pytest.skip(f"the post {note_set.post} of {path.parent.name} is not here: {where}")
    return post


@pytest.mark.parametrize("path", SET_FILES, ids=name_of)
def test_a_set_holds_for_the_passage_it_was_made_of(path):
    note_set = NoteSet.from_file(path)
    post = available_post(path, note_set)
    assert sha256_file(post) == note_set.post_sha256
    paragraphs = read_paragraphs(post)
    first, last = note_set.passage
    passage = "\n\n".join(paragraphs[first : last + 1])
    assert sha256_text(passage) == note_set.passage_sha256
    assert note_keys.find_key_problems(note_set, passage, "\n\n".join(paragraphs)) == []


@pytest.mark.parametrize("blog", BLOGS)
def test_the_authors_passages_show_nearly_all_roles(blog):
    found = []
    for path in list_set_files(blog):
        note_set = NoteSet.from_file(path)
        first, last = note_set.passage
        passage = "\n\n".join(read_paragraphs(available_post(path, note_set))[first : last + 1])
        found += note_keys.roles(note_set, passage)
    missing = [fact.value[0] for fact, shown in found if not shown]
    assert len(missing) <= (1 - MIN_ROLES_SHOWN) * len(found), missing


@pytest.mark.parametrize("blog", BLOGS)
def test_passages_of_a_post_do_not_overlap_and_share_its_split(blog):
    by_post: dict[str, list[NoteSet]] = {}
    for path in list_set_files(blog):
        note_set = NoteSet.from_file(path)
        by_post.setdefault(note_set.post, []).append(note_set)
    for sets in by_post.values():
        assert len({note_set.split for note_set in sets}) == 1
        ranges = sorted(note_set.passage for note_set in sets)
        assert all(before[1] < after[0] for before, after in pairwise(ranges)), ranges


@pytest.mark.parametrize("path", SET_FILES, ids=name_of)
def test_each_line_tells_what_its_own_key_asks_for(path):
    """Whoever writes from a line can tell only what it says: a fact of the passage alone would be a trap."""
    problems = []
    for line in NoteSet.from_file(path).notes:
        read_out = f"{line.line[0].upper()}{line.line[1:]}."
        problems += [f"“{line.line}”: {f.value[0]}" for f in line.facts if not note_keys.is_told(f, read_out)]
        if line.denies and not all(note_keys.denials(line.denies, read_out) or [False]):
            problems.append(f"“{line.line}” does not deny {line.denies.about[0]}")
        problems += [f"“{line.line}” matches {p}" for p in note_keys.contradictions(line, read_out)]
    assert problems == []


def test_the_sample_has_sets_to_tune_and_to_measure_with_and_denials_in_both():
    sets = [NoteSet.from_file(path) for path in list_set_files(SAMPLE)]
    denying = Counter(note_set.split for note_set in sets for line in note_set.notes if line.denies)
    assert Counter(note_set.split for note_set in sets) == {"valid": 14, "test": 26}
    assert denying["valid"] >= 20 and denying["test"] >= 40


# --- the loader, and the keys on a text whose answers are known ---

ROPE = {
    "title": "The new rope",
    "post": "x.md",
    "post_sha256": "0" * 64,
    "passage_sha256": "0" * 64,
    "passage": [3, 5],
    "split": "valid",
    "notes": [
        {
            "line": "rope 22 mm, 40 m, cost 118 pounds",
            "facts": [
                {"value": ["22 mm", "22 millimetres"], "kind": "number", "of": ["rope", "thick"]},
                {"value": ["118 pounds"], "kind": "number", "of": ["cost", "paid"]},
            ],
        },
        {
            "line": "Denzil said too thick",
            "facts": [{"value": ["Denzil"], "kind": "name", "of": ["said", "told"]}],
            "contradicted_by": ["(?i)not too thick"],
        },
        {
            "line": "pump didn't need oil",
            "facts": [{"value": ["pump"], "kind": "term"}],
            "denies": {"about": ["oil"], "with": ["refused"]},
        },
        {"line": "fitted Tuesday 14 March", "facts": [{"value": ["14 March"], "kind": "date", "of": ["fitted"]}]},
    ],
}


def write_set(folder: Path, changes: dict) -> Path:
    path = folder / "01-rope.yaml"
    path.write_text(yaml.safe_dump({**ROPE, **changes}, allow_unicode=True), encoding="utf-8")
    return path


@pytest.fixture
def rope(tmp_path) -> NoteSet:
    return NoteSet.from_file(write_set(tmp_path, {}))


def test_a_set_is_read_from_its_file(rope):
    assert rope.passage == (3, 5) and rope.split == "valid"
    assert rope.notes[0].facts[0] == NoteFact(("22 mm", "22 millimetres"), "number", ("rope", "thick"))
    assert rope.notes[2].denies == Denial(about=("oil",), **{"with": ("refused",)})
    assert rope.as_text().splitlines()[1] == "Denzil said too thick"


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"split": "train"}, "split"),
        ({"passage": [5, 3]}, "no range of paragraphs"),
        ({"post_sha256": "abc"}, "post_sha256"),
        ({"autor": "x"}, "autor"),
        ({"notes": ROPE["notes"][:3]}, "notes"),
        ({"notes": [*ROPE["notes"], {"line": "two words", "facts": [{"value": ["x"], "kind": "term"}]}]}, "has 2"),
        ({"notes": [*ROPE["notes"], {"line": "no facts at all", "facts": []}]}, "facts"),
        ({"notes": [*ROPE["notes"], {**ROPE["notes"][0], "contradicted_by": ["("]}]}, "no regular expression"),
    ],
)
def test_a_wrong_set_is_refused_with_its_file(tmp_path, changes, words):
    with pytest.raises(ValueError, match=f"01-rope.yaml.*{words}"):
        NoteSet.from_file(write_set(tmp_path, changes))


RIGHT = (
    "The rope is twenty-two mm thick. It cost me £118. Denzil said so. The pump wants no oil. I fitted it on March 14."
)


def test_a_plain_rewording_tells_all_in_role(rope):
    assert note_keys.find_key_problems(rope, RIGHT, "") == ["the passage has 24 words, not 60 to 220"]
    assert all(shown for _, shown in note_keys.roles(rope, RIGHT))


@pytest.mark.parametrize(
    "before, after, problem",
    [
        ("twenty-two", "24", "does not tell 22 mm"),
        ("Denzil", "Pask", "does not tell Denzil"),
        ("March 14", "March 15", "does not tell 14 March"),
        ("wants no oil", "wants oil", "does not deny"),
        ("no oil", "no grease", "no sentence of the passage speaks of oil"),
        ("said so", "said it was not too thick", "matches contradicted_by"),
    ],
)
def test_what_a_key_misses_in_a_text_is_named(rope, before, after, problem):
    assert problem in str(note_keys.find_key_problems(rope, RIGHT.replace(before, after), ""))


def test_a_number_beside_another_thing_is_out_of_its_role(rope):
    swapped = RIGHT.replace("twenty-two mm thick", "118 pounds").replace("£118", "22 mm")
    assert [shown for fact, shown in note_keys.roles(rope, swapped) if fact.kind == "number"] == [False, False]


def test_five_words_in_a_row_of_the_post_are_a_copy():
    assert note_keys.copied_run("then denzil said too thick", "And then Denzil said: too thick!") == 5
    assert note_keys.copied_run("denzil said too thick", "And then Denzil said: too thick!") == 0


@pytest.mark.parametrize(
    "spelling, sentence, found",
    [
        ("3 hours", "It took three long hours.", True),
        ("3 hours", "It took 13 hours.", False),
        ("carried", "I carry it home.", True),
        ("took off", "I took the whole lid off.", False),  # three words between
        ("took off", "I took the lid off.", True),
        ("9th rung", "at the ninth rung", True),
        ("one pile", "That is 1 pile gone soft.", True),
        ("10 to 5", "at ten to five in the morning", True),
        ("£1,340", "It was 1340 pounds.", True),
    ],
)
def test_spellings_are_found_by_stem_and_value(spelling, sentence, found):
    assert note_keys.stands(spelling, note_keys.split_words(sentence)) is found


def test_a_name_needs_its_capital():
    fact = NoteFact(("Kit",), "name")
    assert note_keys.tells(fact, "Then Kit came.") and not note_keys.tells(fact, "The kit came.")


def test_every_file_among_the_notes_is_a_set():
    assert {p.relative_to(NOTES_DIR).parts[0] for p in NOTES_DIR.rglob("*") if p.is_file()} <= {SAMPLE, *BLOGS}
    assert {p.suffix for p in NOTES_DIR.rglob("*") if p.is_file()} <= {".yaml"}
