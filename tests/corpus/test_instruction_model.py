"""Instructions by a model: good ones are taken, bad ones refused with their reason and asked again, none is asked twice
for one thing."""

from types import SimpleNamespace

import pytest

from blogtwin.errors import UserError
from corpus import augmentation, instruction_model
from tests.support.openai_server import OpenAIServer

PASSAGE = (
    "Denzil has bought a rowing boat in Port Lanner. It is 11 feet long, and he paid £85 for it, which he calls a"
    " bargain.\n\nI went down to see it with a torch and a thin screwdriver, and found that 3 of its planks are soft. A"
    " soft plank is a sponge."
)
NOTES = "- Denzil, rowing boat from Port Lanner\n- length 11 feet, price £85\n- checked planks by torch, 3 soft"
GOOD = {
    "notes": NOTES,
    "brief": "Write about the rowing boat that Denzil bought and what was wrong with its planks.",
    "outline": "1. The rowing boat\n2. What it cost\n3. Soft planks",
    "rewrite": (
        "In Port Lanner Denzil purchased a small rowing boat. Its length is 11 feet. The price was £85. I examined the"
        " boat using a torch. There were 3 planks that had gone soft."
    ),
    "answer": "What was the matter with the boat that Denzil bought?",
}


def count(text):
    return len(text.split())


def wanted(kind, n=1):
    post = {"id": f"p{n}", "title": "A boat", "date": None}
    return augmentation.AugmentationRequest(f"p{n}-1-{kind}-1", post, 1, 1, kind, PASSAGE, 500)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(instruction_model, "ANSWERS_DIR", tmp_path / "answers")


@pytest.fixture
def near(monkeypatch):
    """Every text is about its passage: MiniLM takes seconds to load."""
    monkeypatch.setattr(instruction_model, "similarity", lambda texts, passages: [1.0] * len(texts))


@pytest.fixture
def serve():
    running = []

    def start(answer):
        running.append(OpenAIServer(answer))
        return running[-1]

    yield start
    for server in running:
        server.close()


def ask(server, kinds=("notes",)):
    with instruction_model.InstructionModel(server.name, None) as one:
        return instruction_model.generate_instructions([wanted(kind, n) for n, kind in enumerate(kinds)], one, count)


def kind_of(question: str) -> str:
    return next(kind for kind, wish in instruction_model.PROMPTS.items() if question.startswith(wish))


@pytest.mark.slow
def test_good_answers_of_every_kind_are_taken_and_a_second_run_asks_nothing(serve, near):
    server = serve(lambda question: GOOD[kind_of(question)])
    found = ask(server, augmentation.TASK_TYPES)
    assert found == {f"p{n}-1-{kind}-1": GOOD[kind] for n, kind in enumerate(augmentation.TASK_TYPES)}
    assert len(server.asked) == len(augmentation.TASK_TYPES) and all(
        PASSAGE in q["messages"][-1]["content"] for q in server.asked
    )
    assert ask(server, augmentation.TASK_TYPES) == found and len(server.asked) == len(augmentation.TASK_TYPES)


def test_a_parrot_is_told_why_asked_once_more_and_left_to_the_rule(serve, near, capsys):
    server = serve(lambda question: PASSAGE)
    assert ask(server, ("rewrite",)) == {}
    first, second = (q["messages"][-1]["content"] for q in server.asked)
    assert "refused" not in first and "A first try was refused: 6 words in a row are the passage's." in second
    assert [q["temperature"] for q in server.asked] == [0.0, 0.7]
    assert "0 of 1 made" in capsys.readouterr().out
    assert ask(server, ("rewrite",)) == {} and len(server.asked) == 2, "what was refused is remembered too"


def test_a_second_try_that_is_better_is_taken(serve, near):
    server = serve(lambda question: NOTES if "refused" in question else "- boat")
    assert ask(server) == {"p0-1-notes-1": NOTES}


def test_another_passage_or_another_model_is_asked_anew(serve, near):
    one, other = serve(lambda question: NOTES), serve(lambda question: NOTES)
    ask(one), ask(other)
    assert len(one.asked) == len(other.asked) == 1


@pytest.mark.parametrize(
    "kind, text, near, why",
    [
        ("notes", "- it was 11 feet long and he paid £85 for it\n- Denzil, Port Lanner, 3 soft", 1.0, "in a row"),
        ("notes", "", 1.0, "too short"),
        ("notes", "- boat 11 £85 3", 1.0, "too short"),
        ("notes", "word " * 80, 1.0, "too long"),
        ("notes", NOTES + "\n- 40 years old", 1.0, "not the passage's"),
        ("notes", NOTES + "\n- bought from old Pask", 1.0, "not the passage's"),
        ("notes", "- a boat was bought\n- planks looked at with care\n- and some turned out soft", 1.0, "missing"),
        ("notes", NOTES, 0.1, "not about"),
        ("brief", "Boats.", 1.0, "too short"),
        ("answer", "What was it with that boat " + "and then " * 30 + "?", 1.0, "too long"),
        *((kind, text, 1.0, "") for kind, text in GOOD.items()),
    ],
)
def test_rejection_reason_names_what_is_wrong(kind, text, near, why):
    said = instruction_model.rejection_reason(wanted(kind), text, near, count)
    assert (why in said) if why else said == "", said


def test_what_takes_more_room_than_the_row_has_is_too_long():
    small = augmentation.AugmentationRequest("a", {"title": "A"}, 1, 1, "notes", PASSAGE, 10)
    assert instruction_model.rejection_reason(small, NOTES, 1.0, count) == "too long"


