"""Drafts from people's notes, judged by keys that drafting never reads (eval/note_sets.py, eval/note_keys.py).

fact_recall      facts of the notes that the model's own words tell; the writer's lines that stand as they are count as
                 untold
role_accuracy    facts that stand in a sentence with what they belong to, of all that have such a role
negation_accuracy  denials that are told as denials, of all
unsupported_rate numbers, names, dates, links and quotes of the drafts that the notes don't hold, of all, pooled
own_words_rate   lines that stand in the writer's own words
"""

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blogtwin.drafting.candidates import SentenceWriter
from blogtwin.drafting.drafter import Drafter, DraftParagraph
from blogtwin.drafting.gates import TextChecks
from blogtwin.drafting.notes import NoteLine
from blogtwin.drafting.room import Room
from blogtwin.models import chat
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.text.facts import extract_facts, unsupported_facts
from corpus.augmentation import TEMPLATES
from eval import confidence_intervals, note_keys
from eval.note_sets import NoteSet

CONTEXT_TOKENS = 1024  # of a prompt and the paragraph so far
MAX_SEQUENCES = 16
RATES = ("fact_recall", "role_accuracy", "negation_accuracy", "own_words_rate")
OWN_WORDS = ("own_words", "verbatim", "heading")


def notes_example(lines: Sequence[str]) -> dict[str, str]:
    """The instruction and the input with which a passage is asked for from these lines."""
    return {"instruction": TEMPLATES["notes"][0], "input": "\n".join(f"- {line}" for line in lines)}


def trained_messages(system: str, lines: Sequence[str]) -> list[dict[str, str]]:
    """The chat that asks for a passage from these lines of notes, as the twin was trained to be asked."""
    return chat.prompt_messages(notes_example(lines), system)


class NotesModel:
    """A model that is asked for passages from notes: `messages(lines)` is the chat that asks. A context manager."""

    def __init__(
        self,
        weights: Path,
        adapter: Path | None,
        tokenizer: Any,
        messages: Callable[[Sequence[str]], list[dict[str, str]]],
    ) -> None:
        self.tokenizer, self.messages = tokenizer, messages
        self.model = LlamaModel(weights, adapter, CONTEXT_TOKENS, MAX_SEQUENCES)

    def __enter__(self) -> "NotesModel":
        return self

    def __exit__(self, *_: object) -> None:
        self.model.close()

    def encode_prompt(self, lines: Sequence[str]) -> list[int]:
        """Token ids of the prompt that asks for a passage from these lines."""
        return chat.encode_prompt(self.tokenizer, self.messages(lines))

    def writer(self, source: str, name: str) -> SentenceWriter:
        """What writes candidates for notes with their title, the `source`. `name`: the model's."""
        encode = functools.partial(chat.encode, self.tokenizer)
        return SentenceWriter(self.model, self.encode_prompt, encode, source, name)

    def drafter(
        self,
        title: str,
        notes: str,
        seed: int,
        per_round: int,
        checks: TextChecks | None = None,
        should_stop: Callable[[], bool] = lambda: False,
        name: str = "finetuned",
        room: Room = "own",
        lines: Sequence[NoteLine] | None = None,
    ) -> Drafter:
        """The search for one set of notes; see blogtwin.drafting.drafter.Drafter. `name`: the model's."""
        writer = self.writer(f"{title}\n{notes}", name)
        return Drafter(writer, title, notes, seed, per_round, checks, should_stop, room, lines)


@dataclass(frozen=True)
class DraftScore:
    """Counts of one draft: of each rate what is right and of how many."""

    name: str
    counts: dict[str, tuple[int, int]]
    contradictions: int
    words: int
    seconds: float

    def rate(self, name: str) -> float:
        """Share in [0, 1]; nan where there was nothing to count."""
        right, total = self.counts[name]
        return right / total if total else float("nan")


def score_draft(name: str, note_set: NoteSet, paragraphs: Iterable[DraftParagraph], seconds: float) -> DraftScore:
    """Judge a draft by the key of its notes."""
    sentences = [sentence for paragraph in paragraphs for sentence in paragraph.sentences]
    text = "\n\n".join(sentence.text for sentence in sentences if sentence.status not in OWN_WORDS)
    facts = [fact for line in note_set.notes for fact in line.facts]
    with_role = [fact for fact in facts if fact.of]
    denials = [note_keys.denials(line.denies, text) for line in note_set.notes if line.denies]
    source = f"{note_set.title}\n{note_set.as_text()}"
    counts = {
        "fact_recall": (sum(note_keys.is_told(fact, text) for fact in facts), len(facts)),
        "role_accuracy": (sum(note_keys.is_in_role(fact, text) for fact in with_role), len(with_role)),
        "negation_accuracy": (sum(bool(found) and all(found) for found in denials), len(denials)),
        "unsupported_rate": (len(unsupported_facts(source, text)), len(extract_facts(text))),
        "own_words_rate": (sum(s.status == "own_words" for s in sentences), len(note_set.notes)),
    }
    contradictions = sum(bool(note_keys.contradictions(line, text)) for line in note_set.notes)
    return DraftScore(name, counts, contradictions, len(text.split()), seconds)


def summarise(scores: list[DraftScore], seed: int) -> dict[str, Any]:
    """Each rate pooled over all drafts, with the 95 % t interval of its mean over drafts."""
    figures: dict[str, Any] = {"n": len(scores)}
    for name in (*RATES, "unsupported_rate"):
        right, total = (sum(score.counts[name][i] for score in scores) for i in (0, 1))
        figures[name] = round(right / total, 4) if total else None
        interval = confidence_intervals.mean_interval([score.rate(name) for score in scores], seed)
        figures |= {f"{name}_lo": round(interval["lo"], 4), f"{name}_hi": round(interval["hi"], 4)}
    figures["contradictions"] = sum(score.contradictions for score in scores)
    figures["words"] = round(sum(score.words for score in scores) / len(scores), 1)
    times = sorted(score.seconds for score in scores)
    figures["seconds_median"] = round(times[len(times) // 2], 2)
    figures["seconds_p95"] = round(times[min(len(times) - 1, int(0.95 * len(times)))], 2)
    return figures
