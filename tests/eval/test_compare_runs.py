"""`make diff A=… B=…`: two twins, prompt by prompt."""

import json

import pytest

from blogtwin.errors import UserError
from eval.compare_runs import compare_runs, load_samples


def samples(shift: float, noise: float, first: int = 0, n: int = 12) -> list[dict]:
    """Made-up answers to n prompts: the same base difficulty, shifted, with noise that alternates."""
    return [
        {
            "id": f"p{i}",
            "twin": {
                "bits_per_byte": 1.0 + i / 10 + shift + noise * (-1) ** i,
                "style": {"masked": 0.5 - shift, "function": None},
                "run": 5,
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
    with pytest.raises(UserError, match="1 held-out prompts .* and 2 are needed"):
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
