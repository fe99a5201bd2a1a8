"""The benchmark: what retrieval shows the base model, what the table says, and one whole run on a small recipe."""

import json

import pytest

from blogtwin.errors import UserError
from eval.benchmark import benchmark_lines
from eval.benchmark_run import list_blogs, parse_recipe
from eval.retrieval import PassageIndex, RetrievalSystem
from tests.support.workspace import make_small_workspace

POSTS = ["The ladder has thirteen rungs.\n\nIt stands by the shed.", "The ferry was late.\n\nRain fell on the harbour."]


@pytest.fixture(scope="module")
def index():
    return PassageIndex(POSTS, lambda text: 80 * len(text.split("\n\n")))  # two paragraphs are too long for a passage


def test_the_nearest_passages_come_first(index):
    assert sorted(index.passages) == sorted(paragraph for post in POSTS for paragraph in post.split("\n\n"))
    assert index.nearest("Write about the rungs of a ladder.", 1) == ["The ladder has thirteen rungs."]
    assert index.nearest("rain in the harbour", 2)[0] == "Rain fell on the harbour."
    assert index.nearest("", 1) == index.passages[:1]


def test_the_base_reads_the_passages_before_it_is_asked(index):
    system = RetrievalSystem("retrieval", "You write.", index=index)
    first, user = system.messages({"instruction": "Write about a late ferry.", "input": "- it was late"})
    assert first == {"role": "system", "content": "You write."}
    assert "The ferry was late." in user["content"]
    assert user["content"].endswith("In the same voice: Write about a late ferry.\n\n- it was late")


def test_a_line_for_each_who_wrote_and_nothing_for_what_was_not_measured():
    twin = {
        "likelihood": {"bits_per_byte": 1.3433},
        "style": {"masked": 0.9, "masked_lo": 0.8, "masked_hi": 0.99, "function": None},
        "copying": {"longest_copy_max": 7},
    }
    verified = {"notes": {"fact_recall": 0.94, "fact_recall_lo": 0.9, "fact_recall_hi": 0.97}}
    heads, lines = benchmark_lines({"sample": {"twin": twin, "verified": verified, "markov": twin}})
    assert [line[:2] for line in lines] == [["sample", "twin"], ["sample", "twin, with verified drafting"]]
    cells = dict(zip(heads, lines[0], strict=True))
    assert cells["bits per byte"] == "1.343" and cells["style, masked"] == "0.90 [0.80, 0.99]"
    assert cells["style, function words"] == cells["notes: facts told"] == "" and cells["longest copy, words"] == "7"
    assert dict(zip(heads, lines[1], strict=True))["notes: facts told"] == "94 % [90 %, 97 %]"


def test_blogs_are_the_folders_and_a_recipe_is_parameters(tmp_path):
    assert list_blogs(None) == ["sample"]
    with pytest.raises(UserError, match="there is no folder: put"):
        list_blogs(tmp_path)
    for name in ("b", "a", ".git"):
        (tmp_path / name).mkdir()
    assert list_blogs(tmp_path) == ["a", "b"]
    assert parse_recipe("train.epochs=3  eval.seed=1") == {"train.epochs": "3", "eval.seed": "1"}
    for wrong in ("epochs=3", "train.epochs"):
        with pytest.raises(UserError, match="write section.name=value"):
            parse_recipe(wrong)


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.model
@pytest.mark.timeout(1800)
def test_a_small_recipe_is_trained_and_measured_beside_its_rivals(tmp_path, run_in):
    workspace = make_small_workspace(tmp_path / "blogtwin")
    recipe = "train.max_steps=2 eval.num_notes_prompts=2"
    said = run_in(workspace, f'python scripts/benchmark.py --params "{recipe}"', timeout=1700)
    assert "twin, with verified drafting" in said.stdout
    found = json.loads((workspace / "artifacts/benchmark/benchmark.json").read_text())
    assert found["recipe"]["train.max_steps"] == "2" and found["seeds"]["eval"] == 7
    metrics = found["blogs"]["sample"]
    for name in ("five_shot", "retrieval", "twin"):
        assert metrics[name]["likelihood"]["bits_per_byte"] > 0 and metrics[name]["notes"]["n"] == 2
    assert metrics["verified"]["notes"]["fact_recall"] >= metrics["twin"]["notes"]["fact_recall"]
    assert metrics["retrieval"]["likelihood"] != metrics["five_shot"]["likelihood"]
