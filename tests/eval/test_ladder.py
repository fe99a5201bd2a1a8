"""The ladder's rows and tables: what is made again, what is pooled, and what a cell says."""

import json
import math
from dataclasses import replace

import pytest

from eval import ladder, ladder_run
from eval.blog_projects import project_name
from eval.draft_scores import DraftScore
from eval.ladder import Rung, add_row, estimate_seconds, fullest_rows, load_rows
from eval.ladder_tables import ladder_tables, pool_style
from eval.results_tables import render_ladder, render_source, render_table

SMALL, LARGE = "smollm2:135m", "qwen2.5-coder:0.5b"


def score(name: str, told: int, of: int, seconds: float) -> DraftScore:
    counts = {"fact_recall": (told, of), "own_words_rate": (of - told, of)}
    return DraftScore(name, counts, 0, 90, 4, seconds, seconds / 3, 0.5, frozenset({"read_out"}), ("secret",))


def style(gain: float, half: float, texts: int) -> dict:
    found = {"style": 0.8 + gain, "style_rival": 0.8, "style_gain": gain, "style_texts": texts}
    return found | {"style_gain_lo": gain - half, "style_gain_hi": gain + half}


def row(base: str, blog: str, *told: int, **more) -> dict:
    """A row in which the twin tells so many of ten facts in each draft, and every other writer five."""
    drafts = {
        "drafter": told,
        "one_draft": [5] * len(told),
        "base_drafter": [5] * len(told),
        "author": [10] * len(told),
    }
    scores = [
        {"system": name} | score(f"{n}", count, 10, 10.0 * (n + 1)).to_row()
        for name, counts in drafts.items()
        for n, count in enumerate(counts)
    ]
    training = {"seconds": 280.4, "tokens_per_s": 330, "peak_memory_mb": 2048}
    made = {
        "base": base,
        "billions": {SMALL: 0.135, LARGE: 0.63}.get(base),
        "blog": blog,
        "candidates": 8,
        "limit": 0,
        "cases": len(told),
        "commit": "abc1234",
        "date": "2026-11-28",
        "cpu": "AMD EPYC",
        "cores": 2,
        "command": "make ladder",
        "seconds": 600,
        "augmentation": {"notes": "auto"},
        "training": training,
        "peak_mb": {"drafter": 1024, "one_draft": 512, "base_drafter": 900},
        "style": {"one_draft": style(-0.1, 0.2, 3), "base_drafter": style(0.4, 0.2, 3)},
        "scores": scores,
        "draft": {"notes": "one line\nanother | line", "draft": f"By {base}."} if blog == "sample" else None,
    }
    return json.loads(json.dumps(made | more))  # as it stands in the file


def test_a_score_comes_back_from_json_without_the_words_of_its_draft():
    before = score("01", 8, 10, 3.0)
    written = before.to_row()
    assert "secret" not in str(written)
    after = DraftScore.from_row({"system": "drafter"} | written)
    assert after.unsupported == () and after.counts == before.counts and after.alarms == before.alarms
    assert (after.name, after.seconds, after.first_seconds) == ("01", 3.0, 1.0)
    empty = replace(before, word_order=math.nan).to_row()
    assert "NaN" not in json.dumps(empty) and math.isnan(DraftScore.from_row(empty).word_order)


def test_a_row_takes_the_place_of_one_of_the_same_settings(tmp_path):
    file = tmp_path / "ladder.jsonl"
    add_row(row(SMALL, "sample", 8), file)
    add_row(row(SMALL, "nelhage", 8), file)
    add_row(row(SMALL, "sample", 9, limit=1), file)
    rows = add_row(row(SMALL, "sample", 9), file)
    assert rows == load_rows(file)
    assert [(one["blog"], one["limit"], one["scores"][0]["counts"]["fact_recall"]) for one in rows] == [
        ("nelhage", 0, [8, 10]),
        ("sample", 1, [9, 10]),
        ("sample", 0, [9, 10]),
    ]


def test_tables_show_the_row_with_most_cases_and_small_bases_first():
    rows = [row(LARGE, "sample", 9, 9), row(SMALL, "nelhage", 7), row(SMALL, "sample", 8, 8), row(SMALL, "sample", 1)]
    assert [(one["base"], one["blog"], one["cases"]) for one in fullest_rows(rows)] == [
        (SMALL, "sample", 2),
        (SMALL, "nelhage", 1),
        (LARGE, "sample", 2),
    ]


def test_rates_of_several_blogs_are_pooled_over_their_drafts():
    tables = ladder_tables([row(SMALL, "sample", 8, 6, 8, 6), row(SMALL, "nelhage", 10, 10)])
    twin, single, base, author = tables["ladder"]["rows"]
    assert (
        twin[:3] == [f"{SMALL}: twin, with the search", "6, 2", "0.80 [0.61, 0.99]"] and twin[7] == "20 % [1 %, 39 %]"
    )
    assert single[2] == base[2] == "0.50" and author[:3] == ["the author's own passages", "6, 2", "1.00"]
    assert twin[-2:] == ["0.70", "−0.10 [−0.24, 0.04]"] and single[-2:] == ["0.80", ""] and base[-2] == "0.80"
    assert [line[:3] for line in tables["ladder_blogs"]["rows"]] == [
        [f"{SMALL} on sample", "4", "0.70 [0.52, 0.88]"],
        [f"{SMALL} on nelhage", "2", "1.00"],
    ]


