"""The generated parts of the documentation: parameters, settings and tables of figures."""

import json
import re
import shutil

import build_docs
import pytest
import update_results
from pydantic import BaseModel, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from blogtwin.config import Params
from blogtwin.errors import UserError
from blogtwin.reference_docs import fill_markers, parameter_comments, parameter_reference, settings_reference
from eval.results_tables import format_cell, render_table, render_verdict, update_sample
from serve.settings import Settings
from tests.support.workspace import ROOT

METRICS = {
    "base": {"likelihood": {"bits_per_byte": 1.6}, "copying": {"longest_copy_median": 0.0, "longest_copy_max": 5}},
    "twin": {
        "likelihood": {"bits_per_byte": 1.3},
        "style": {"masked": 0.5, "masked_lo": -0.1, "masked_hi": 0.9},
        "copying": {"longest_copy_median": 5.0, "longest_copy_max": 6},
    },
    "n": {"prompts": 12, "training_posts": 43},
}
TRAINING = {"seconds": 286.4, "tokens_per_s": 316.2, "device": "cpu", "dtype": "bf16"}
PARITY = {"twin": {"delta_to_twin": 0.0548, "delta_to_base": 0.9287, "agreement_with_twin": 0.9637}}


def table(*rows: dict) -> dict:
    return {
        "title": "old",
        "command": "make all",
        "machine": "two cores",
        "commit": "abc",
        "date": "2026-01-01",
        "earlier_tree": True,
        "columns": {"base": "base", "twin": "twin"},
        "rows": list(rows),
    }


def row(form: str, *metrics: str) -> dict:
    return {"label": metrics[0], "format": form, "metrics": list(metrics), "cells": {}}


def filled(*rows: dict) -> dict:
    return update_sample(table(*rows), METRICS, TRAINING, PARITY, "Not yet.", "def", "2026-02-02")


def test_parameter_reference_gives_type_range_default_and_comment():
    class Section(BaseModel):
        rate: float = Field(gt=0, lt=1)
        name: str

    class All(BaseModel):
        train: Section

    text = '# Head.\n\ntrain:\n  # How fast\n  # it learns, as <name>.\n  rate: 0.5\n  name: ""\n'
    said = parameter_reference(text, All)
    assert "- **`train.rate`** (number, above 0, below 1, default `0.5`): How fast it learns, as &lt;name>." in said
    assert "- **`train.name`** (text, default empty)" in said and "Head" not in said


def test_parameter_reference_names_every_parameter_of_params_yaml():
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    said = parameter_reference(text, Params)
    assert set(parameter_comments(text)) <= set(re.findall(r"\*\*`([\w.]+)`\*\*", said))


def test_parameter_reference_stops_at_a_parameter_that_config_does_not_have():
    text = (ROOT / "params.yaml").read_text(encoding="utf-8").replace("  min_words:", "  fewest_words:")
    with pytest.raises(KeyError, match="min_words"):
        parameter_reference(text, Params)


def test_settings_reference_names_variables_and_hides_what_the_machine_decides():
    class Some(BaseSettings):
        model_config = SettingsConfigDict(env_prefix="SOME_")

        # Where it listens.
        port: int = Field(8000, ge=0, le=65535)
        secret: SecretStr = SecretStr("none")

    said = settings_reference(Some)
    assert "- **`SOME_PORT`** (integer, at least 0, at most 65535, default `8000`): Where it listens." in said
    assert "- **`SOME_SECRET`** (text, default `none`)" in said
    own = settings_reference(Settings)
    assert own.count("- **`SERVE_") == len(Settings.model_fields) and "/root" not in own and "/home" not in own


def test_fill_markers_replaces_only_what_stands_between():
    page = "before\n<!-- generated: one -->\nold\n<!-- /generated -->\nafter\n"
    once = fill_markers(page, {"one": "new"}, "page.md")
    assert (
        once
        == "before\n<!-- generated: one -->\n\nnew\n\n<!-- /generated -->\nafter\n"
        == fill_markers(once, {"one": "new"}, "page.md")
    )
    with pytest.raises(KeyError, match="page.md asks for the generated block 'one'"):
        fill_markers(page, {"other": ""}, "page.md")


@pytest.mark.parametrize(
    "cell, form, text",
    [
        (None, "decimal2", ""),
        (1.3405, "decimal3", "1.341"),
        ([0.061, -0.08, 0.18], "decimal2", "0.06 [−0.08, 0.18]"),
        (0.75, "percent", "75 %"),
        ([5.0, 6], "pair", "5, 6"),
    ],
)
def test_format_cell(cell, form, text):
    assert format_cell(cell, form) == text


