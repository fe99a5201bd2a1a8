"""The training examples as other tools take them: their formats, poor and near-equal ones left out, whole posts held
out."""

import random
from collections import Counter
from pathlib import Path

from blogtwin.models.chat import prompt_messages
from blogtwin.text.tokens import tokenise_words
from corpus.examples import post_examples

FORMATS = ("chatml", "alpaca", "sharegpt", "completion", "text")
MIN_WORDS = 40
MAX_SAME_WORD, MAX_SAME_LINE, MIN_LETTERS = (
    0.2,
    0.3,
    0.6,
)  # shares of a text: its commonest word, lines that stood before, letters and blanks
SHINGLE, MIN_SIMILARITY = 5, 0.8  # words of a run; share of the shorter text's runs


def split_examples(
    examples: list[dict],
    form: str,
    held_out: float = 0.0,
    seed: int = 0,
    deduplicate: bool = False,
    quality_filter: bool = False,
) -> dict[str, list[dict]]:
    """The examples that are asked for, {"train": …, "validation": …}: whole posts in each, `held_out` of them (a share)
    in the second."""
    if form == "text":
        examples = post_examples(
            examples
        )  # where nothing is asked, a passage that is asked for twice would only stand there twice
    if quality_filter:
        examples = [e for e in examples if passes_quality_filter(e["output"])]
    if deduplicate:
        examples = deduplicate_rows(examples)
    posts = sorted({e["post_id"] for e in post_examples(examples)})
    random.Random(seed).shuffle(posts)
    held = set(posts[: max(1, round(held_out * len(posts)))]) if held_out else set()
    return {
        "train": [e for e in examples if e["post_id"] not in held],
        "validation": [e for e in examples if e["post_id"] in held],
    }


def format_row(example: dict, form: str, system: str) -> dict:
    """An example as a row of one of FORMATS."""
    if form == "text":
        return {"text": example["output"]}
    before = prompt_messages(example, system) if system else prompt_messages(example, system)[1:]
    if form == "alpaca":
        return {key: example[key] for key in ("instruction", "input", "output")} | (
            {"system": before[0]["content"]} if system else {}
        )
    said = [*before, {"role": "assistant", "content": example["output"]}]
    if form == "chatml":
        return {"messages": said}
    if form == "sharegpt":
        names = {"system": "system", "user": "human", "assistant": "gpt"}
        return {"conversations": [{"from": names[m["role"]], "value": m["content"]} for m in said]}
    return {"prompt": "\n\n".join(m["content"] for m in before) + "\n\n", "completion": example["output"]}


def passes_quality_filter(text: str) -> bool:
    """Long enough to show a voice, mostly words, and neither one word nor one line over and over."""
    found, lines = tokenise_words(text), [line for line in text.split("\n") if line.strip()]
    return (
        len(found) >= MIN_WORDS
        and Counter(found).most_common(1)[0][1] <= MAX_SAME_WORD * len(found)
        and sum(c.isalpha() or c.isspace() for c in text) > MIN_LETTERS * len(text)
        and len(lines) - len(set(lines)) <= MAX_SAME_LINE * len(lines)
    )


def deduplicate_rows(examples: list[dict]) -> list[dict]:
    """Without those whose runs of five words stand for the most part in one before, or in which one before stands;
    shorter texts must be equal."""
    kept: list[dict] = []
    seen: list[set] = []
    for example in examples:
        found = tokenise_words(example["output"])
        runs = {tuple(found[i : i + SHINGLE]) for i in range(len(found) - SHINGLE + 1)} or {tuple(found)}
        if not any(len(runs & other) >= MIN_SIMILARITY * min(len(runs), len(other)) for other in seen):
            kept.append(example)
            seen.append(runs)
    return kept


EXPORT_DIR = Path("data/export")


def dataset_card(form: str, parts: dict[str, list[dict]], author: str) -> str:
    """The README.md that a Hugging Face dataset begins with."""
    from corpus.examples import post_examples

    rows = [row for part in parts.values() for row in part]
    size = "n<1K" if len(rows) < 1000 else "1K<n<10K" if len(rows) < 10_000 else "10K<n<100K"
    files = "\n".join(f"  - split: {name}\n    path: {name}.jsonl" for name in parts)
    counts = "\n".join(
        f"| {name} | {len(part):,} | {len({r['post_id'] for r in post_examples(part)}):,} |"
        for name, part in parts.items()
    )
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