def test_costs_are_those_of_the_drafts_and_the_largest_process():
    (line,) = ladder_tables([row(SMALL, "sample", 8, 6, 8), row(SMALL, "nelhage", 9, peak_mb={"drafter": 2048})])[
        "ladder_cost"
    ]["rows"]
    assert line == [SMALL, "280, 280", "330", "2.0 GB", "10, 30", "10", "2.0 GB", "10"]


def test_a_draft_of_each_base_stands_under_its_notes():
    table = ladder_tables([row(LARGE, "sample", 8), row(SMALL, "sample", 8), row(LARGE, "nelhage", 9)])["ladder_drafts"]
    assert table["rows"] == [
        ["the notes", "one line<br>another \\| line"],
        [SMALL, f"By {SMALL}."],
        [LARGE, f"By {LARGE}."],
    ]


def test_the_page_has_every_table_with_its_source_or_says_what_makes_them():
    tables = ladder_tables([row(SMALL, "sample", 8)])
    page = render_ladder(tables | {"speed": {}})
    assert all(f"{render_table(table)}\n\n{render_source(table)}" in page for table in tables.values())
    assert [line for line in page.splitlines() if line.endswith(":")] == [
        "What it costs:",
        "Blog by blog:",
        "A draft of each, which is the first and was not chosen:",
    ]
    assert render_ladder(ladder_tables([])) == "Not measured yet: `make ladder`."


def test_the_source_names_every_commit_and_machine():
    rows = [row(SMALL, "sample", 8), row(LARGE, "sample", 8, commit="def5678", cpu="Xeon", date="2026-11-29")]
    said = " ".join(render_source(ladder_tables(rows)["ladder"]).split())
    assert "on 2 cores (AMD EPYC) and 2 cores (Xeon) (commit abc1234, def5678, 2026-11-29)" in said


def test_styles_of_blogs_are_weighted_by_their_texts():
    pooled = pool_style([style(-0.2, 0.3, 1), style(0.2, 0.1, 3), {}])
    assert pooled["gain"] == pytest.approx([0.1, 0.1 - 0.106, 0.1 + 0.106], abs=1e-3)
    assert pooled["style"] == pytest.approx(0.9) and pool_style([{}]) == {}


def test_time_is_told_from_rows_of_the_same_base_or_by_its_size():
    rung = Rung(LARGE, "mtlynch", 8, 0)
    assert estimate_seconds(rung, []) is None
    assert estimate_seconds(rung, [row(SMALL, "sample", 8)]) == pytest.approx(600 * 0.63 / 0.135)
    assert estimate_seconds(rung, [row(SMALL, "sample", 8), row(LARGE, "sample", 8, seconds=900)]) == 900


def test_rungs_are_blogs_with_notes_and_a_folder(tmp_path):
    for name in ("nelhage", "somebody"):
        (tmp_path / name).mkdir()
    rungs = ladder_run.list_rungs([SMALL, LARGE], tmp_path, 8, 20)
    assert [(one.base, one.blog) for one in rungs] == [
        (b, blog) for b in (SMALL, LARGE) for blog in ("sample", "nelhage")
    ]
    assert (
        ladder_run.describe_command(rungs) == f'make ladder BASES="{SMALL} {LARGE}" BLOGS=folder CASES=20 CANDIDATES=8'
    )
    assert [one.blog for one in ladder_run.list_rungs([SMALL], None, 8, 0)] == ["sample"]


def test_a_row_that_fails_does_not_stop_the_others(tmp_path, monkeypatch, capsys):
    def make_row(rung, *_):
        if rung.base == SMALL:
            raise ladder_run.UserError("`python -m dvc repro` failed.")
        return row(rung.base, rung.blog, 8)

    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    monkeypatch.setattr(ladder_run, "make_row", make_row)
    rungs = ladder_run.list_rungs([SMALL, LARGE], None, 8, 0)
    with pytest.raises(ladder_run.UserError, match=f"1 of 2 rows could not be made \\({SMALL} on sample; "):
        ladder_run.climb(rungs, None, False)
    assert [one["base"] for one in load_rows(ladder.LADDER_FILE)] == [LARGE] and "left out: " in capsys.readouterr().out


def test_rows_of_other_commits_are_made_again_when_asked(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    commit = ladder_run.run_git(ladder_run.ROOT, "rev-parse", "--short", "HEAD").stdout.strip()
    monkeypatch.setattr(ladder_run, "make_row", lambda rung, *_: row(rung.base, rung.blog, 9, commit=commit))
    add_row(row(SMALL, "sample", 8, commit="older"))
    rungs = ladder_run.list_rungs([SMALL], None, 8, 0)
    assert ladder_run.climb(rungs, None, False)[0]["commit"] == "older"
    assert "older (2026-11-28); AGAIN=1 makes it anew" in capsys.readouterr().out
    assert [one["commit"] for one in ladder_run.climb(rungs, None, True)] == [commit]
    monkeypatch.setattr(ladder_run, "make_row", None)  # would be called
    ladder_run.climb(rungs, None, True)


def test_names_of_projects_are_authors_names():
    assert project_name("ladder", "sample", LARGE) == "ladder-sample-qwen2-5-coder-0-5b"
    long = [project_name("ladder", "b" * 40 + end, LARGE) for end in "xy"]
    assert len(set(long)) == 2 and {len(name) for name in long} == {41}
