"""Notes in, a draft out: what a twin is mostly used for, measured by its facts.

kept: of the numbers, names and key terms of the notes, the share that stands in the draft. invented: of the draft's numbers and
names, the share that stands nowhere in the notes; a draft that names none has invented none and says nothing. The notes are made
by rule from the opening of a held-out post, and hold every number and name of it, so that the author's own text keeps all and
invents nothing. A model that only repeats its notes does too: read both beside the style, and beside how many facts a draft has.
"""

import math
import statistics
from collections import Counter

from blogtwin.models import chat
from blogtwin.text import keyphrases
from blogtwin.text.facts import Fact, facts, invented, kept
from blogtwin.text.tokens import words
from corpus import augmentation
from corpus.chunking import cut
from corpus.cleaning import paragraphs
from eval import confidence_intervals
from eval.systems import SHOTS, Voice

PASSAGE, DRAFT = 160, 200  # tokens: of the passage that the notes are of, and the most of a draft
TERMS = 5
ASKED = augmentation.ASK["notes"][0]
KINDS = ("number", "date", "name")


def cases(examples: list[dict], training: list[str], count, seed: int, limit: int) -> list[dict]:
    """{"id", "passage", "given", "terms"} of the first `limit` examples whose first passage notes can be made of. `training`: posts, for what words tell."""
    weights, found = keyphrases.Weights(training), []
    for example in examples:
        if len(found) == limit:
            break
        passage = next((p for p in cut(paragraphs(example["output"]), count, PASSAGE, PASSAGE) if augmentation.mostly_prose(p)), "")
        wanted = augmentation.Wanted(f"{example['id']}-notes", {"title": ""}, 1, 1, "notes", passage, DRAFT)
        if passage and (given := augmentation.by_rule(wanted, weights, count, seed)):
            found.append({"id": example["id"], "passage": passage, "given": given, "terms": terms(passage, given, weights)})
    return found


def terms(passage: str, given: str, weights: keyphrases.Weights) -> list[str]:
    """The most telling words of the notes that are neither number nor name (TF-IDF)."""
    noted, times = set(words(given)), Counter(words(passage))
    rarity = {word: t.rarity for t in keyphrases.tokens(passage, weights) if t.weight < math.inf and t.rarity for word in words(t.shown) if word in noted and len(word) > 3}
    return sorted(rarity, key=lambda w: (-rarity[w] * (1 + math.log(times[w])), w))[:TERMS]


def example(case: dict) -> dict:
    """The case as a voice is asked it."""
    return {"instruction": ASKED, "input": case["given"]}


def speakers(system: str, shown: list[dict]) -> list[Voice]:
    """The base, plain and with five of the author's passages before its eyes, each after its notes; `shown` are cases of training posts."""
    shots = []
    for case in shown[:SHOTS]:
        shots += [chat.messages(example(case), system)[1], {"role": "assistant", "content": case["passage"]}]
    return [Voice("base", system), Voice("five_shot", system, shots)]


def score(case: dict, text: str) -> dict[str, float]:
    """{kept, invented, facts} of a draft; nan where there was nothing to keep, or no fact in it."""
    noted = {f for f in kept(case["passage"], case["given"]) if f.kind in KINDS}
    said = {stem(w) for w in words(text)}
    stands = len(noted & kept(case["passage"], text)) + sum(stem(t) in said for t in case["terms"])
    own = _of_kinds(facts(text))
    new = _of_kinds(invented(f"{ASKED}\n\n{case['given']}", text))
    wanted = len(noted) + len(case["terms"])
    return {"kept": stands / wanted if wanted else math.nan, "invented": len(new) / len(own) if own else math.nan, "facts": len(own)}


def stem(word: str) -> str:
    """Enough to find “boats” for “boat” and “ringing” for “rings”."""
    for ending in ("ing", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _of_kinds(found: set[Fact]) -> set[Fact]:
    return {f for f in found if f.kind in KINDS}


def metrics(rows: list[dict], seed: int) -> tuple[dict[str, dict], dict[str, dict]]:
    """({voice: {"kept", "kept_lo", "kept_hi", "invented", …, "facts", "n"}}, the same of twin − rival, case by case, by "over_…")."""
    drafts: dict[str, dict[str, dict]] = {}
    for row in rows:
        drafts.setdefault(row["voice"], {})[row["notes"]["id"]] = score(row["notes"], row["text"])
        drafts.setdefault("author", {})[row["notes"]["id"]] = score(row["notes"], row["notes"]["passage"])
    found = {voice: _figures({k: confidence_intervals.mean([s[k] for s in by_case.values()], seed) for k in ("kept", "invented")}) for voice, by_case in drafts.items()}
    for voice, by_case in drafts.items():
        found[voice] |= {"facts": round(statistics.mean(s["facts"] for s in by_case.values()), 2), "n": len(by_case)}
    gain = {}
    for rival in ("base", "five_shot", "swap"):
        if rival in drafts and "twin" in drafts:
            both = [(drafts["twin"][case], drafts[rival][case]) for case in drafts[rival] if case in drafts["twin"]]
            gain[f"over_{rival}"] = _figures({k: confidence_intervals.paired([a[k] for a, _ in both], [b[k] for _, b in both], seed) for k in ("kept", "invented")})
    return found, gain


def _figures(found: dict[str, dict]) -> dict[str, float]:
    return {f"{name}{end}": round(one[key], 4) for name, one in found.items() for end, key in (("", "mean"), ("_lo", "lo"), ("_hi", "hi"))}
