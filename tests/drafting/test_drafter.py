"""The search over a writer that says what a test puts into its mouth, and the receipt."""

import hashlib

import pytest

from blogtwin.drafting.candidates import Candidate, Request, write_in_turn
from blogtwin.drafting.drafter import MAX_LINE_CHARS, Drafter, DraftStopped, as_sentence, first_words, split_line
from blogtwin.drafting.receipt import MAX_PER_ROUND, MIN_PER_ROUND, candidates_for, make_receipt

TITLE = "The new rope"
LINES = ["rope 22 mm, cost 118 pounds", "Denzil said too thick", "old rope lasted 9 years"]
NOTES = "\n".join(LINES)
TELLING = {
    LINES[0]: "The new rope is 22 mm thick and cost me 118 pounds.",
    LINES[1]: "It was Denzil who said that it is too thick.",
    LINES[2]: "My old rope, I would add, lasted for 9 years.",
}


class Scripted:
    """A `Writer` that answers by `say(request)`, a list of sentences, and keeps what it was asked."""

    has_fence = True

    def __init__(self, say, name="scripted"):
        self.say, self.asked, self.name = say, [], name
        self.candidates = self.written_tokens = 0
        self.reached = []
        self.compared = []

    def write(self, request: Request) -> list[Candidate]:
        self.asked.append(request)
        sentences = self.say(request)
        self.candidates += request.count
        self.written_tokens += 10 * len(sentences)
        return [Candidate(sentence, -1.0, 10) for sentence in sentences]

    def write_rounds(self, requests, take, enough) -> None:
        write_in_turn(self.write, requests, take, enough)

    def prose_log_likelihoods(self, before, texts):
        self.compared.append((before, texts))
        return [-1.0 if "which" in text else -3.0 for text in texts]


def first_line(request: Request) -> str:
    """The line that a request is for: the first after the title among those it may tell."""
    return request.licensed.split("\n")[1]


def telling(request: Request) -> list[str]:
    return [TELLING[first_line(request)]] if first_line(request) in TELLING else []


def nothing(request: Request) -> list[str]:
    return []


def draft(say, notes=NOTES, **settings):
    writer = Scripted(say)
    drafter = Drafter(writer, TITLE, notes, settings.pop("seed", 1), settings.pop("per_round", 4), **settings)
    paragraphs = list(drafter.paragraphs())
    return drafter, paragraphs, [sentence for paragraph in paragraphs for sentence in paragraph.sentences]


def test_a_line_is_told_in_the_models_words_and_in_the_writers_order():
    drafter, paragraphs, sentences = draft(telling)
    assert [s.text for s in sentences] == list(TELLING.values()) and len(paragraphs) == 1
    assert [(s.status, s.lines) for s in sentences] == [("supported", (n,)) for n in range(3)]
    assert drafter.text == paragraphs[0].text == " ".join(TELLING.values())
    assert drafter.rounds == 3 and drafter.rejected == {}  # an accepted sentence ends its search


def test_of_sentences_that_tell_alike_the_likelier_prose_stands_and_is_judged_where_it_would_stand():
    def two(request):
        return [
            t := telling(request)[0],
            t.replace(", I would add, ", " is one which ").replace("It was", "It was, which"),
        ]

    drafter, _, sentences = draft(two, f"{LINES[0]}\n\n{LINES[2]}\n{LINES[1]}")
    rope, old, thick = (s.text for s in sentences)
    assert "which" in old and "which" in thick
    assert [before for before, _ in drafter.writer.compared[-2:]] == [f"{rope}\n\n", f"{rope}\n\n{old} "]


def test_where_the_model_tells_nothing_the_writers_own_words_stand_marked():
    drafter, _, sentences = draft(nothing)
    assert [s.status for s in sentences] == ["own_words"] * 3
    assert [s.text for s in sentences] == [as_sentence(line) for line in LINES]
    assert sentences[0].text == "Rope 22 mm, cost 118 pounds."
    assert drafter.rounds == 4 * 5  # three lines, and the two halves of the first one


def test_one_line_that_is_not_told_leaves_the_others_to_the_model():
    _, _, sentences = draft(lambda r: [] if "Denzil" in first_line(r) else telling(r))
    assert [s.status for s in sentences] == ["supported", "own_words", "supported"]


