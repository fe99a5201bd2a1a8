"""How much room a draft takes: one sentence for two lines, or one more that states nothing."""

from tests.drafting.test_drafter import LINES, TELLING, draft, nothing, telling

ADDED = "The rope is thick, and the rope is new."
BOTH = "The rope is 22 mm, cost me 118 pounds and Denzil said it was too thick."


def adds(*sentences: str):
    """A writer that tells each line, and says these where it may tell none."""
    return lambda request: telling(request) if request.licensed else list(sentences)


def test_a_roomy_draft_has_one_more_sentence_in_a_paragraph_marked_as_unsupported():
    drafter, paragraphs, sentences = draft(adds(ADDED), notes=f"{LINES[0]}\n\n{LINES[1]}", room="roomy")
    # Said once, it is not said again.
    assert [[s.text for s in p.sentences] for p in paragraphs] == [[TELLING[LINES[0]], ADDED], [TELLING[LINES[1]]]]
    assert (sentences[1].status, sentences[1].lines) == ("unsupported", ())
    assert drafter.text == f"{TELLING[LINES[0]]} {ADDED}\n\n{TELLING[LINES[1]]}"


def test_own_and_tight_drafts_tell_the_lines_and_nothing_more():
    for room in ("own", "tight"):
        drafter, _, sentences = draft(adds(ADDED), notes=LINES[0], room=room)
        assert [s.text for s in sentences] == [TELLING[LINES[0]]]
        assert all(request.licensed for request in drafter.writer.asked)


def test_what_is_added_states_no_number_no_name_and_no_denial_and_speaks_of_what_the_notes_speak_of():
    wrong = (
        "The rope is 22 mm thick, and the rope is new.",
        "The rope is thick, and Wenna has the new rope.",
        "The rope is not thick, and the rope is new.",
        "Gulls wheel above harbour walls at dusk over a thick rope.",
    )
    for sentence in wrong:
        assert draft(adds(sentence), notes=LINES[0], room="roomy")[2][1:] == [], sentence
    assert [s.text for s in draft(adds(*wrong, ADDED), notes=LINES[0], room="roomy")[2]][1:] == [ADDED]


def test_nothing_is_added_to_the_writers_own_words_where_the_model_says_nothing():
    assert len(draft(nothing, notes=LINES[1], room="roomy")[2]) == 1


def test_a_tight_draft_looks_further_for_a_sentence_that_tells_two_lines():
    def say(request):
        return [BOTH] if "Denzil" in request.licensed and request.temperature > 0.8 else telling(request)

    notes = "\n".join(LINES[:2])
    assert [s.lines for s in draft(say, notes=notes, room="own")[2]] == [(0,), (1,)]
    drafter, _, sentences = draft(say, notes=notes, room="tight")
    assert [(s.text, s.lines) for s in sentences] == [(BOTH, (0, 1))] and drafter.rounds == 2


def test_a_tight_draft_tells_one_line_where_no_sentence_tells_two():
    drafter, _, sentences = draft(telling, notes="\n".join(LINES[:2]), room="tight")
    assert [s.lines for s in sentences] == [(0,), (1,)] and drafter.rounds == 3 + 1
