"""The training examples in the formats of other tools, with a dataset card. The texts are yours: think before you publish them.

Reads   data/prepared/examples.jsonl
Writes  data/export/<format>/train.jsonl (and validation.jsonl), README.md
Run     python scripts/export_dataset.py --format chatml --include-system --validation-split 0.1
"""

import argparse
import random
from pathlib import Path

from _shared import PREPARED, UserError, load_params, making, read_jsonl, run, say, write_jsonl

EXPORT = Path("data/export")
FORMATS = ("chatml", "alpaca", "sharegpt", "completion")
FEWEST_WORDS = 30
MOST_REPEATED = 0.3  # share of a text's lines that stand in it more than once


def in_format(example: dict, form: str, system: str) -> dict:
    """An example as a row of `form`; `system` is left out where it is empty."""
    from train.chat import messages

    if form == "alpaca":
        return {"instruction": example["instruction"], "input": example["input"], "output": example["output"], **({"system": example.get("system") or system} if system else {})}
    *before, asked = messages(example, system)
    said = ([*before] if system else []) + [asked, {"role": "assistant", "content": example["output"]}]
    if form == "chatml":
        return {"messages": said}
    if form == "sharegpt":
        names = {"system": "system", "user": "human", "assistant": "gpt"}
        return {"conversations": [{"from": names[m["role"]], "value": m["content"]} for m in said]}
    return {"prompt": "\n\n".join(m["content"] for m in said[:-1]) + "\n\n", "completion": example["output"]}


def deduplicated(rows: list[dict]) -> list[dict]:
    """Without the later of two rows whose outputs are the same words."""
    from corpus.similar import words

    seen: set[str] = set()
    return [row for row in rows if (key := " ".join(words(row["output"]))) not in seen and not seen.add(key)]


def is_good(row: dict) -> bool:
    """Long enough, mostly words, and not one line over and over."""
    text = row["output"]
    lines = [line for line in text.split("\n") if line.strip()]
    letters = sum(c.isalpha() or c.isspace() for c in text)
    return len(text.split()) >= FEWEST_WORDS and letters > 0.6 * len(text) and len(lines) - len(set(lines)) <= MOST_REPEATED * len(lines)


def split(rows: list[dict], share: float, seed: int) -> dict[str, list[dict]]:
    """Whole posts only: {"train": rows, "validation": rows}, the second only where a share is asked for."""
    from corpus.examples import of_posts

    posts = sorted({row["post_id"] for row in of_posts(rows)})
    random.Random(seed).shuffle(posts)
    held = set(posts[: round(share * len(posts))] or posts[:1]) if share else set()
    parts = {"train": [r for r in rows if r["post_id"] not in held], "validation": [r for r in rows if r["post_id"] in held]}
    return parts if share else {"train": parts["train"]}


def card(form: str, parts: dict[str, list[dict]], author: str) -> str:
    """The README.md that a Hugging Face dataset begins with."""
    from corpus.examples import of_posts

    rows = [row for part in parts.values() for row in part]
    size = "n<1K" if len(rows) < 1000 else "1K<n<10K" if len(rows) < 10_000 else "10K<n<100K"
    files = "\n".join(f"  - split: {name}\n    path: {name}.jsonl" for name in parts)
    counts = "\n".join(f"| {name} | {len(part):,} | {len({r['post_id'] for r in of_posts(part)}):,} |" for name, part in parts.items())
    return f"""---
license: other
task_categories:
- text-generation
size_categories:
- {size}
configs:
- config_name: default
  data_files:
{files}
---

# Examples of {author or "one author"}'s writing

Format: {form}. The answers are the author's own words; what asks for them was made from titles, tags, headings and the posts themselves. No post is in two splits.

| split | rows | posts |
|---|---|---|
{counts}

Made with blogtwin. The texts belong to their author: ask before you use or share them, and don't pass a model's writing off as theirs.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--format", choices=FORMATS, default="chatml")
    parser.add_argument("--include-system", action="store_true", help="put prepare.system in front")
    parser.add_argument("--validation-split", type=float, default=0.0, metavar="SHARE", help="share of the posts held out")
    parser.add_argument("--deduplicate", action="store_true", help="leave out rows with the same output")
    parser.add_argument("--quality-filter", action="store_true", help="leave out very short, repetitive or wordless outputs")
    asked = parser.parse_args()
    if not 0 <= asked.validation_split < 1:
        raise UserError(f"--validation-split is {asked.validation_split:g}: give a share of the posts from 0 to under 1, such as 0.1.")
    params, rows = load_params(), read_jsonl(PREPARED / "examples.jsonl")
    before = len(rows)
    rows = deduplicated(rows) if asked.deduplicate else rows
    rows = [row for row in rows if is_good(row)] if asked.quality_filter else rows
    if not rows:
        raise UserError(f"None of the {before} examples is left: leave out --quality-filter, or look at {PREPARED / 'examples.jsonl'}.")
    parts = split(rows, asked.validation_split, params.prepare.seed)
    system = params.prepare.system if asked.include_system else ""
    with making(EXPORT / asked.format) as folder:
        for name, part in parts.items():
            write_jsonl(folder / f"{name}.jsonl", [in_format(row, asked.format, system) for row in part])
        (folder / "README.md").write_text(card(asked.format, parts, params.prepare.author), encoding="utf-8")
    counts = ", ".join(f"{len(part)} {name}" for name, part in parts.items())
    say(f"wrote {EXPORT / asked.format}: {counts} rows of {before} examples, and a dataset card (README.md)")


if __name__ == "__main__":
    run(main)