def test_a_missing_line_is_asked_for_again_hotter_then_with_its_own_first_words_then_alone():
    drafter, _, _ = draft(nothing, notes="\n".join(LINES[:2]))
    first = drafter.writer.asked[:4]
    assert [r.prefix for r in first] == ["", "", "Rope 22", "Rope"]
    assert first[0].temperature < first[1].temperature and first[0].lines == first[1].lines == tuple(LINES[:2])
    assert first[2].lines == (LINES[0],)
    assert len({r.seed for r in drafter.writer.asked}) == 4 * 4
    spans = [range(r.seed, r.seed + r.count) for r in drafter.writer.asked]
    assert not any(set(a) & set(b) for n, a in enumerate(spans) for b in spans[n + 1 :])


def test_a_search_goes_on_until_a_round_has_a_sentence_that_tells_the_line():
    drafter, _, sentences = draft(lambda r: [TELLING[LINES[0]]] if r.prefix else [], notes=LINES[0])
    assert drafter.rounds == 3 and sentences[0].status == "supported"


def test_what_is_asked_for_may_tell_the_title_and_the_next_two_lines_and_wants_their_words():
    drafter, _, _ = draft(telling)
    asked = drafter.writer.asked
    assert asked[0].licensed == "\n".join([TITLE, *LINES[:2]]) and asked[2].licensed == f"{TITLE}\n{LINES[2]}"
    assert {"rope", "cost", "pounds"} <= asked[0].wanted and "mm" not in asked[0].wanted
    assert [r.before for r in asked] == ["", TELLING[LINES[0]], " ".join(list(TELLING.values())[:2])]


def test_a_rejected_sentence_is_counted_with_its_reason_and_never_taken():
    def say(request):
        return ["The rope is 22 mm, cost 118 pounds and holds 77 boats.", "Too short.", *telling(request)]

    drafter, _, sentences = draft(say, notes=LINES[0])
    assert drafter.rejected == {"unsupported fact": 1, "length": 1}
    assert [s.text for s in sentences] == [TELLING[LINES[0]]] and sentences[0].alternatives == ()


def test_the_best_is_taken_and_others_that_tell_the_line_are_offered():
    other = "The rope cost 118 pounds and it is 22 mm thick."
    poor = "The rope cost 118 pounds; it is 22 mm, while gulls wheel above harbour walls at dusk in rain."
    _, _, sentences = draft(lambda r: [poor, TELLING[LINES[0]], other], notes=LINES[0])
    assert {sentences[0].text, *sentences[0].alternatives} == {TELLING[LINES[0]], other}


def test_a_sentence_may_tell_two_lines_and_is_the_only_one_for_both():
    both = "The rope is 22 mm, cost me 118 pounds and Denzil said it was too thick."
    drafter, paragraphs, sentences = draft(lambda r: [both] if "Denzil" in r.licensed else telling(r))
    assert sentences[0].lines == (0, 1) and [s.lines for s in sentences] == [(0, 1), (2,)]
    assert [line.sentence for line in make_receipt(drafter, paragraphs, "m").lines] == [0, 0, 1]


def test_a_sentence_that_denies_what_the_line_says_is_never_taken():
    denied, plain = "It was never Denzil who said it is too thick.", "It was Denzil, with others, who said too thick."
    _, _, sentences = draft(lambda r: [denied], notes=LINES[1])
    assert sentences[0].status == "own_words"
    _, _, sentences = draft(lambda r: [denied, plain], notes=LINES[1])
    assert sentences[0].text == plain


def test_a_denial_of_the_second_line_may_stand_in_a_sentence_that_tells_both():
    notes = "rope cost 118 pounds\nDenzil never liked it"
    both = "The rope cost me 118 pounds and Denzil never liked it."
    _, _, sentences = draft(lambda r: [both], notes=notes)
    assert [(s.text, s.lines) for s in sentences] == [(both, (0, 1))]


def test_a_line_that_no_sentence_tells_is_told_in_halves():
    told = {"rope 22 mm": "The new rope is 22 mm thick.", "cost 118 pounds": "It cost me 118 pounds in all."}

    def say(request):
        return [told[first_line(request)]] if first_line(request) in told else []

    drafter, paragraphs, sentences = draft(say, notes=LINES[0])
    assert [(s.text, s.status, s.lines) for s in sentences] == [(t, "supported", (0,)) for t in told.values()]
    del told["cost 118 pounds"]
    drafter, paragraphs, sentences = draft(say, notes=LINES[0])
    assert [(s.text, s.status) for s in sentences][1] == ("Cost 118 pounds.", "own_words")
    assert make_receipt(drafter, paragraphs, "m").lines[0].status == "own_words"


