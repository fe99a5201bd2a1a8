"""The training examples as other tools take them: their formats, poor and near-equal ones left out, whole posts held out."""

import random
from collections import Counter
from pathlib import Path

from blogtwin.models.chat import messages
from blogtwin.text.tokens import words
from corpus.examples import of_posts

FORMATS = ("chatml", "alpaca", "sharegpt", "completion", "text")
FEWEST_WORDS = 40
SAME_WORD, SAME_LINE, FEWEST_LETTERS = 0.2, 0.3, 0.6  # shares of a text: its commonest word, lines that stood before, letters and blanks
SHINGLE, NEAR = 5, 0.8  # words of a run; share of the shorter text's runs


def parts(examples: list[dict], form: str, held_out: float = 0.0, seed: int = 0, deduplicate: bool = False, quality_filter: bool = False) -> dict[str, list[dict]]:
    """The examples that are asked for, {"train": …, "validation": …}: whole posts in each, `held_out` of them (a share) in the second."""
    if form == "text":
        examples = of_posts(examples)  # where nothing is asked, a passage that is asked for twice would only stand there twice
    if quality_filter:
        examples = [e for e in examples if good(e["output"])]
    if deduplicate:
        examples = distinct(examples)
    posts = sorted({e["post_id"] for e in of_posts(examples)})
    random.Random(seed).shuffle(posts)
    held = set(posts[: max(1, round(held_out * len(posts)))]) if held_out else set()
    return {"train": [e for e in examples if e["post_id"] not in held], "validation": [e for e in examples if e["post_id"] in held]}


def row(example: dict, form: str, system: str) -> dict:
    """An example as a row of one of FORMATS."""
    if form == "text":
        return {"text": example["output"]}
    before = messages(example, system) if system else messages(example, system)[1:]
    if form == "alpaca":
        return {key: example[key] for key in ("instruction", "input", "output")} | ({"system": before[0]["content"]} if system else {})
    said = [*before, {"role": "assistant", "content": example["output"]}]
    if form == "chatml":
        return {"messages": said}
    if form == "sharegpt":
        names = {"system": "system", "user": "human", "assistant": "gpt"}
        return {"conversations": [{"from": names[m["role"]], "value": m["content"]} for m in said]}
    return {"prompt": "\n\n".join(m["content"] for m in before) + "\n\n", "completion": example["output"]}


def good(text: str) -> bool:
    """Long enough to show a voice, mostly words, and neither one word nor one line over and over."""
    found, lines = words(text), [line for line in text.split("\n") if line.strip()]
    return (
        len(found) >= FEWEST_WORDS
        and Counter(found).most_common(1)[0][1] <= SAME_WORD * len(found)
        and sum(c.isalpha() or c.isspace() for c in text) > FEWEST_LETTERS * len(text)
        and len(lines) - len(set(lines)) <= SAME_LINE * len(lines)
    )


def distinct(examples: list[dict]) -> list[dict]:
    """Without those whose runs of five words stand for the most part in one before, or in which one before stands; shorter texts must be equal."""
    kept: list[dict] = []
    seen: list[set] = []
    for example in examples:
        found = words(example["output"])
        runs = {tuple(found[i : i + SHINGLE]) for i in range(len(found) - SHINGLE + 1)} or {tuple(found)}
        if not any(len(runs & other) >= NEAR * min(len(runs), len(other)) for other in seen):
            kept.append(example)
            seen.append(runs)
    return kept


EXPORT = Path("data/export")


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
