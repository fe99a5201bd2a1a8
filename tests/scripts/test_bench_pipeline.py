"""The benchmark of the data stages runs them for real, measures each, and says how many posts it made."""

import json

import pytest

from tests.support.workspace import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.nightly]


def test_bench_pipeline_measures_each_stage_and_what_three_more_posts_cost(tmp_path, run_in):
    said = run_in(tmp_path, f"python {ROOT}/scripts/bench_pipeline.py --posts 12").stdout
    (found,) = json.loads((tmp_path / "artifacts/bench/data.json").read_text())["archives"]
    assert (found["posts"], found["words"]) == (12, 24000) and "12 posts, 24,000 words" in said
    for stages in (found["stages"], found["three_more"]):
        assert list(stages) == ["01_ingest", "02_prepare", "03_split"] and all(
            s["seconds"] > 0 and s["mb"] > 20 for s in stages.values()
        )
    assert found["seconds"] == pytest.approx(sum(s["seconds"] for s in found["stages"].values()), abs=0.02)
    assert found["peak_mb"] == max(s["mb"] for s in found["stages"].values())
    assert list(tmp_path.iterdir()) == [tmp_path / "artifacts"]


def test_bench_pipeline_makes_posts_like_real_ones(tmp_path):
    """Markdown of about the asked length with the blocks that real posts have, another one for each number, and the
    same again."""
    import bench_pipeline

    from corpus.readers import read_post

    words = bench_pipeline.vocabulary()
    made = [bench_pipeline.synthetic_post(number, words) for number in range(30)]
    assert len(set(made)) == 30 and made[7] == bench_pipeline.synthetic_post(7, words)
    (tmp_path / "a.md").write_text(made[7])
    post = read_post(tmp_path / "a.md", 1e7)
    assert (
        post.title == "Post 7"
        and post.date == "2000-01-08"
        and 0.8 * bench_pipeline.POST_WORDS < len(post.text.split()) < 1.2 * bench_pipeline.POST_WORDS
    )
    everything = "".join(made)
    assert all(mark in everything for mark in ("\n## ", "\n- ", "\n> ", "```python", "](https://"))