def test_update_sample_takes_values_intervals_and_pairs():
    found = filled(
        row("decimal3", "likelihood.bits_per_byte"),
        row("decimal2", "style.masked"),
        row("pair", "copying.longest_copy_median", "copying.longest_copy_max"),
    )
    assert [one["cells"] for one in found["rows"]] == [
        {"base": 1.6, "twin": 1.3},
        {"base": None, "twin": [0.5, -0.1, 0.9]},
        {"base": [0.0, 5], "twin": [5.0, 6]},
    ]
    assert found["title"] == "sample blog: 43 posts to learn from, 12 held out and written again"
    assert (found["commit"], found["date"], found["earlier_tree"]) == ("def", "2026-02-02", False)
    assert (
        "| style.masked |  | **0.50 [−0.10, 0.90]** |" in render_table(found) and render_verdict(found) == "> Not yet."
    )


def test_update_sample_says_which_figure_of_the_twin_is_missing():
    with pytest.raises(UserError, match=r"has no twin\.style\.told"):
        filled(row("decimal2", "style.told"))


def test_results_ask_for_metrics_that_the_scorecard_makes():
    """By name: a metric that is renamed in eval/ must be renamed in docs/results.json. Two endings are put on by
    code."""
    code = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "eval").rglob("*.py") if path.name != "results_tables.py"
    )
    for one in json.loads((ROOT / "docs/results.json").read_text(encoding="utf-8"))["sample"]["rows"]:
        for part in (
            part.removesuffix("_within").removesuffix("_auc") for key in one["metrics"] for part in key.split(".")
        ):
            assert re.search(rf'"{part}["_]', code), part


def workspace(folder, monkeypatch):
    for name in ("params.yaml", "README.md"):
        shutil.copy(ROOT / name, folder)
    shutil.copytree(ROOT / "docs", folder / "docs")
    monkeypatch.chdir(folder)


def test_build_docs_check_fails_when_a_page_is_out_of_date(tmp_path, monkeypatch):
    workspace(tmp_path, monkeypatch)
    monkeypatch.setattr("sys.argv", ["build_docs.py", "--check"])
    build_docs.main()
    params = tmp_path / "params.yaml"
    params.write_text(params.read_text(encoding="utf-8").replace("min_words: 40", "min_words: 41"), encoding="utf-8")
    with pytest.raises(UserError, match=r"docs/configuration\.md differ"):
        build_docs.main()
    monkeypatch.setattr("sys.argv", ["build_docs.py"])
    build_docs.main()
    assert "default `41`" in (tmp_path / "docs/configuration.md").read_text(encoding="utf-8")


def test_update_results_reaches_the_readme(tmp_path, monkeypatch):
    """From a run's metrics, over docs/results.json, to README's table, with no prose touched."""
    workspace(tmp_path, monkeypatch)
    rows = json.loads((tmp_path / "docs/results.json").read_text(encoding="utf-8"))["sample"]["rows"]
    twin = {}
    for key in (key for one in rows for key in one["metrics"]):
        family, _, name = key.partition(".")
        twin[family] = {**twin.get(family, {}), name: 0.123} if name else 0.123
    found = {
        "eval/metrics.json": {"twin": twin, "n": METRICS["n"]},
        "train/metrics.json": TRAINING,
        "gguf/parity.json": PARITY,
    }
    for name, data in found.items():
        (tmp_path / "artifacts" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "artifacts" / name).write_text(json.dumps(data))
    monkeypatch.setattr("sys.argv", ["update_results.py"])
    before = (tmp_path / "README.md").read_text(encoding="utf-8")
    update_results.main()
    monkeypatch.setattr("sys.argv", ["build_docs.py"])
    build_docs.main()
    after = (tmp_path / "README.md").read_text(encoding="utf-8")
    generated = re.compile(r"<!-- generated.*?<!-- /generated -->", re.S)
    assert (
        "**0.123**" in after
        and "earlier version" not in after
        and generated.sub("", before) == generated.sub("", after)
    )


def test_update_results_refuses_another_blog(tmp_path, monkeypatch):
    workspace(tmp_path, monkeypatch)
    params = tmp_path / "params.yaml"
    params.write_text(
        params.read_text(encoding="utf-8").replace("source: data/sample", "source: data/blog"), encoding="utf-8"
    )
    monkeypatch.setattr("sys.argv", ["update_results.py"])
    with pytest.raises(UserError, match=r"ingest\.source is data/blog"):
        update_results.main()