@pytest.mark.parametrize(
    ("line", "halves"),
    [
        ("rope 22 mm, 40 m, cost 118 pounds", ["rope 22 mm", "40 m, cost 118 pounds"]),
        ("clock: went tick - never tock", ["clock: went tick", "never tock"]),
        ("cost 1,180 pounds", []),
        ("no, not now", []),
    ],
)
def test_a_line_is_divided_near_its_middle(line, halves):
    assert split_line(line) == halves


def test_a_sentence_that_says_much_more_than_its_line_is_marked_unsupported():
    foreign = "Denzil said something thick about gulls, harbours, quiet evenings, lanterns, soup and winter."
    _, _, sentences = draft(lambda r: [foreign], notes=LINES[1])
    assert sentences[0].status == "unsupported"


def test_a_sentence_without_a_fact_of_the_line_does_not_stand_for_it():
    _, _, sentences = draft(lambda r: ["The rope cost me 118 pounds and is thick."], notes=LINES[0])
    assert sentences[0].status == "own_words"


def test_headings_pictures_and_code_stand_between_the_paragraphs_unchanged():
    code = "```\nx = 1\n```"
    notes = f"## Buying it\n{LINES[0]}\n![the rope](rope.jpg)\n{LINES[1]}\n{code}"
    drafter, paragraphs, sentences = draft(telling, notes=notes)
    assert [s.status for s in sentences] == ["heading", "supported", "verbatim", "supported", "verbatim"]
    assert [p.text for p in paragraphs] == [
        "## Buying it",
        TELLING[LINES[0]],
        "![the rope](rope.jpg)",
        TELLING[LINES[1]],
        code,
    ]
    assert drafter.text == "\n\n".join(p.text for p in paragraphs)
    assert all("rope.jpg" not in r.licensed and "x = 1" not in r.licensed for r in drafter.writer.asked)


