"""Drafts from people's notes, judged by keys that drafting never reads (eval/note_sets.py, eval/note_keys.py).

fact_recall       facts of the notes that the model's own words tell; the writer's lines that stand as they are count as
                  untold
role_accuracy     facts that stand in a sentence with what they belong to, of all that have such a role
negation_accuracy denials that are told as denials, of all
unsupported_rate  numbers, names, dates, links and quotes of the drafts that the notes don't hold, of all, pooled
unsupported_rate_second  the same by an extractor that shares no rule with drafting (eval/second_extractor.py)
foreign_rate      sentences that nothing in the notes supports, of all (eval/draft_checks.py)
read_out_rate     sentences that read a line of the notes out, of all
alarm_rate        drafts that raise an alarm of any kind (eval/draft_checks.py); `alarms` counts each kind
own_words_rate    lines that stand in the writer's own words

The author's own passage is scored beside them: what it reaches is the ceiling, and where it errs is the noise.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import numpy as np

from blogtwin.drafting.drafter import DraftParagraph, DraftSentence
from blogtwin.files import nan_to_none
from blogtwin.text.facts import extract_facts, unsupported_facts
from blogtwin.text.sentences import split_sentences
from eval import confidence_intervals, note_keys, second_extractor
from eval.draft_checks import check_draft
from eval.note_sets import NoteFact, NoteSet
from eval.rounding import round_metric, with_interval
from eval.word_order import WordOrder, shipped_word_order

SHARES = ("fact_recall", "role_accuracy", "negation_accuracy", "own_words_rate")
RATES = (*SHARES, "unsupported_rate", "unsupported_rate_second", "foreign_rate", "read_out_rate", "leak_rate")
COMPARED = ("fact_recall", "role_accuracy", "negation_accuracy", "unsupported_rate_second", "foreign_rate")
OWN_WORDS = ("own_words", "verbatim", "heading")


@dataclass(frozen=True)
class DraftScore:
    """Counts of one draft: of each rate how many and of how many. `facts`: numbers and names by the second extractor;
    `unsupported`: those of them that the notes don't hold. `first_seconds`: until the first paragraph was there."""

    name: str
    counts: dict[str, tuple[int, int]]
    contradictions: int
    words: int
    facts: int
    seconds: float
    first_seconds: float
    word_order: float
    alarms: frozenset[str] = frozenset()
    unsupported: tuple[str, ...] = field(default=())

    def rate(self, name: str) -> float:
        """Share in [0, 1]; nan where there was nothing to count."""
        count, total = self.counts.get(name, (0, 0))
        return count / total if total else float("nan")

    def to_row(self) -> dict[str, Any]:
        """As JSON, without `unsupported`, whose values a draft may have from anywhere."""
        row = nan_to_none(asdict(self)) | {"alarms": sorted(self.alarms)}
        del row["unsupported"]
        return row

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> "DraftScore":
        """What `to_row` made; other keys of the row are left out."""
        known = {one.name: row[one.name] for one in fields(cls) if one.name in row}
        counts = {name: (count, total) for name, (count, total) in row["counts"].items()}
        order = float("nan") if row["word_order"] is None else row["word_order"]
        return cls(**known | {"counts": counts, "alarms": frozenset(row["alarms"]), "word_order": order})


