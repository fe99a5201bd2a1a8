"""`make diff`: this workspace's figures with the last commit's; with A=… B=…, two twins, prompt by prompt."""

import json
from types import SimpleNamespace

import pytest

from blogtwin.dvc import run_dvc, run_git
from blogtwin.errors import UserError
from eval.compare_runs import compare_runs, diff_metrics, load_samples, pair_renamed
from eval.comparison_tables import print_metrics_diff
from eval.renamed_metrics import current_path, with_current_names
from serve import catalog
from serve.routers import dashboard


def samples(shift: float, noise: float, first: int = 0, n: int = 12) -> list[dict]:
    """Made-up answers to n prompts: the same base difficulty, shifted, with noise that alternates."""
    return [
        {
            "id": f"p{i}",
            "twin": {
                "bits_per_byte": 1.0 + i / 10 + shift + noise * (-1) ** i,
                "style": {"masked": 0.5 - shift, "function": None},
                "longest_copy": 5,
            },
        }
        for i in range(first, first + n)
    ]


def row(rows, start):
    return next(r for r in rows if r["title"].startswith(start))


def test_a_small_gain_on_every_prompt_is_told_although_prompts_differ_much():
    """Paired: prompts lie a whole bit apart, the gain is 0.05. Style that nears 1 is better; a measure nobody has is
    left out."""
    rows = compare_runs(samples(0, 0.005), samples(-0.05, -0.005))
    assert row(rows, "bits")["verdict"] == "better" and row(rows, "bits")["mean"] == pytest.approx(-0.05, abs=1e-6)
    assert row(rows, "style, masked")["verdict"] == "better" and row(rows, "longest")["verdict"] == "can't tell"
    assert not any(r["title"].startswith("style, function") for r in rows)
    assert row(compare_runs(samples(-0.05, 0.005), samples(0, -0.005)), "bits")["verdict"] == "worse"


def test_noise_as_large_as_the_gain_needs_more_posts():
    """A mean of 0.01 with a spread of 0.2 takes (1.96 · 0.209 / 0.01)², some 1,600 posts."""
    found = row(compare_runs(samples(0, 0.1), samples(-0.01, -0.1)), "bits")
    assert found["verdict"] == "can't tell" and 1400 < found["posts_to_tell"] < 1900


def test_only_the_prompts_that_both_answered_count():
    assert row(compare_runs(samples(0, 0.01), samples(0, 0.01, first=8)), "bits")["n"] == 4
    with pytest.raises(UserError, match="answered 1 held-out prompts .* and 2 are needed"):
        compare_runs(samples(0, 0.01), samples(0, 0.01, first=11))


def test_overdone_style_is_worse():
    """From 0.9 to 1.4 is away from 1."""
    assert row(compare_runs(samples(-0.4, 0), samples(-0.9, 0)), "style, masked")["verdict"] == "worse"


def test_a_side_is_a_folder_or_a_workspace_and_else_one_sentence(tmp_path, monkeypatch):
    rows = samples(0, 0)
    (tmp_path / "artifacts/eval").mkdir(parents=True)
    (tmp_path / "artifacts/eval/samples.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert load_samples(str(tmp_path)) == load_samples(str(tmp_path / "artifacts/eval")) == rows
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="nowhere is no folder with samples.jsonl"):
        load_samples("nowhere")


# --- figures under their earlier names --------------------------------------------------------------------------------

OLD_METRICS = {
    "twin": {
        "likelihood": {"bits_per_byte": 1.5, "others_bits_per_byte": 2.5},
        "style": {"masked": 0.8, "masked_lo": 0.7},
        "copying": {"run_median": 2.0, "run_max": 5, "cover_8": 0.1, "cover_13": 0.0, "by_heart_train": 0.2},
        "fluency": {"order_gain": 0.1, "order_gain_within": 0.9, "adjacent": 0.3, "capitals_within": 1.0},
        "shape": {"stopped": 0.5, "unfinished": 0.25, "words_median": 300},
        "notes": {"kept": 0.6, "kept_lo": 0.5, "invented": 0.2, "facts": 4.5},
        "detectable": 1.0,
        "habits": {"commas": 0.3},
    },
    "gain": {
        "bits_per_byte": {"on_mine": {"mean": 0.2, "lo": 0.1}, "on_theirs": {"mean": 0.1}, "mine_less_theirs": 0.1},
        "notes": {"over_base": {"kept": 0.4, "invented_hi": -0.1}},
    },
    "n": {"prompts": 12},
}
NEW_METRICS = {
    "twin": {
        "likelihood": {"bits_per_byte": 1.5, "control_bits_per_byte": 2.5},
        "style": {"masked": 0.8, "masked_lo": 0.7},
        "copying": {
            "longest_copy_median": 2.0,
            "longest_copy_max": 5,
            "copied_8gram_fraction": 0.1,
            "copied_13gram_fraction": 0.0,
            "prefix_extraction_train": 0.2,
        },
        "fluency": {
            "coherence_gain": 0.1,
            "coherence_gain_within": 0.9,
            "adjacent_similarity": 0.3,
            "capitalised_sentences_within": 1.0,
        },
        "shape": {"eos_rate": 0.5, "truncated_rate": 0.25, "words_median": 300},
        "notes": {"fact_recall": 0.6, "fact_recall_lo": 0.5, "unsupported_rate": 0.2, "facts": 4.5},
        "c2st_auc": 1.0,
        "habits": {"commas": 0.3},
    },
    "gain": {
        "bits_per_byte": {
            "gain_own": {"mean": 0.2, "lo": 0.1},
            "gain_others": {"mean": 0.1},
            "gain_difference": 0.1,
        },
        "notes": {"over_base": {"fact_recall": 0.4, "unsupported_rate_hi": -0.1}},
    },
    "n": {"prompts": 12},
}


