"""Datasets for other tools: the author's words unchanged, no post in two splits, the options do what they say."""

import json
import subprocess
import sys

import pytest

from corpus import dataset_export
from tests.support.workspace import ROOT, environment

ROW = {"id": "p-1", "post_id": "p", "instruction": "Write it.", "input": "So far.", "output": "Mine."}


@pytest.mark.parametrize(
    "form, bare, with_system",
    [
        (
            "alpaca",
            {"instruction": "Write it.", "input": "So far.", "output": "Mine."},
            {"instruction": "Write it.", "input": "So far.", "output": "Mine.", "system": "S"},
        ),
        (
            "chatml",
            {
                "messages": [
                    {"role": "user", "content": "Write it.\n\nSo far."},
                    {"role": "assistant", "content": "Mine."},
                ]
            },
            None,
        ),
        (
            "sharegpt",
            {"conversations": [{"from": "human", "value": "Write it.\n\nSo far."}, {"from": "gpt", "value": "Mine."}]},
            None,
        ),
        (
            "completion",
            {"prompt": "Write it.\n\nSo far.\n\n", "completion": "Mine."},
            {"prompt": "S\n\nWrite it.\n\nSo far.\n\n", "completion": "Mine."},
        ),
    ],
)
def test_a_row_of_each_format(form, bare, with_system):
    assert dataset_export.format_row(ROW, form, "") == bare
    found = dataset_export.format_row(ROW, form, "S")
    assert (
        found == with_system if with_system else json.dumps(found).count('"S"') == 1 and "system" in json.dumps(found)
    )


def test_a_post_is_in_one_split_only():
    rows = [{**ROW, "post_id": f"p{n // 3}", "id": str(n)} for n in range(60)]
    found = dataset_export.split_examples(rows, "chatml", 0.2, 7)
    train, held = ({r["post_id"] for r in found[name]} for name in ("train", "validation"))
    assert len(held) == 4 and not train & held and len(train | held) == 20
    assert (
        len(dataset_export.split_examples(rows, "chatml")["train"]) == 60
        and not dataset_export.split_examples(rows, "chatml")["validation"]
    )


def test_near_equal_and_poor_texts_are_left_out():
    words = [f"word{chr(97 + n % 26)}" for n in range(40)]
    texts = ["Mine.", "mine!", "Other.", " ".join(words), " ".join(["Well", *words[:30]])]
    assert [e["output"] for e in dataset_export.deduplicate_rows([{**ROW, "output": text} for text in texts])] == [
        "Mine.",
        "Other.",
        texts[3],
    ]
    assert dataset_export.passes_quality_filter(texts[3])
    assert not any(
        dataset_export.passes_quality_filter(text)
        for text in ("Short.", "1 2 3 " * 40, "the same line of words\n" * 20)
    )


def test_the_script_writes_rows_and_card_and_names_mistakes(tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    (tmp_path / "data/prepared").mkdir(parents=True)
    (tmp_path / "data/prepared/examples.jsonl").write_text(
        "".join(json.dumps({**ROW, "post_id": str(n)}) + "\n" for n in range(10))
    )

    def script(*arguments):
        return subprocess.run(
            [sys.executable, ROOT / "scripts/export_dataset.py", *arguments],
            cwd=tmp_path,
            env=environment(tmp_path),
            capture_output=True,
            text=True,
            timeout=300,
        )

    done = script("--format", "sharegpt", "--include-system", "--validation-split", "0.1")
    assert done.returncode == 0 and "9 train, 1 validation" in done.stdout, done.stderr
    folder = tmp_path / "data/export/sharegpt"
    assert len((folder / "train.jsonl").read_text().splitlines()) == 9
    assert "path: validation.jsonl" in (folder / "README.md").read_text()
    wrong = script("--validation-split", "1.5")
    assert wrong.returncode == 1 and wrong.stderr.startswith("error: --validation-split")
