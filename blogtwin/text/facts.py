"""The facts of a text, as far as they can be seen without understanding it: numbers, dates, names, links and quotes.

A rewrite should keep those of its source and invent none: `preserved_facts` and `unsupported_facts` compare two texts.
"""

import re
from typing import Literal, NamedTuple, get_args

from blogtwin.text import entities, numbers
from blogtwin.text.markdown import CODE_FENCE

Kind = Literal["number", "date", "name", "link", "quote"]
FACT_KINDS: tuple[Kind, ...] = get_args(Kind)
ADDRESS = r"(?:[^\s()<>\"“”]|\([^\s()<>]*\))+"
MARKDOWN_LINK = re.compile(rf"(?<=\]\()\s*<?({ADDRESS})>?(?:\s+(?:\"[^\"\n]*\"|'[^'\n]*'))?\s*(?=\))")
BARE_LINK = re.compile(
    rf"(?i)(?:https?://|www\.|mailto:){ADDRESS}|(?<![\w.+-])[\w.+-]{{1,64}}@[\w-]+(?:\.[\w-]+)*\.[a-z]{{2,}}\b|(?<![\w.@/-])(?:[a-z0-9-]+\.)+(?:com|org|net|edu|gov|info|io|dev|app|uk|de|fr|eu)\b(?:/{ADDRESS}?)?(?!\.?\w)"
)
QUOTED = re.compile(
    r"“([^“”]{3,600}?)”|„([^„“”]{3,600}?)[“”]|«([^«»]{3,600}?)»|(?<![\w\"])\"(?!\s)([^\"]{3,600}?)(?<!\s)\"(?!\w)|(?<!\w)‘([^‘]{3,600}?)’(?!\w)"
)
BLOCK_QUOTE = re.compile(r"(?m)(?:^[ ]{0,3}>[^\n]*(?:\n|\Z))+")


class Fact(NamedTuple):
    """A fact in its one spelling: 1200, 2019-06-20, port lanner, example.org/a, a quote without its marks."""

    kind: Kind
    value: str


def extract_facts(text: str) -> set[Fact]:
    """Every fact that the text states for certain; what may be one (“one”, a capital that opens a sentence) is left
    out."""
    text = CODE_FENCE.sub("\n", text)
    links, rest = _links(text)
    dates, undated = numbers.extract_dates(rest)
    found = {
        "number": numbers.extract_numbers(undated),
        "date": dates,
        "name": entities.extract_names(rest),
        "link": links,
        "quote": _quotes(text),
    }
    return {Fact(kind, value) for kind, values in found.items() for value in values}


def preserved_facts(context: str, text: str) -> set[Fact]:
    """The facts of `context` that stand in `text` too, in whatever spelling: “one” will do for 1, a surname for the
    whole name."""
    stated = extract_facts(text)
    rest = _links(text)[1]
    loose = {
        "number": numbers.weak_numbers(rest) | _date_numbers(stated),
        "name": entities.extract_names(rest, sure=False),
    }
    values = {kind: {f.value for f in stated if f.kind == kind} | loose.get(kind, set()) for kind in FACT_KINDS}
    flat = _flat(text)

    def stands(fact: Fact) -> bool:
        if fact.value in values[fact.kind]:
            return True
        if fact.kind == "date":
            return any(_same_date(fact.value, date) for date in values["date"])
        if fact.kind == "name":
            whole = entities.significant_words(fact.value)
            return any(whole <= other or other <= whole for other in map(entities.significant_words, values["name"]))
        return fact.kind in ("link", "quote") and _flat(fact.value) in flat

    return {fact for fact in extract_facts(context) if stands(fact)}


def unsupported_facts(context: str, text: str) -> set[Fact]:
    """The facts of `text` that `context` holds nowhere. A name is known by its words, a date by its day, month and
    year."""
    known = extract_facts(context)
    values = {kind: {f.value for f in known if f.kind == kind} for kind in FACT_KINDS}
    amounts = values["number"] | numbers.weak_numbers(context) | _date_numbers(known)
    words = {entities.normalise_name(w) for w in entities.WORD.findall(context)}
    flat = _flat(context)

    def stands(fact: Fact) -> bool:
        if fact.kind == "number":
            return fact.value in amounts
        if fact.kind == "date":
            return any(_follows(fact.value, date, amounts) for date in values["date"])
        if fact.kind == "name":
            return entities.significant_words(fact.value) <= words
        return fact.value in values[fact.kind] or _flat(fact.value) in flat

    return {fact for fact in extract_facts(text) if not stands(fact)}


def _links(text: str) -> tuple[set[str], str]:
    """(addresses without scheme, www and closing punctuation, the text with them blanked out)."""
    found = set()

    def take(match):
        address = re.sub(r"(?i)^(?:https?://|mailto:)?(?:www\.)?", "", match[match.lastindex or 0])
        host, slash, path = address.partition("/")
        found.add(
            (host.lower() + slash + path).rstrip(
                "/.,;:!?'*_)" if address.count("(") < address.count(")") else "/.,;:!?'*_"
            )
        )
        return " " * len(match[0])

    return found, BARE_LINK.sub(take, MARKDOWN_LINK.sub(take, text))


def _quotes(text: str) -> set[str]:
    """Quotes of two words or more, between quotation marks or in a block; a single quoted word is seldom a
    quotation."""
    blocks = [re.sub(r"(?m)^[ ]{0,3}>[ ]?", "", block) for block in BLOCK_QUOTE.findall(text)]
    marked = [next(filter(None, found)) for found in QUOTED.findall(BLOCK_QUOTE.sub("\n", text))]
    quotes = {_flat(q).strip(" .,;:!?…-–—\"'") for q in [*blocks, *marked] if "\n\n" not in q}
    return {q for q in quotes if " " in q}


def _flat(text: str) -> str:
    """Case, white space, emphasis and the shape of quotation marks folded."""
    return " ".join(re.sub(r"[*_`]", "", re.sub(r"[‘’]", "'", re.sub(r"[“”„«»]", '"', text))).casefold().split())


def _date_numbers(found: set[Fact]) -> set[str]:
    """Day, month and year of the dates, as numbers."""
    return {value for fact in found if fact.kind == "date" for value in numbers.date_fields(fact.value).values()}


def _same_date(source: str, other: str) -> bool:
    """The same weekday, or the same day and month; the year may go unsaid."""
    a, b = numbers.date_fields(source), numbers.date_fields(other)
    return (
        "weekday" not in a
        and "weekday" not in b
        and (a["month"], a.get("day")) == (b["month"], b.get("day"))
        and (a.get("year") or b.get("year")) == (b.get("year") or a.get("year"))
    )


def _follows(date: str, source: str, amounts: set[str]) -> bool:
    """Whether nothing of `date` contradicts `source`, and what it says beyond is among the numbers."""
    a, b = numbers.date_fields(date), numbers.date_fields(source)
    return a.keys() & b.keys() != set() and all(
        b[name] == value if name in b else value in amounts for name, value in a.items()
    )
