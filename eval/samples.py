"""samples.jsonl: for each prompt what every system wrote, with the figures of that one text."""

from dataclasses import dataclass, field
from typing import Any

from blogtwin.files import nan_to_none
from eval.likelihood import bits_per_byte
from eval.rounding import round_metric
from eval.style.verification import Scores


@dataclass(frozen=True)
class TextFigures:
    """Figures a text, by system, in the order of the prompts: `copies` of CopyDetector.measure, `style` by feature
    family. `titles` are the training posts'; `sentences`: of the twin's texts, see eval/style/sentences.py."""

    copies: dict[str, list[dict[str, Any]]]
    style: dict[str, Scores]
    titles: list[str]
    sentences: list[dict[str, list[str]]] = field(default_factory=list)


def build_samples(
    rows: list[dict[str, Any]],
    models: list[str],
    prompts: list[dict[str, Any]],
    briefs: list[str],
    figures: TextFigures,
) -> list[dict[str, Any]]:
    """One row a prompt: {id, post_id, prompt, brief, author: the post itself, and each model's text with its
    figures}."""
    answers = {(row["system"], row["id"]): row for row in rows if "id" in row}
    samples = []
    for i, example in enumerate(prompts):
        sample = {
            "id": example["id"],
            "post_id": example["post_id"],
            "prompt": example["instruction"],
            "brief": briefs[i],
            "author": example["output"],
        }
        for name in models:
            sample[name] = _entry(answers[name, example["id"]], name, i, figures)
        samples.append(nan_to_none(sample))
    return samples


def _entry(row: dict[str, Any], system: str, i: int, figures: TextFigures) -> dict[str, Any]:
    """A system's text on prompt `i`. `source`: the title of the post that its longest copied run is from."""
    entry = {"text": row["text"], "end": row["end"], "tokens": row["written_tokens"]}
    if row.get("read"):
        entry["bits_per_byte"] = round_metric(bits_per_byte([row["read"]]))
    entry["style"] = {family: round_metric(scores.texts[system][i]) for family, scores in figures.style.items()}
    if system == "twin" and figures.sentences:
        entry["sentences"] = figures.sentences[i]
    entry |= figures.copies[system][i]
    entry["source"] = figures.titles[entry["source"]] if entry["longest_copy"] else None
    return entry
