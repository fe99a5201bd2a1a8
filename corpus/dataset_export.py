"""The training examples as datasets for other tools: their formats, filtered and deduplicated, whole posts held out."""

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blogtwin.files import atomic_directory, write_jsonl
from blogtwin.models.chat import prompt_messages
from blogtwin.text.tokens import tokenise_words
from corpus.examples import Row, post_examples

EXPORT_DIR = Path("data/export")
CARD_TEMPLATE = Path(__file__).with_name("dataset_card.md.j2")
FORMATS = ("chatml", "alpaca", "sharegpt", "completion", "text")
SHAREGPT_ROLES = {"system": "system", "user": "human", "assistant": "gpt"}
# The quality filter. Shares of a text at which it is a list, a log or noise; chosen by looking at what they reject.
MIN_WORDS = 40
MAX_SAME_WORD = 0.2  # of the words: the most frequent one
MAX_SAME_LINE = 0.3  # of the lines: those that repeat another
MIN_LETTERS = 0.6  # of the characters: letters and white space
# Deduplication: a text is a duplicate if this share of the shorter one's shingles is in both.
SHINGLE_WORDS, MIN_SIMILARITY = 5, 0.8


def split_examples(
    examples: list[Row],
    form: str,
    validation_split: float = 0.0,
    seed: int = 0,
    deduplicate: bool = False,
    quality_filter: bool = False,
) -> dict[str, list[Row]]:
    """{"train": examples, "validation": examples}, filtered as the options say.

    form: one of FORMATS; "text" has no prompts, so a passage with several prompts appears in it once.
    validation_split: the fraction of the posts held out, 0 to 1; no post is in both.
    """
    if form == "text":
        examples = post_examples(examples)
    if quality_filter:
        examples = [e for e in examples if passes_quality_filter(e["output"])]
    if deduplicate:
        examples = deduplicate_rows(examples)
    posts = sorted({e["post_id"] for e in post_examples(examples)})
    random.Random(seed).shuffle(posts)
    num_held_out = max(1, round(validation_split * len(posts))) if validation_split else 0
    held_out = set(posts[:num_held_out])
    return {
        "train": [e for e in examples if e["post_id"] not in held_out],
        "validation": [e for e in examples if e["post_id"] in held_out],
    }


def format_row(example: Mapping[str, Any], form: str, system: str) -> dict[str, Any]:
    """An example as a row of one of FORMATS. `system`: the system message; empty for none."""
    if form == "text":
        return {"text": example["output"]}
    prompt = prompt_messages(dict(example), system)
    if not system:
        prompt = prompt[1:]
    if form == "alpaca":
        row = {key: example[key] for key in ("instruction", "input", "output")}
        return {**row, "system": prompt[0]["content"]} if system else row
    if form == "completion":
        return {"prompt": "\n\n".join(m["content"] for m in prompt) + "\n\n", "completion": example["output"]}
    messages = [*prompt, {"role": "assistant", "content": example["output"]}]
    if form == "sharegpt":
        return {"conversations": [{"from": SHAREGPT_ROLES[m["role"]], "value": m["content"]} for m in messages]}
    return {"messages": messages}


def passes_quality_filter(text: str) -> bool:
    """True for a text long enough to show a style, mostly of words, that repeats neither one word nor one line."""
    words, lines = tokenise_words(text), [line for line in text.split("\n") if line.strip()]
    if len(words) < MIN_WORDS:
        return False
    most_frequent = Counter(words).most_common(1)[0][1]
    letters = sum(c.isalpha() or c.isspace() for c in text)
    return (
        most_frequent <= MAX_SAME_WORD * len(words)
        and letters > MIN_LETTERS * len(text)
        and len(lines) - len(set(lines)) <= MAX_SAME_LINE * len(lines)
    )


def deduplicate_rows(examples: list[Row]) -> list[Row]:
    """Without near-duplicates of an earlier example, excerpts of one, and extensions of one.

    Texts shorter than a shingle are duplicates only of equal ones.
    """
    distinct: list[Row] = []
    seen: list[set[tuple[str, ...]]] = []
    for example in examples:
        shingles = _shingles(tokenise_words(example["output"]))
        if not any(_is_near_duplicate(shingles, other) for other in seen):
            distinct.append(example)
            seen.append(shingles)
    return distinct


def _shingles(words: list[str]) -> set[tuple[str, ...]]:
    runs = {tuple(words[i : i + SHINGLE_WORDS]) for i in range(len(words) - SHINGLE_WORDS + 1)}
    return runs or {tuple(words)}


def _is_near_duplicate(shingles: set[tuple[str, ...]], other: set[tuple[str, ...]]) -> bool:
    return len(shingles & other) >= MIN_SIMILARITY * min(len(shingles), len(other))


def write_dataset(parts: Mapping[str, list[Row]], form: str, system: str, author: str) -> Path:
    """Write EXPORT_DIR/<form>: a JSONL file per part that has rows, and the dataset card. Returns the folder."""
    parts = {name: rows for name, rows in parts.items() if rows}
    with atomic_directory(EXPORT_DIR / form) as folder:
        for name, rows in parts.items():
            write_jsonl(folder / f"{name}.jsonl", [format_row(row, form, system) for row in rows])
        (folder / "README.md").write_text(dataset_card(form, parts, author), encoding="utf-8")
    return EXPORT_DIR / form


def dataset_card(form: str, parts: Mapping[str, list[Row]], author: str) -> str:
    """The README.md of a Hugging Face dataset, with its metadata on top."""
    import jinja2

    num_rows = sum(len(rows) for rows in parts.values())
    size = "n<1K" if num_rows < 1000 else "1K<n<10K" if num_rows < 10_000 else "10K<n<100K"
    num_posts = {name: len({row["post_id"] for row in post_examples(rows)}) for name, rows in parts.items()}
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True)
    template = environment.from_string(CARD_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(format=form, parts=parts, size=size, num_posts=num_posts, author=author)
