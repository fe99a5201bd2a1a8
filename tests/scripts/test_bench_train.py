"""The benchmark of training measures all that it should, with TRL itself; its figures are the machine's, and not judged
here."""

import json

import pytest

from blogtwin.files import read_jsonl, write_jsonl
from tests.support.workspace import make_workspace, with_tiny

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.model]


def test_the_benchmark_measures_ours_and_trl(served, tiny_root, run_in, tmp_path):
    folder = make_workspace(tmp_path / "project")
    (folder / "data/split").mkdir(parents=True)
    for split in ("train", "valid"):
        rows = read_jsonl(served / f"data/split/{split}.jsonl")
        write_jsonl(folder / f"data/split/{split}.jsonl", [{**row, "output": row["output"][:400]} for row in rows])
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("base: smollm2:135m", f"base: {with_tiny(folder, tiny_root)}"))
    said = run_in(folder, "python scripts/bench_train.py --steps 2").stdout
    found = json.loads((folder / "artifacts/bench/train.json").read_text())
    assert found["ratio"] == pytest.approx(found["tokens_per_s"] / found["stock_trl_tokens_per_s"], rel=1e-3)
    assert found["roof_share"] == pytest.approx(found["tokens_per_s"] / found["roof_tokens_per_s"], rel=1e-2)
    assert found["packed_trl_tokens_per_s"] > 0 and found["loss"] > 0
    assert abs(found["loss_difference"]) < 0.05  # the same rows, batches and learning rate lead to the same place
    assert said.count("reached") + said.count("missed") == 3
