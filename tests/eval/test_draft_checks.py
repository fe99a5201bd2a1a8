"""The judge of drafts, judged: each kind of error by itself is noticed, and the authors' own passages raise no alarm.

The passages of the sample are in the project. Those of other blogs need their posts (BLOGTWIN_BLOGS), and are left out
without them.
"""

import os
import random
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from blogtwin.text.sentences import split_sentences
from eval import corruptions
from eval.draft_checks import DraftChecks, check_draft, foreign_weight, read_out_share, supporting_stems
from eval.note_keys import split_words
from eval.note_sets import SAMPLE, NoteSet, find_post, list_set_files, read_paragraphs
from eval.word_order import shipped_word_order

pytestmark = pytest.mark.slow  # reads the posts, and checks some hundred texts
BLOGS_VARIABLE = "BLOGTWIN_BLOGS"  # a folder with a folder of posts for each blog but the sample
BLOGS = sorted({path.parent.name for path in list_set_files()})
MIN_NOTICED, MAX_ALARMS = 0.8, 0.1
FOREIGN_PER_SET = 5
MIN_FOREIGN_WORDS, MAX_FOREIGN_WORDS = 8, 40


@dataclass(frozen=True)
class Passage:
    """An author's own passage, and sentences of his other posts."""

    blog: str
    name: str
    note_set: NoteSet
    sentences: list[str]
    foreign: list[str]

    def check(self, sentences: list[str]) -> DraftChecks:
        return check_draft(self.note_set, sentences, shipped_word_order(self.blog))


def blogs_folder() -> Path | None:
    folder = os.environ.get(BLOGS_VARIABLE)
    return Path(folder) if folder else None


@cache
def passages(split: str, with_others: bool) -> list[Passage]:
    """The passages of a split; with those of other blogs whose posts are here."""
    found = []
    for blog in BLOGS if with_others else [SAMPLE]:
        sets = {path.stem: NoteSet.from_file(path) for path in list_set_files(blog)}
        posts = {one.post: find_post(one, blog, blogs_folder()) for one in sets.values()}
        texts = {name: read_paragraphs(path) for name, path in posts.items() if path}
        for name, one in sets.items():
            if one.split != split or one.post not in texts:
                continue
            first, last = one.passage
            own = split_sentences("\n\n".join(texts[one.post][first : last + 1]))
            others = [s for post in sorted(texts) if post != one.post for s in prose_sentences(texts[post])]
            foreign = random.Random(name).sample(others, FOREIGN_PER_SET)
            found.append(Passage(blog, name, one, own, foreign))
    return found


def prose_sentences(paragraphs: list[str]) -> list[str]:
    """Sentences of some length, without code and links."""
    sentences = split_sentences("\n\n".join(paragraphs))
    sentences = [s for s in sentences if not any(mark in s for mark in ("`", "|", "http", "]("))]
    return [s for s in sentences if MIN_FOREIGN_WORDS <= len(s.split()) <= MAX_FOREIGN_WORDS]


def spoilt(passage: Passage) -> list[tuple[str, list[str] | None]]:
    """(kind of alarm that is due, sentences) of every corruption of a passage."""
    note_set, own, name = passage.note_set, passage.sentences, passage.name
    return [
        ("misplaced", corruptions.swap_numbers(note_set, own, name)),
        ("undenied", corruptions.flip_denial(note_set, own, name)),
        ("disordered", corruptions.shuffle_words(own, name)),
        ("read_out", corruptions.read_notes_out(note_set)),
        *(("foreign", corruptions.insert_sentence(own, s, f"{name}{n}")) for n, s in enumerate(passage.foreign)),
    ]


@cache
def notice_rates(split: str, with_others: bool) -> dict[str, tuple[int, int]]:
    """{kind: (noticed, of)}; “alarms”: of the authors' own passages, those that raise any alarm."""
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for passage in passages(split, with_others):
        total["alarms"] += 1
        right["alarms"] += bool(passage.check(passage.sentences).alarms)
        for kind, sentences in spoilt(passage):
            if sentences is not None:
                total[kind] += 1
                right[kind] += kind in passage.check(sentences).alarms
    return {kind: (right[kind], total[kind]) for kind in total}


@pytest.fixture(params=[False, True], ids=["sample", "all_blogs"])
def with_others(request) -> bool:
    if request.param and blogs_folder() is None:
        pytest.skip(f"the posts of {', '.join(b for b in BLOGS if b != SAMPLE)} are not here: set {BLOGS_VARIABLE}")
    return request.param


@pytest.mark.parametrize("kind", ["misplaced", "undenied", "disordered", "read_out", "foreign"])
def test_each_kind_of_error_by_itself_is_noticed(kind, with_others):
    noticed, total = notice_rates("test", with_others)[kind]
    assert total >= 20
    assert noticed / total >= MIN_NOTICED, f"{kind}: {noticed} of {total}"


def test_the_authors_own_passages_raise_no_alarm(with_others):
    raised, total = notice_rates("test", with_others)["alarms"]
    assert total >= 26
    assert raised / total <= MAX_ALARMS, f"{raised} of {total}"


def test_a_shuffled_passage_is_told_from_every_passage_in_order():
    order = shipped_word_order()
    own = [order.mean_gain(p.sentences) for p in passages("test", False)]
    shuffled = [order.mean_gain(corruptions.shuffle_words(p.sentences, p.name)) for p in passages("test", False)]
    assert min(own) > max(shuffled)


# --- the checks on sentences whose answers are known ---


@pytest.fixture(scope="module")
def rope() -> NoteSet:
    from tests.eval.test_drafting import ROPE

    return ROPE


@pytest.mark.parametrize(
    "sentence, foreign",
    [
        ("Denzil said it was too thick.", False),
        ("I did not look.", False),  # nothing is said that could be foreign
        ("Gulls wheel above the quiet harbour, and nobody remembers why.", True),
        ("The rope is 22 mm thick, and gulls wheel above it.", False),
    ],
)
def test_a_sentence_is_foreign_where_most_of_it_has_no_support(rope, sentence, foreign):
    from eval.draft_checks import FOREIGN_WEIGHT

    assert (foreign_weight(rope, supporting_stems(rope), sentence) >= FOREIGN_WEIGHT) is foreign


@pytest.mark.parametrize(
    "sentence, share",
    [
        ("Rope 22 mm, cost 118 pounds.", 1.0),
        ("Rope 22 mm, cost me £118.", 6 / 7),
        ("The rope is 22 mm thick and cost 118 pounds.", 0.6),
        ("Rope 22 mm.", 0.0),  # three words: too few to tell
    ],
)
def test_how_much_of_a_sentence_is_a_line_of_the_notes(rope, sentence, share):
    lines = [split_words(line.line) for line in rope.notes]
    assert read_out_share(lines, sentence) == pytest.approx(share)


def test_numbers_of_a_sentence_change_places_and_nothing_else_does(rope):
    own = ["The rope is 22 mm thick.", "It cost 118 pounds.", "There were 7 gulls."]
    assert corruptions.swap_numbers(rope, own, "a") == ["The rope is 118 mm thick.", "It cost 22 pounds.", own[2]]
    assert corruptions.swap_numbers(rope, own[:1], "a") is None


def test_a_denial_is_flipped_where_a_line_denies(rope):
    own = ["Denzil did not come.", "The pump didn't need any oil."]
    assert corruptions.flip_denial(rope, own, "a") == [own[0], "The pump did need any oil."]
    assert corruptions.flip_denial(rope, own[:1], "a") is None
