"""Facts of a text that can be recognised by rules: numbers, dates, names, links and quotes.

A rewrite should keep those of its source and add none: `preserved_facts` and `unsupported_facts` compare two texts.
"""

import functools
import re
from collections.abc import Iterable
from typing import Literal, NamedTuple, get_args

from blogtwin.text import entities, numbers
from blogtwin.text.markdown import CODE_FENCE

Kind = Literal["number", "date", "name", "link", "quote"]
FACT_KINDS: tuple[Kind, ...] = get_args(Kind)
ADDRESS = r"(?:[^\s()<>\"“”]|\([^\s()<>]*\))+"
MARKDOWN_LINK = re.compile(rf"(?<=\]\()\s*<?({ADDRESS})>?(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*(?=\))")
BARE_LINK = re.compile(
    rf"(?i)(?:https?://|www\.|mailto:){ADDRESS}"
    rf"|(?<![\w.+-])[\w.+-]{{1,64}}@[\w-]+(?:\.[\w-]+)*\.[a-z]{{2,}}\b"
    rf"|(?<![\w.@/-])(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|info|io|dev|app|uk|de|fr|eu)\b(?:/{ADDRESS}?)?(?!\.?\w)"
)
QUOTED = re.compile(
    r"“([^“”]{3,600}?)”|„([^„“”]{3,600}?)[“”]|«([^«»]{3,600}?)»"
    r"|(?<![\w\"])\"(?!\s)([^\"]{3,600}?)(?<!\s)\"(?!\w)|(?<!\w)‘([^‘]{3,600}?)’(?!\w)"
)
BLOCK_QUOTE = re.compile(r"(?m)(?:^[ ]{0,3}>[^\n]*(?:\n|\Z))+")


class Fact(NamedTuple):
    """A fact in normalised spelling: 1200, 2019-06-20, port lanner, example.org/a, a quote without quotation marks."""

    kind: Kind
    value: str


def extract_facts(text: str) -> set[Fact]:
    """The facts that the text states for certain. Uncertain ones (“one”, a capitalised first word) are left out."""
    text = CODE_FENCE.sub("\n", text)
    links, rest = _links(text)
    dates, undated = numbers.extract_dates(rest)
    found: dict[Kind, set[str]] = {
        "number": numbers.extract_numbers(undated),
        "date": dates,
        "name": entities.extract_names(rest),
        "link": links,
        "quote": _quotes(text),
    }
    return {Fact(kind, value) for kind, values in found.items() for value in values}


def preserved_facts(context: str, text: str) -> set[Fact]:
    """The facts of `context` that `text` states too, in any spelling: “one” for 1, a surname for the whole name."""
    return stated_facts(extract_facts(context), text)


def stated_facts(sought: Iterable[Fact], text: str) -> set[Fact]:
    """Those of the facts that `text` states, in any spelling."""
    facts = extract_facts(text)
    rest = _links(text)[1]
    uncertain = {
        "number": numbers.weak_numbers(rest) | _date_numbers(facts),
        "name": entities.extract_names(rest, strict=False),
    }
    values = {kind: values | uncertain.get(kind, set()) for kind, values in _by_kind(facts).items()}
    flat = _flat(text)

    def is_stated(fact: Fact) -> bool:
        if fact.value in values[fact.kind]:
            return True
        if fact.kind == "date":
            return any(_same_date(fact.value, date) for date in values["date"])
        if fact.kind == "name":
            whole = entities.significant_words(fact.value)
            return any(whole <= other or other <= whole for other in map(entities.significant_words, values["name"]))
        return fact.kind in ("link", "quote") and _flat(fact.value) in flat

    return {fact for fact in sought if is_stated(fact)}


def unsupported_facts(context: str, text: str) -> set[Fact]:
    """The facts of `text` that `context` does not support.

    A name is supported by its words, a date by its day, month and year.
    """
    values, amounts, words, flat = _supports(context)

    def is_supported(fact: Fact) -> bool:
        if fact.kind == "number":
            return fact.value in amounts
        if fact.kind == "date":
            return any(_follows(fact.value, date, amounts) for date in values["date"])
        if fact.kind == "name":
            return entities.significant_words(fact.value) <= words
        return fact.value in values[fact.kind] or _flat(fact.value) in flat

    return {fact for fact in extract_facts(text) if not is_supported(fact)}


@functools.lru_cache(16)  # a draft's notes are asked for each of its candidates
def _supports(context: str) -> tuple[dict[Kind, set[str]], set[str], set[str], str]:
    """(values of the facts of each kind, numbers, words of names, flat text) of a text, which nobody may change."""
    facts = extract_facts(context)
    values = _by_kind(facts)
    amounts = values["number"] | numbers.weak_numbers(context) | _date_numbers(facts)
    words = {entities.normalise_name(w) for w in entities.WORD.findall(context)}
    return values, amounts, words, _flat(context)


def _by_kind(facts: set[Fact]) -> dict[Kind, set[str]]:
    """The values of the facts of each kind."""
    return {kind: {f.value for f in facts if f.kind == kind} for kind in FACT_KINDS}


def _links(text: str) -> tuple[set[str], str]:
    """(URLs and e-mail addresses without scheme, www and closing punctuation; the text without them)."""
    found = set()

    def blank_out(match: re.Match[str]) -> str:
        address = re.sub(r"(?i)^(?:https?://|mailto:)?(?:www\.)?", "", match[match.lastindex or 0])
        host, slash, path = address.partition("/")
        punctuation = "/.,;:!?'*_"
        if address.count("(") < address.count(")"):
            punctuation += ")"
        found.add((host.lower() + slash + path).rstrip(punctuation))
        return " " * len(match[0])

    return found, BARE_LINK.sub(blank_out, MARKDOWN_LINK.sub(blank_out, text))


def _quotes(text: str) -> set[str]:
    """Quotes of two or more words, in quotation marks or block quotes. A single quoted word is seldom a quotation."""
    blocks = [re.sub(r"(?m)^[ ]{0,3}>[ ]?", "", block) for block in BLOCK_QUOTE.findall(text)]
    marked = [next(filter(None, found)) for found in QUOTED.findall(BLOCK_QUOTE.sub("\n", text))]
    quotes = {_flat(q).strip(" .,;:!?…-–—\"'") for q in [*blocks, *marked] if "\n\n" not in q}
    return {q for q in quotes if " " in q}


def _flat(text: str) -> str:
    """The text for comparison: case-folded, without emphasis, with straight quotation marks and single blanks."""
    text = re.sub(r"[‘’]", "'", re.sub(r"[“”„«»]", '"', text))
    return " ".join(re.sub(r"[*_`]", "", text).casefold().split())


def _date_numbers(facts: set[Fact]) -> set[str]:
    """Day, month and year of the dates, as numbers."""
    return {value for fact in facts if fact.kind == "date" for value in numbers.date_fields(fact.value).values()}


def _same_date(source: str, other: str) -> bool:
    """Whether two dates have the same day and month, and the same year where both have one."""
    a, b = numbers.date_fields(source), numbers.date_fields(other)
    return (
        "weekday" not in a
        and "weekday" not in b
        and (a["month"], a.get("day")) == (b["month"], b.get("day"))
        and (a.get("year") or b.get("year")) == (b.get("year") or a.get("year"))
    )


def _follows(date: str, source: str, amounts: set[str]) -> bool:
    """Whether `date` does not contradict `source`, and its additional fields are among the numbers `amounts`."""
    a, b = numbers.date_fields(date), numbers.date_fields(source)
    return a.keys() & b.keys() != set() and all(
        b[name] == value if name in b else value in amounts for name, value in a.items()
    )