def score_draft(
    name: str,
    note_set: NoteSet,
    paragraphs: Iterable[DraftParagraph],
    seconds: float,
    first_seconds: float,
    order: WordOrder | None = None,
    old_facts: Sequence[NoteFact] = (),
) -> DraftScore:
    """Judge a draft by the key of its notes. `old_facts`: facts that counterfactual notes no longer hold; a draft that
    tells one leaks it (`leak_rate`)."""
    sentences = [sentence for paragraph in paragraphs for sentence in paragraph.sentences]
    own = [sentence.text for sentence in sentences if sentence.status not in OWN_WORDS]
    text = "\n\n".join(own)
    facts = [fact for line in note_set.notes for fact in line.facts]
    with_role = [fact for fact in facts if fact.of]
    denials = [note_keys.denials(line.denies, text) for line in note_set.notes if line.denies]
    source = f"{note_set.title}\n{note_set.as_text()}"
    missing, found = second_extractor.unsupported(source, [text])[0]
    checks = check_draft(note_set, [s for part in own for s in split_sentences(part)], order or shipped_word_order())
    counts = {
        "fact_recall": (sum(note_keys.is_told(fact, text) for fact in facts), len(facts)),
        "role_accuracy": (sum(note_keys.is_in_role(fact, text) for fact in with_role), len(with_role)),
        "negation_accuracy": (sum(bool(said) and all(said) for said in denials), len(denials)),
        "unsupported_rate": (len(unsupported_facts(source, text)), len(extract_facts(text))),
        "unsupported_rate_second": (len(missing), len(found)),
        "foreign_rate": (len(checks.foreign), checks.sentences),
        "read_out_rate": (len(checks.read_out), checks.sentences),
        "own_words_rate": (sum(s.status == "own_words" for s in sentences), len(note_set.lines())),
    }
    if old_facts:
        counts["leak_rate"] = (sum(note_keys.is_told(fact, text) for fact in old_facts), len(old_facts))
    return DraftScore(
        name,
        counts,
        sum(bool(note_keys.contradictions(line, text)) for line in note_set.notes),
        len(text.split()),
        len(found),
        seconds,
        first_seconds,
        checks.word_order,
        checks.alarms,
        tuple(sorted(fact.value for fact in missing)),
    )


def as_paragraphs(text: str) -> list[DraftParagraph]:
    """A text whose sentences are all its writer's, for `score_draft`."""
    return [DraftParagraph([DraftSentence(sentence, "supported") for sentence in split_sentences(text)])]


def summarise(scores: Sequence[DraftScore], seed: int) -> dict[str, Any]:
    """Each rate pooled over all drafts, with the 95 % interval of its mean over drafts."""
    figures: dict[str, Any] = {"n": len(scores)}
    for name in RATES:
        count, total = (sum(score.counts.get(name, (0, 0))[i] for score in scores) for i in (0, 1))
        if not total:
            continue
        interval = confidence_intervals.mean_interval([score.rate(name) for score in scores], seed)
        figures |= with_interval(name, count / total, interval["lo"], interval["hi"])
    words = sum(score.words for score in scores)
    figures["facts_per_100_words"] = round(100 * sum(score.facts for score in scores) / words, 2) if words else None
    orders = confidence_intervals.mean_interval([score.word_order for score in scores], seed)
    figures["word_order"] = round_metric(orders["mean"])
    figures["alarm_rate"] = round_metric(sum(bool(score.alarms) for score in scores) / len(scores))
    figures["alarms"] = dict(sorted(Counter(kind for score in scores for kind in score.alarms).items()))
    figures["contradictions"] = sum(score.contradictions for score in scores)
    figures["words"] = round(words / len(scores), 1)
    for name, share, seconds in (
        ("seconds_median", 0.5, [score.seconds for score in scores]),
        ("seconds_p95", 0.95, [score.seconds for score in scores]),
        ("first_seconds_p95", 0.95, [score.first_seconds for score in scores]),
    ):
        figures[name] = round(float(np.quantile(seconds, share, method="inverted_cdf")), 2)
    return figures


def compare(one: Sequence[DraftScore], other: Sequence[DraftScore], seed: int) -> dict[str, float]:
    """one − other by rate, paired by set of notes, each with its 95 % interval."""
    theirs = {score.name: score for score in other}
    gain: dict[str, float] = {}
    for name in COMPARED:
        shared = [score for score in one if score.name in theirs]
        ours = [score.rate(name) for score in shared]
        found = confidence_intervals.paired_difference(ours, [theirs[s.name].rate(name) for s in shared], seed)
        gain |= with_interval(name, found["mean"], found["lo"], found["hi"])
    return gain
