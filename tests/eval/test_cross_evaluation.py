"""`make validate-metrics TWINS=…`: each twin on everybody's posts."""

import json
import shutil

import pytest

from blogtwin.errors import UserError
from blogtwin.models.gguf_export import quantised_base
from eval import cross_evaluation
from tests.support.workspace import ROOT


def a_project(folder, base: str = "smollm2:135m"):
    """A folder that looks as if a twin had been made there; the GGUF is the `folder`'s own."""
    (folder / "artifacts/gguf").mkdir(parents=True)
    (folder / "data/split").mkdir(parents=True)
    (folder / "artifacts/gguf/twin.gguf").write_bytes(b"GGUF")
    (folder / "params.yaml").write_text(
        (ROOT / "params.yaml").read_text().replace("base: smollm2:135m", f"base: {base}")
    )
    for name in ("train", "valid", "test"):
        rows = [
            {
                "id": f"{name}{i}-1",
                "post_id": f"{name}{i}",
                "part": p,
                "task": task,
                "instruction": "Write.",
                "input": "",
                "output": f"{folder.name} {name} {i}.{p} It held.",
            }
            for i in range(2)
            for p, task in ((1, "write"), (2, "continue"))
        ]
        (folder / f"data/split/{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def test_what_a_twin_is_asked_and_what_it_has_not_seen(tmp_path):
    """Openings of test posts are asked; test and validation posts, whole, are what it was not trained on."""
    twin = cross_evaluation.load_twin(a_project(tmp_path / "ann"))
    assert [e["post_id"] for e in twin.prompts] == ["test0", "test1"]
    assert sorted(twin.held_out) == sorted(
        f"ann {n} {i}.1 It held.\n\nann {n} {i}.2 It held." for n in ("test", "valid") for i in range(2)
    )
    assert len(twin.own) == 6 and twin.name == "ann"


def test_twins_that_can_not_be_compared_are_told_in_one_sentence(tmp_path):
    one, other = a_project(tmp_path / "ann"), a_project(tmp_path / "bob", "llama3.2:1b")
    with pytest.raises(UserError, match="same base model"):
        cross_evaluation.load_twins([one, other])
    with pytest.raises(UserError, match="You gave 1 twins"):
        cross_evaluation.load_twins([one])
    (one / "artifacts/gguf/twin.gguf").unlink()
    with pytest.raises(UserError, match="no finished twin"):
        cross_evaluation.load_twins([one, other])


def test_own_lowest_needs_to_beat_the_base_too():
    matrix = {"base": {"ann": 1.5, "bob": 1.0}, "ann": {"ann": 1.2, "bob": 1.1}, "bob": {"ann": 1.4, "bob": 1.05}}
    assert cross_evaluation.own_twin_wins(matrix) == {"ann": 1, "bob": 0}


@pytest.mark.slow
def test_every_model_reads_everybodys_posts(tmp_path, tiny):
    """The matrix is made by the real reader: the same model gives the same figures in every row, different posts
    different ones."""
    twins = []
    for name in ("ann", "bob"):
        folder = a_project(tmp_path / name)
        shutil.copy(quantised_base(tiny, "q8_0"), folder / "artifacts/gguf/twin.gguf")
        twins.append(cross_evaluation.load_twin(folder))
    matrix = cross_evaluation.bits_per_byte(tiny, twins, lambda items, _: items)
    assert matrix["base"] == matrix["ann"] == matrix["bob"] and set(matrix["base"]) == {"ann", "bob"}
    assert matrix["base"]["ann"] != matrix["base"]["bob"] and 1 < matrix["base"]["ann"] < 20
