"""The training examples in other formats: whole posts on either side of the split, near-duplicates left out."""

from collections import Counter

from _shared import SPLIT, read_jsonl
from corpus.examples import of_posts
from corpus.similar import words
from train import chat

FEWEST_WORDS, SHINGLE, NEAR, SAME_WORD = 40, 5, 0.8, 0.2


def tables(asked, system: str) -> dict[str, list[dict]]:
    """{"train": rows, "validation": rows} of the posts the twin may learn from; the test posts are in neither."""
    examples = read_jsonl(SPLIT / "train.jsonl") + read_jsonl(SPLIT / "valid.jsonl")
    if asked.format == "text":
        examples = of_posts(examples)  # where nothing is asked, a passage that is asked for twice would only stand there twice
    if asked.quality_filter:
        examples = [e for e in examples if good(e["output"])]
    if asked.deduplicate:
        examples = distinct(examples)
    posts = list(dict.fromkeys(e["post_id"] for e in of_posts(examples)))
    held = set(posts[len(posts) - round(asked.validation_split * len(posts)) :])
    rows = {"train": [e for e in examples if e["post_id"] not in held], "validation": [e for e in examples if e["post_id"] in held]}
    return {name: [rendered(e, asked, system) for e in some] for name, some in rows.items()}


def rendered(example: dict, asked, system: str) -> dict:
    if asked.format == "text":
        return {"text": example["output"]}
    if asked.format == "alpaca":
        return {k: example[k] for k in ("instruction", "input", "output")} | ({"system": example.get("system") or system} if asked.include_system else {})
    messages = chat.messages(example, system) if asked.include_system else chat.messages(example, system)[1:]
    return {"messages": [*messages, {"role": "assistant", "content": example["output"]}]}


def good(text: str) -> bool:
    """Long enough to show a voice, and no list of one word."""
    found = words(text)
    return len(found) >= FEWEST_WORDS and Counter(found).most_common(1)[0][1] / len(found) <= SAME_WORD


def distinct(examples: list[dict]) -> list[dict]:
    """Without those that share four fifths of their runs of five words with one before."""
    kept, seen = [], []
    for example in examples:
        found = words(example["output"])
        runs = {tuple(found[i : i + SHINGLE]) for i in range(len(found) - SHINGLE + 1)}
        if not any(len(runs & other) >= NEAR * min(len(runs), len(other)) for other in seen if runs and other):
            kept.append(example)
            seen.append(runs)
    return kept