def test_with_current_names_renames_every_old_figure_and_no_other():
    assert with_current_names(OLD_METRICS) == NEW_METRICS
    assert with_current_names(NEW_METRICS) == NEW_METRICS
    assert current_path("gain.notes.over_base.kept") == "gain.notes.over_base.fact_recall"


def test_pair_renamed_pairs_a_figure_with_itself_and_leaves_out_what_is_equal():
    figures = {  # as `dvc metrics diff --json` gives them
        "twin.copying.run_max": {"old": 5, "new": None},
        "twin.copying.longest_copy_max": {"old": None, "new": 7},
        "twin.copying.run_median": {"old": 2.0, "new": None},
        "twin.copying.longest_copy_median": {"old": None, "new": 2.0},
        "twin.likelihood.bits_per_byte": {"old": 1.5, "new": 1.25, "diff": -0.25},
        "judge.share": {"old": None, "new": 0.5},
    }
    assert pair_renamed(figures) == [
        {"metric": "judge.share", "old": None, "new": 0.5},
        {"metric": "twin.copying.longest_copy_max", "old": 5, "new": 7},
        {"metric": "twin.likelihood.bits_per_byte", "old": 1.5, "new": 1.25},
    ]


def test_samples_of_an_older_run_are_compared_with_a_new_one(tmp_path):
    """`make diff A=old`, where the old samples.jsonl calls the longest copy `run`."""
    old = samples(0, 0.01)
    for sample in old:
        sample["twin"]["run"] = sample["twin"].pop("longest_copy") + 3
    (tmp_path / "samples.jsonl").write_text("\n".join(map(json.dumps, old)))
    found = row(compare_runs(load_samples(str(tmp_path)), samples(0, 0.02)), "longest copy")
    assert (found["a"], found["b"], found["verdict"]) == (8, 5, "better")


@pytest.mark.slow
def test_make_diff_without_a_pairs_figures_that_were_renamed_since_the_last_commit(tmp_path):
    """By real Git and DVC: the commit has the old names, the workspace the new ones, and one value has changed."""
    file = tmp_path / "artifacts/eval/metrics.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(OLD_METRICS))
    (tmp_path / "dvc.yaml").write_text("metrics:\n  - artifacts/eval/metrics.json\n")
    run_git(tmp_path, "init", "-q")
    run_dvc(tmp_path, "init", "-q", check=True)
    run_git(tmp_path, "add", "-A")
    run_git(tmp_path, "-c", "user.name=a", "-c", "user.email=a@b.example", "commit", "-qm", "old", check=True)
    changed = json.loads(json.dumps(NEW_METRICS))
    changed["twin"]["copying"]["longest_copy_max"] = 9
    file.write_text(json.dumps(changed))
    expected = {"path": "artifacts/eval/metrics.json", "metric": "twin.copying.longest_copy_max", "old": 5, "new": 9}
    assert diff_metrics(tmp_path) == [expected]


def test_print_metrics_diff_shows_both_values_and_the_change(capsys):
    print_metrics_diff(
        [
            {"path": "m.json", "metric": "twin.c2st_auc", "old": 1.0, "new": 0.75},
            {"path": "m.json", "metric": "device", "old": "cpu", "new": None},
        ]
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == ["| m.json | twin.c2st_auc | 1 | 0.75 | -0.25 |", "| m.json | device | cpu | – |  |"]
    print_metrics_diff([])
    assert "No figure differs" in capsys.readouterr().out


def test_scorecards_of_older_twins_and_commits_are_shown_by_the_server(tmp_path, monkeypatch):
    """A kept twin, a commit and an experiment of before have the old names."""
    old = json.loads(json.dumps(OLD_METRICS))
    old["twin"]["style"]["function"] = 0.7
    old["twin"] |= {"topic": {"minilm_auc": 0.9}, "verdict": {"closer_than_prompting": 1}}
    file = tmp_path / "metrics.json"
    file.write_text(json.dumps(old))
    shown = catalog.scorecard(SimpleNamespace(scorecard=file))
    assert shown["copied_run"] == 5 and shown["closer_than_prompting"] is True
    exp = [{"rev": "workspace", "data": {"metrics": {dashboard.SCORECARD_PATH: {"data": OLD_METRICS}}}}]
    answers = {"log": "abc123 2026-01-01", "exp": json.dumps(exp), "show": json.dumps(OLD_METRICS)}

    def command_output(*command, **_):
        return next(answer for name, answer in answers.items() if name in command)

    monkeypatch.setattr(dashboard, "command_output", command_output)
    assert [one.metrics for one in dashboard.commits()] == [NEW_METRICS]
    assert [one.metrics for one in dashboard.experiment_rows(tmp_path)] == [{dashboard.SCORECARD_PATH: NEW_METRICS}]
