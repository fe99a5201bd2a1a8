"""Grounding: does a draft from notes tell the facts of the notes, and no others?

fact_recall: of the numbers, names and key terms of the notes, the share that stands in the draft. unsupported_rate: of
the draft's numbers and names, the share that stands nowhere in the notes (hallucinated); undefined for a draft without
any. unsupported_rate_second: the same by an extractor that shares no rule with drafting (eval/second_extractor.py).
role_accuracy: of the notes' numbers that count something, the share that counts the same in the draft; numbers that are
not told count as wrong.

The notes are made by rule from the opening of a held-out post and hold all of its numbers and names, so that the
author's own text has a fact_recall of 1 and an unsupported_rate of 0. Its role_accuracy, well below 1, is the ceiling
for a draft's, and its unsupported_rate_second is the noise of that extractor. A model that only repeats its notes has
good figures too: read them together with the style, and with the number of facts in a draft.
"""

import math
import statistics
from collections import Counter
from collections.abc import Callable
from typing import Any

from blogtwin.models import chat
from blogtwin.text import keyphrases
from blogtwin.text.facts import Fact, extract_facts, preserved_facts, unsupported_facts
from blogtwin.text.stems import stem
from blogtwin.text.tokens import tokenise_words
from corpus import augmentation
from corpus.chunking import chunk
from corpus.cleaning import split_paragraphs
from eval import confidence_intervals, second_extractor
from eval.rounding import with_interval
from eval.systems import NUM_SHOTS, System

PASSAGE_TOKENS, DRAFT_TOKENS = 160, 200  # maximum tokens of the passage that is turned into notes, and of a draft
NUM_TERMS = 5
NOTES_PROMPT = augmentation.TEMPLATES["notes"][0]
CHECKED_KINDS = ("number", "date", "name")
MEASURES = ("fact_recall", "unsupported_rate", "unsupported_rate_second", "role_accuracy")
RIVALS = ("base", "five_shot", "retrieval", "swap")


def build_cases(
    examples: list[dict[str, Any]], training: list[str], count: Callable[[str], int], seed: int, limit: int
) -> list[dict[str, Any]]:
    """{"id", "passage", "given", "terms"} of the first `limit` examples that have a passage of prose from which notes
    can be made. `training`: posts, for the document frequencies; `count`: tokens of a text."""
    weights = keyphrases.InverseDocumentFrequency(training)
    cases: list[dict[str, Any]] = []
    for example in examples:
        if len(cases) == limit:
            break
        passage = _first_prose_passage(example["output"], count)
        if not passage:
            continue
        request = augmentation.AugmentationRequest(
            f"{example['id']}-notes", {"title": ""}, 1, 1, "notes", passage, DRAFT_TOKENS
        )
        given = augmentation.heuristic_prompt(request, weights, count, seed)
        if given:
            terms = key_terms(passage, given, weights)
            cases.append({"id": example["id"], "passage": passage, "given": given, "terms": terms})
    return cases


def _first_prose_passage(text: str, count: Callable[[str], int]) -> str:
    """The first passage of a post that is mostly prose; empty if there is none."""
    for passage in chunk(split_paragraphs(text), count, PASSAGE_TOKENS, PASSAGE_TOKENS):
        if augmentation.is_mostly_prose(passage):
            return passage
    return ""


def key_terms(passage: str, given: str, weights: keyphrases.InverseDocumentFrequency) -> list[str]:
    """The words of the notes with the highest TF-IDF that are neither numbers nor names."""
    noted, frequency = set(tokenise_words(given)), Counter(tokenise_words(passage))
    rarity: dict[str, float] = {}
    for token in keyphrases.tokenise(passage, weights):
        if token.weight == math.inf or not token.rarity:  # a fact, or a word of every text
            continue
        for word in tokenise_words(token.shown):
            if word in noted and len(word) > 3:
                rarity[word] = token.rarity

    def tfidf(word: str) -> float:
        return rarity[word] * (1 + math.log(frequency[word]))

    return sorted(rarity, key=lambda word: (-tfidf(word), word))[:NUM_TERMS]


