"""The optional judge: a server that knows the author, one that always says A, the real embedded model, and none."""

import pytest

from blogtwin.errors import UserError
from blogtwin.inference.client import parse_endpoint
from eval import llm_judge
from tests.support.openai_server import OpenAIServer

POSTS = [f"Post number {i} of somebody. " * 5 for i in range(5)]
OURS, THEIRS = ["The kettle sang, and that was that."] * 4, ["It is important to note that success matters."] * 4


@pytest.fixture
def server(request):
    """An OpenAI-compatible server; request.param(question) is its answer."""

    running = OpenAIServer(request.param)
    yield parse_endpoint("eval.judge_model", running.name, "")
    running.close()


def knows(question: str) -> str:
    """Names the text with the kettle."""
    return "Text A." if question.index("kettle") < question.index("Text B:") else "It is B"


@pytest.mark.slow
@pytest.mark.parametrize("server", [knows], indirect=True)
def test_a_judge_that_knows_the_author_finds_him_on_both_sides(server):
    assert llm_judge.judge_pairs(server, POSTS, POSTS[:4], OURS, THEIRS) == ["ours"] * 4
    assert llm_judge.judge_pairs(server, POSTS, POSTS[:4], THEIRS, OURS) == ["theirs"] * 4


@pytest.mark.parametrize("server", [lambda question: "A"], indirect=True)
def test_a_judge_that_always_names_one_side_says_nothing(server):
    assert llm_judge.judge_pairs(server, POSTS, POSTS[:4], OURS, THEIRS) == ["tie"] * 4


@pytest.mark.parametrize(
    "server", [lambda question: "B" if "Post number 0" in question.split("Text A")[0] else "A or B"], indirect=True
)
def test_the_post_that_is_asked_for_is_never_shown(server):
    """The first prompt's own post is number 0: were it shown, this judge would say B."""
    assert llm_judge.judge_pairs(server, POSTS, POSTS[:1], OURS[:1], THEIRS[:1]) == ["tie"]
    shown = llm_judge.judge_prompt(POSTS[1:4], "one", "other")[1]["content"]
    assert "Post number 1" in shown and "Text A:\none" in shown and "Text B:\nother" in shown


def test_metrics_of_a_judge_by_hand():
    """Three for us, one against, one tie: 3.5 of 5; where it decided, the style score agreed on two of four."""
    found = llm_judge.judge_metrics(
        ["ours", "ours", "ours", "theirs", "tie"], [0.9, 0.1, 0.9, 0.9, 0.9], [0.5, 0.5, 0.5, 0.5, 0.5]
    )
    assert found["share"] == 0.7 and found["n"] == 5 and found["decided"] == 0.8 and found["agrees_with_style"] == 0.5


@pytest.mark.slow
def test_no_judge_there_and_a_wrong_description_are_one_sentence_each():
    with pytest.raises(UserError, match="could not be asked"):
        llm_judge.judge_pairs(
            parse_endpoint("eval.judge_model", "m@http://127.0.0.1:1/v1", ""), POSTS, POSTS[:1], OURS[:1], THEIRS[:1]
        )
    with pytest.raises(UserError, match="write it as MODEL@URL"):
        parse_endpoint("eval.judge_model", "llama3", "")


@pytest.mark.slow
def test_the_embedded_model_can_be_asked():
    """A real model over the real protocol: it need not be a good judge, only be understood."""
    from blogtwin.inference import llama_server
    from blogtwin.models import registry as bases

    base = bases.resolve_base("smollm2:135m")
    with llama_server.serve_model(
        base.gguf, "base", chat_template=base.tokenizer().chat_template, n_ctx=2048
    ) as engine:
        found = llm_judge.judge_pairs(
            parse_endpoint("eval.judge_model", f"base@{engine.base_url}", engine.api_key),
            POSTS,
            POSTS[:2],
            OURS[:2],
            THEIRS[:2],
        )
    assert len(found) == 2 and set(found) <= {"ours", "theirs", "tie"}