@pytest.mark.parametrize(
    "kind, answer, tidied",
    [
        ("notes", "<think>Hm: a list.</think>\nHere are the notes:\n\n* one\n2) two\n• three", "- one\n- two\n- three"),
        ("outline", "```\n- one\n- two\n```", "1. one\n2. two"),
        ("answer", 'Sure! Here is a question:\n\n"What is it?"\n\nIs that fine?', "What is it?"),
        ("answer", "A statement.", ""),
        ("brief", "“Write about\na boat.”", "Write about a boat."),
    ],
)
def test_what_models_put_around_an_answer_goes(kind, answer, tidied):
    assert instruction_model.clean_response(kind, answer) == tidied


@pytest.mark.slow
def test_a_model_that_is_not_there_and_a_wrong_name_are_one_sentence_each(near):
    with (
        pytest.raises(UserError, match="could not be asked") as gone,
        instruction_model.InstructionModel("m@http://127.0.0.1:1/v1", None) as one,
    ):
        instruction_model.generate_instructions([wanted("notes")], one, count)
    assert "\n" not in str(gone.value) and "prepare.instruction_model" in str(gone.value)
    with pytest.raises(UserError, match=r"prepare\.instruction_model is 'llama3': write it as MODEL@URL"):
        instruction_model.InstructionModel("llama3", None)


def test_groq_has_a_key_of_its_own_name_and_nobody_else_gets_it(monkeypatch, serve, near):
    monkeypatch.delenv("GROQ_API_KEY", raising=False)
    groq = "llama@https://api.groq.com/openai/v1"
    with pytest.raises(UserError, match="GROQ_API_KEY"):
        instruction_model.api_key_for(groq)
    monkeypatch.setenv("GROQ_API_KEY", "secret")
    monkeypatch.setenv("INSTRUCTOR_API_KEY", "mine")
    assert (
        instruction_model.api_key_for(groq) == "secret"
        and instruction_model.api_key_for("m@https://notgroq.com/v1")
        == instruction_model.api_key_for("m@https://api.groq.com.example/v1")
        == "mine"
    )
    server = serve(lambda question: NOTES)
    ask(server)
    assert server.keys == {"Bearer mine"}


@pytest.mark.slow
def test_a_text_about_something_else_is_refused_by_minilm(serve):
    """The real encoder: notes of this passage are near it, those of another are not."""
    other = "Tomatoes like warm nights. Sow them in March and water them well until the first leaves open."
    near, far = instruction_model.similarity([NOTES, NOTES], [PASSAGE, other])
    assert near >= instruction_model.MIN_SIMILARITY["notes"] > far


@pytest.mark.slow
def test_the_embedded_base_is_asked_over_the_real_protocol(capsys):
    """It need not be good at it: whatever it says is taken or refused, and asked for only once."""
    from blogtwin.models import registry as bases

    base = bases.resolve_base("smollm2:135m")
    for _ in range(2):
        with instruction_model.InstructionModel("", base) as one:
            found = instruction_model.generate_instructions([wanted(kind) for kind in ("notes", "brief")], one, count)
            started = one.engine is not None
        assert set(found) <= {"p1-1-notes-1", "p1-1-brief-1"} and "of 2 made by smollm2:135m" in capsys.readouterr().out
    assert not started, "the second run had every answer already"


@pytest.mark.slow
def test_prepare_takes_the_model_s_where_it_can_and_the_rule_s_elsewhere(monkeypatch, near, serve):
    """Through 02_prepare: outputs, ids and numbers of the rows are the same with both; only what asks differs, where it
    was good."""

    from blogtwin.config import load_params
    from corpus import prepare as stage
    from tests.support.workspace import ROOT

    server = serve(
        lambda question: (
            "- Gasket, far, far away" if kind_of(question) == "notes" else "What became of it all in the end?"
        )
    )
    params = load_params(ROOT / "params.yaml")
    monkeypatch.chdir(ROOT)
    changed = {
        "augmentation": params.prepare.augmentation.model_copy(
            update={"notes": 1.0, "brief": 0.0, "outline": 0.0, "rewrite": 0.0, "answer": 1.0}
        )
    }
    posts = [
        {
            "id": f"p{i}",
            "title": f"Post {i}",
            "date": None,
            "tags": [],
            "text": "\n\n".join(
                f"The boat number {i}{n} came in, and nobody had a word for what we saw there." for n in range(1, 12)
            ),
        }
        for i in range(4)
    ]

    def prepared(**knobs):
        return stage.build_examples(
            posts,
            params.model_copy(update={"prepare": params.prepare.model_copy(update={**changed, **knobs})}),
            lambda text: len(text.split()),
        )

    by_rule, by_model = prepared(), prepared(instruction_source="model", instruction_model=server.name)
    assert [(r["id"], r["task"], r["output"]) for r in by_rule] == [(r["id"], r["task"], r["output"]) for r in by_model]
    differ = {a["task"] for a, b in zip(by_rule, by_model) if a != b}
    assert differ == {"answer"} and all(
        r["instruction"] == "What became of it all in the end?" for r in by_model if r["task"] == "answer"
    )
    half = [
        r["instruction"]
        for r in prepared(instruction_source="both", instruction_model=server.name)
        if r["task"] == "answer"
    ]
    assert 0 < half.count("What became of it all in the end?") < len(half)


def test_where_nothing_is_wanted_no_model_is_asked():
    with instruction_model.InstructionModel("", SimpleNamespace(name="base", digest="x", gguf=None)) as one:
        assert instruction_model.generate_instructions([], one, count) == {} and one.engine is None