def to_example(case: dict[str, Any]) -> dict[str, str]:
    """The case as an example with a prompt, for `System.messages`."""
    return {"instruction": NOTES_PROMPT, "input": case["given"]}


def notes_systems(system_prompt: str, shown: list[dict[str, Any]]) -> list[System]:
    """The base model, plain and with five of the author's passages in its prompt, each after its notes; `shown` are
    cases of training posts."""
    shots = []
    for case in shown[:NUM_SHOTS]:
        _, question = chat.prompt_messages(to_example(case), system_prompt)
        shots += [question, {"role": "assistant", "content": case["passage"]}]
    return [System("base", system_prompt), System("five_shot", system_prompt, shots)]


def score_draft(case: dict[str, Any], text: str) -> dict[str, float]:
    """{MEASURES (0 to 1), facts (number), words} of a draft; nan where the notes have no facts, or the draft has
    none."""
    noted = _of_checked_kinds(preserved_facts(case["passage"], case["given"]))
    stems = {stem(word) for word in tokenise_words(text)}
    terms = [term for term in case["terms"] if stem(term) in stems]
    recalled = len(noted & preserved_facts(case["passage"], text)) + len(terms)
    expected = len(noted) + len(case["terms"])
    facts = _of_checked_kinds(extract_facts(text))
    source = f"{NOTES_PROMPT}\n\n{case['given']}"
    unsupported = _of_checked_kinds(unsupported_facts(source, text))
    missing, found = second_extractor.unsupported(source, [text])[0]
    in_role, with_role = second_extractor.numbers_in_role(case["given"], text)
    return {
        "fact_recall": recalled / expected if expected else math.nan,
        "unsupported_rate": len(unsupported) / len(facts) if facts else math.nan,
        "unsupported_rate_second": len(missing) / len(found) if found else math.nan,
        "role_accuracy": in_role / with_role if with_role else math.nan,
        "facts": len(facts),
        "words": len(text.split()),
    }


def _of_checked_kinds(facts: set[Fact]) -> set[Fact]:
    return {fact for fact in facts if fact.kind in CHECKED_KINDS}


def grounding_metrics(
    rows: list[dict[str, Any]], seed: int
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """({system: {MEASURES, each with its interval, facts, facts_per_100_words, n}}, {over_base, …: the same of twin −
    rival, paired by case}); empty where nothing was written from notes."""
    drafts: dict[str, dict[str, dict[str, float]]] = {}
    for row in rows:
        case = row["notes"]
        drafts.setdefault(row["system"], {})[case["id"]] = score_draft(case, row["text"])
        drafts.setdefault("author", {})[case["id"]] = score_draft(case, case["passage"])
    by_system: dict[str, dict[str, float]] = {}
    for system, by_case in drafts.items():
        entry = by_system[system] = {}
        for measure in MEASURES:
            values = [score[measure] for score in by_case.values()]
            entry |= _with_interval(measure, confidence_intervals.mean_interval(values, seed))
        entry["facts"] = round(statistics.mean(score["facts"] for score in by_case.values()), 2)
        words = sum(score["words"] for score in by_case.values())
        entry["facts_per_100_words"] = round(100 * sum(s["facts"] for s in by_case.values()) / max(1, words), 2)
        entry["n"] = len(by_case)
    gain = {}
    for rival in RIVALS:
        if rival in drafts and "twin" in drafts:
            gain[f"over_{rival}"] = _gain_over(drafts["twin"], drafts[rival], seed)
    return by_system, gain


def _gain_over(twin: dict[str, dict[str, float]], rival: dict[str, dict[str, float]], seed: int) -> dict[str, float]:
    """twin − rival, over the cases that both wrote."""
    cases = [case for case in rival if case in twin]
    gain: dict[str, float] = {}
    for measure in MEASURES:
        ours, theirs = [twin[case][measure] for case in cases], [rival[case][measure] for case in cases]
        gain |= _with_interval(measure, confidence_intervals.paired_difference(ours, theirs, seed))
    return gain


def _with_interval(measure: str, interval: dict[str, float]) -> dict[str, float]:
    return with_interval(measure, interval["mean"], interval["lo"], interval["hi"])
