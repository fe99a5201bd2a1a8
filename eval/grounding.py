"""Notes in, a draft out: what a twin is mostly used for, measured by its facts.

kept: of the numbers, names and key terms of the notes, the share that stands in the draft. invented: of the draft's
numbers and names, the share that stands nowhere in the notes; a draft that names none has invented none and says
nothing. The notes are made by rule from the opening of a held-out post, and hold every number and name of it, so that
the author's own text keeps all and invents nothing. A model that only repeats its notes does too: read both beside the
style, and beside how many facts a draft has.
"""

import functools
import math
import statistics
from collections import Counter

import snowballstemmer

from blogtwin.models import chat
from blogtwin.text import keyphrases
from blogtwin.text.facts import Fact, extract_facts, preserved_facts, unsupported_facts
from blogtwin.text.tokens import tokenise_words
from corpus import augmentation
from corpus.chunking import chunk
from corpus.cleaning import split_paragraphs
from eval import confidence_intervals
from eval.systems import NUM_SHOTS, System

PASSAGE_TOKENS, DRAFT_TOKENS = 160, 200  # tokens: of the passage that the notes are of, and the most of a draft
NUM_TERMS = 5
NOTES_PROMPT = augmentation.TEMPLATES["notes"][0]
CHECKED_KINDS = ("number", "date", "name")


def build_cases(examples: list[dict], training: list[str], count, seed: int, limit: int) -> list[dict]:
    """{"id", "passage", "given", "terms"} of the first `limit` examples whose first passage notes can be made of.
    `training`: posts, for what words tell."""
    weights, found = keyphrases.InverseDocumentFrequency(training), []
    for example in examples:
        if len(found) == limit:
            break
        passage = next(
            (
                p
                for p in chunk(split_paragraphs(example["output"]), count, PASSAGE_TOKENS, PASSAGE_TOKENS)
                if augmentation.is_mostly_prose(p)
            ),
            "",
        )
        wanted = augmentation.AugmentationRequest(
            f"{example['id']}-notes", {"title": ""}, 1, 1, "notes", passage, DRAFT_TOKENS
        )
        if passage and (given := augmentation.heuristic_prompt(wanted, weights, count, seed)):
            found.append(
                {"id": example["id"], "passage": passage, "given": given, "terms": key_terms(passage, given, weights)}
            )
    return found


def key_terms(passage: str, given: str, weights: keyphrases.InverseDocumentFrequency) -> list[str]:
    """The most telling words of the notes that are neither number nor name (TF-IDF)."""
    noted, times = set(tokenise_words(given)), Counter(tokenise_words(passage))
    rarity = {
        word: t.rarity
        for t in keyphrases.tokenise(passage, weights)
        if t.weight < math.inf and t.rarity
        for word in tokenise_words(t.shown)
        if word in noted and len(word) > 3
    }
    return sorted(rarity, key=lambda w: (-rarity[w] * (1 + math.log(times[w])), w))[:NUM_TERMS]


def to_example(case: dict) -> dict:
    """The case as a voice is asked it."""
    return {"instruction": NOTES_PROMPT, "input": case["given"]}


def notes_systems(system: str, shown: list[dict]) -> list[System]:
    """The base, plain and with five of the author's passages before its eyes, each after its notes; `shown` are cases
    of training posts."""
    shots = []
    for case in shown[:NUM_SHOTS]:
        shots += [chat.prompt_messages(to_example(case), system)[1], {"role": "assistant", "content": case["passage"]}]
    return [System("base", system), System("five_shot", system, shots)]


def score_draft(case: dict, text: str) -> dict[str, float]:
    """{kept, invented, facts} of a draft; nan where there was nothing to keep, or no fact in it."""
    noted = {f for f in preserved_facts(case["passage"], case["given"]) if f.kind in CHECKED_KINDS}
    said = {stem(w) for w in tokenise_words(text)}
    stands = len(noted & preserved_facts(case["passage"], text)) + sum(stem(t) in said for t in case["terms"])
    own = _of_kinds(extract_facts(text))
    new = _of_kinds(unsupported_facts(f"{NOTES_PROMPT}\n\n{case['given']}", text))
    wanted = len(noted) + len(case["terms"])
    return {
        "kept": stands / wanted if wanted else math.nan,
        "invented": len(new) / len(own) if own else math.nan,
        "facts": len(own),
    }


def stem(word: str) -> str:
    """The stem of an English word (Snowball, also called Porter2): the same for “carry” and “carried”."""
    return _stemmer().stemWord(word)


@functools.cache
def _stemmer():
    return snowballstemmer.stemmer("english")


def _of_kinds(found: set[Fact]) -> set[Fact]:
    return {f for f in found if f.kind in CHECKED_KINDS}


def grounding_metrics(rows: list[dict], seed: int) -> tuple[dict[str, dict], dict[str, dict]]:
    """({voice: {"kept", "kept_lo", "kept_hi", "invented", …, "facts", "n"}}, the same of twin − rival, case by case, by
    "over_…")."""
    drafts: dict[str, dict[str, dict]] = {}
    for row in rows:
        drafts.setdefault(row["voice"], {})[row["notes"]["id"]] = score_draft(row["notes"], row["text"])
        drafts.setdefault("author", {})[row["notes"]["id"]] = score_draft(row["notes"], row["notes"]["passage"])
    found = {
        voice: _figures(
            {
                k: confidence_intervals.mean_interval([s[k] for s in by_case.values()], seed)
                for k in ("kept", "invented")
            }
        )
        for voice, by_case in drafts.items()
    }
    for voice, by_case in drafts.items():
        found[voice] |= {"facts": round(statistics.mean(s["facts"] for s in by_case.values()), 2), "n": len(by_case)}
    gain = {}
    for rival in ("base", "five_shot", "swap"):
        if rival in drafts and "twin" in drafts:
            both = [(drafts["twin"][case], drafts[rival][case]) for case in drafts[rival] if case in drafts["twin"]]
            gain[f"over_{rival}"] = _figures(
                {
                    k: confidence_intervals.paired_difference([a[k] for a, _ in both], [b[k] for _, b in both], seed)
                    for k in ("kept", "invented")
                }
            )
    return found, gain


def _figures(found: dict[str, dict]) -> dict[str, float]:
    return {
        f"{name}{end}": round(one[key], 4)
        for name, one in found.items()
        for end, key in (("", "mean"), ("_lo", "lo"), ("_hi", "hi"))
    }