def test_a_line_that_no_sentence_can_hold_is_not_even_asked_for():
    long = "word " * (MAX_LINE_CHARS // 5 + 1)
    drafter, _, sentences = draft(nothing, notes=long)
    assert drafter.rounds == 0 and [s.status for s in sentences] == ["own_words"]


def test_a_line_that_stands_twice_in_the_notes_is_told_once_for_both():
    drafter, paragraphs, sentences = draft(telling, notes=f"{LINES[0]}\n{LINES[0]}")
    assert len(sentences) == 1
    assert [(r.status, r.sentence) for r in make_receipt(drafter, paragraphs, "m").lines] == [("told", 0)] * 2


class CopiedRope:
    def is_copied(self, text: str) -> bool:
        return "118" in text


def test_what_is_copied_from_a_post_is_not_taken():
    drafter, _, sentences = draft(telling, notes=LINES[0], checks=CopiedRope())
    assert sentences[0].status == "own_words" and drafter.rejected == {"copied from a post": 1}


def test_a_draft_nobody_wants_any_more_stops_before_its_next_round():
    writer = Scripted(nothing)
    drafter = Drafter(writer, TITLE, "\n".join(LINES), 1, 4, should_stop=lambda: len(writer.asked) == 2)
    with pytest.raises(DraftStopped):
        list(drafter.paragraphs())
    assert len(writer.asked) == 2


def test_paragraphs_come_as_they_are_written():
    drafter = Drafter(Scripted(telling), TITLE, "\n\n".join(LINES), 1, 4)
    coming = drafter.paragraphs()
    assert next(coming).text == TELLING[LINES[0]] and len(drafter.writer.asked) == 1
    assert next(coming).text == TELLING[LINES[1]] and len(drafter.writer.asked) == 2


def by_seed(request: Request) -> list[str]:
    """A writer whose words depend on nothing but the request, as a model's do."""
    digest = hashlib.sha256(repr((request.seed, request.before, request.lines)).encode()).digest()
    sentence = TELLING[first_line(request)]
    return [f"{'So' if digest[0] % 2 else 'Well'}, {sentence[0].lower()}{sentence[1:]}"]


def test_the_same_seed_asks_the_same_and_gives_the_same_text():
    one, other = draft(by_seed)[0], draft(by_seed)[0]
    assert one.text == other.text and one.writer.asked == other.writer.asked
    assert len({draft(by_seed, seed=seed)[0].text for seed in range(1, 9)}) > 1


# --- the receipt ---


def test_every_line_of_the_notes_is_in_the_receipt_with_what_became_of_it():
    notes = f"# Buying it\n{LINES[0]}\n{LINES[1]}\n![p](p.jpg)\n{LINES[2]}"
    drafter, paragraphs, sentences = draft(lambda r: [] if "Denzil" in first_line(r) else telling(r), notes=notes)
    receipt = make_receipt(drafter, paragraphs, "digest")
    assert [(line.text, line.status) for line in receipt.lines] == [
        ("Buying it", "heading"),
        (LINES[0], "told"),
        (LINES[1], "own_words"),
        ("![p](p.jpg)", "verbatim"),
        (LINES[2], "told"),
    ]
    assert [line.number for line in receipt.lines] == [0, 1, 2, 3, 4]
    for line in receipt.lines:
        assert line.number in sentences[line.sentence].lines


def test_the_receipt_keeps_marks_of_what_is_not_right():
    foreign = "Denzil said something thick about gulls, harbours, quiet evenings, lanterns, soup and winter."
    drafter, paragraphs, _ = draft(lambda r: [foreign], notes=LINES[1])
    assert [line.status for line in make_receipt(drafter, paragraphs, "m").lines] == ["unsupported"]


def test_the_receipt_says_how_to_make_the_same_text_again():
    drafter, paragraphs, _ = draft(telling, seed=7, per_round=5)
    receipt = make_receipt(drafter, paragraphs, "digest").to_dict()
    source = "\n".join([TITLE, *LINES])
    assert receipt["notes_sha256"] == hashlib.sha256(source.encode()).hexdigest()
    assert (receipt["model"], receipt["seed"], receipt["candidates_per_round"]) == ("digest", 7, 5)
    assert (receipt["rounds"], receipt["candidates"], receipt["tokens"]) == (3, 15, 30)
    assert receipt["rejected"] == {} and receipt["seconds"] >= 0 and receipt["lines"][0]["status"] == "told"


def test_a_time_budget_becomes_candidates_within_bounds():
    assert candidates_for(0.1, 10, 100) == MIN_PER_ROUND and candidates_for(600, 4, 1000) == MAX_PER_ROUND
    between = [candidates_for(seconds, 12, 130) for seconds in (10, 20, 30, 40)]
    assert between == sorted(between) and MIN_PER_ROUND < between[2] < MAX_PER_ROUND
    assert candidates_for(30, 6, 200) >= candidates_for(30, 12, 200)
    assert candidates_for(30, 0, 200) == MAX_PER_ROUND  # notes without a line


def test_first_words_and_lines_as_sentences():
    assert first_words("rope: 22 mm", 1) == "Rope" and first_words("rope, new", 2) == "Rope, new"
    assert as_sentence("did it work?") == "Did it work?" and as_sentence(" it broke ") == "It broke."


GERMAN = ["Seil 22 mm, 40 m, kostete 118 Pfund", "Denzil sagte zu dick", "altes Seil hielt lange Jahre"]


def test_of_notes_in_another_language_digits_are_checked_words_for_numbers_are_not_and_the_receipt_says_so():
    digits, words = "Das alte Seil hielt 9 lange Jahre.", "Das alte Seil hielt neun lange Jahre."
    drafter, paragraphs, sentences = draft(lambda r: [digits, words], notes="\n".join(GERMAN))
    assert digits not in [s.text for s in sentences] and drafter.rejected["unsupported fact"] > 0
    assert sentences[-1].text == words
    receipt = make_receipt(drafter, paragraphs, "m")
    assert (receipt.language, receipt.number_words_checked) == ("de", False)


def test_english_notes_and_notes_too_short_to_tell_are_checked_for_words_too():
    for notes, language in ((NOTES, "en"), ("rope 22 mm", "")):
        drafter, paragraphs, _ = draft(telling if notes == NOTES else nothing, notes=notes)
        receipt = make_receipt(drafter, paragraphs, "m")
        assert (receipt.language, receipt.number_words_checked) == (language, True)
