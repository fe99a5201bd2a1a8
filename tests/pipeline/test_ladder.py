"""`make ladder` from the command to the page: a twin for each base and blog by the real chain, on a tiny base."""

import json
import re
import shutil

import pytest

from tests.support.workspace import make_workspace, sh, with_tiny

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.dvc, pytest.mark.model]
QUICK = (
    "train.max_steps=8 train.preset=highspeed train.learning_rate=1e-2 train.warmup_ratio=0"
    " export.parity_prompts=1 export.parity_tokens=16"
)
RATES = {"fact_recall", "role_accuracy", "negation_accuracy", "unsupported_rate", "own_words_rate"}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, tiny_root):
    folder = make_workspace(tmp_path_factory.mktemp("project") / "blogtwin")
    base = with_tiny(folder, tiny_root)
    done = sh(folder, f"python scripts/set_param.py {QUICK} && git commit -qam quick")
    assert done.returncode == 0, done
    return folder, base


def climb(workspace, more: str = "") -> str:
    """What `make ladder` prints on the tiny base with one set of notes."""
    folder, base = workspace
    done = sh(folder, f'make ladder BASES="{base}" CASES=1 CANDIDATES=2 {more}', timeout=800)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def rows_of(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / "docs/ladder.jsonl").read_text().splitlines()]


def test_the_ladder_is_climbed_once_and_goes_on_where_it_broke_off(workspace, tmp_path_factory):
    folder, base = workspace
    printed = climb(workspace)
    assert "1 of 1: tiny on sample" in printed and re.search(r"drafter \S+: .* \(1 of 1, about 0 s left\)", printed)
    (row,) = rows_of(folder)
    assert (row["base"], row["blog"], row["cases"], row["limit"]) == ("tiny", "sample", 1, 1)
    assert row["commit"] == sh(folder, "git rev-parse --short HEAD").stdout.strip() and row["cpu"] and row["date"]
    assert row["command"] == 'make ladder BASES="tiny" CASES=1 CANDIDATES=2' and str(folder.parent) not in str(row)
    assert row["training"]["seconds"] > 0 and row["training"]["peak_memory_mb"] > 100
    assert all(mb > 100 for mb in row["peak_mb"].values())
    systems = [one["system"] for one in row["scores"]]
    assert {name: systems.count(name) for name in systems} == dict.fromkeys(
        ("one_draft", "drafter", "base_drafter", "author"), 1
    )
    assert all(set(one["counts"]) >= RATES and one["seconds"] > 0 for one in row["scores"] if one["system"] != "author")
    assert row["draft"]["draft"] and row["draft"]["notes"]

    twin = folder / "authors/ladder-sample-tiny"
    assert row["augmentation"]["notes"] == "auto"
    drafts = twin / "artifacts/eval/drafts.jsonl"
    written = drafts.read_text().splitlines()
    assert "made at commit" in climb(workspace) and rows_of(folder) == [row]

    # A row that broke off after the training and one of the drafts: the rest is made, that much is kept.
    (folder / "docs/ladder.jsonl").unlink()
    kept = next(line for line in written if '"system": "drafter"' in line)
    drafts.write_text(kept + "\n")
    printed = climb(workspace)
    assert re.findall(r"^(\w+) \S+: .* s left\)$", printed, re.M) == ["one_draft", "base_drafter"]
    assert "Running stage 'train'" not in printed
    assert kept in drafts.read_text().splitlines() and len(drafts.read_text().splitlines()) == len(written)

    # Another blog beside it: the sample's row stays, and the tables pool both.
    blogs = tmp_path_factory.mktemp("blogs")
    shutil.copytree(folder / "data/sample", blogs / "nelhage")
    printed = climb(workspace, f"BLOGS={blogs}")
    assert "1 of 1: tiny on nelhage, about " in printed and [row["blog"] for row in rows_of(folder)] == [
        "sample",
        "nelhage",
    ]
    assert (folder / "authors/ladder-nelhage-tiny/data/blog").is_dir() and rows_of(folder)[1]["draft"] is None
    tables = json.loads((folder / "docs/results.json").read_text())
    assert tables["ladder"]["rows"][0][:2] == ["tiny: twin, with the search", "2, 2"]
    assert sh(folder, "python scripts/build_docs.py").returncode == 0
    assert "| tiny on nelhage | 1 |" in (folder / "docs/results.md").read_text()


def test_a_base_and_a_folder_that_are_not_there_are_one_sentence(workspace):
    folder, _ = workspace
    for more, said in (("BASES=nobody", "train.base is nobody"), ("BLOGS=docs", "BLOGS is docs, where no folder")):
        done = sh(folder, f"make ladder {more}")
        assert done.returncode == 2 and done.stderr.startswith(f"error: {said}"), done
