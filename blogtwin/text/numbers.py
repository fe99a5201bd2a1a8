"""Numbers and dates of a text in normalised spelling: 1,200 and 1200, three and 3, 20th of June and June 20 are equal.

Digits are recognised in any language, number words and months in English. Units and currency signs are ignored.
"""

import re
from decimal import Decimal

SMALL = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
UNITS = {word: n for n, word in enumerate(SMALL)}
TENS = {
    word: 10 * n
    for n, word in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"], 2)
}
SCALES = {"dozen": 12, "hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
COUNTING_WORDS = "|".join([*UNITS, *TENS])
SPELLED_NUMBER = re.compile(
    rf"\b(?:(?:{COUNTING_WORDS})|an?(?=\s+(?:{'|'.join(SCALES)})\b))(?:(?:[ \t]+and[ \t]+|["
    rf" \t]+|-)(?:{COUNTING_WORDS}|{'|'.join(SCALES)})\b)*(?!\w)",
    re.I,
)
ORDINALS = [
    "first",
    "second",
    "third",
    "fourth",
    "fifth",
    "sixth",
    "seventh",
    "eighth",
    "ninth",
    "tenth",
    "eleventh",
    "twelfth",
]
# Words that may mean a number: they count as stating it, but not as inventing it.
NUMBER_HINTS = {
    "one": "1",
    "once": "1",
    "single": "1",
    "both": "2",
    "twice": "2",
    "pair": "2",
    "couple": "2",
    "half": "0.5",
    "quarter": "0.25",
}
NUMBER_HINTS |= {word: str(n) for n, word in enumerate(ORDINALS, 1)}
FRACTIONS = {"¼": ".25", "½": ".5", "¾": ".75"}
# Not inside a name (M8, GPT-4); a minus sign only where it can't be a range.
DIGITS = re.compile(
    rf"(?<![\w.])(?<![A-Z]-)(?:(?<![\w)])[-−])?\d+(?:[.,:'’\u00a0\u202f\u2009]\d+)*"
    rf"(?:\s+(?P<scale>(?i:{'|'.join(SCALES)}))\b)?"
)
MONTHS = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
]
DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
# “May” and “March” are months only with a capital.
MONTH = (
    r"(?P<month>(?i:jan(?:uary)?|feb(?:ruary)?|apr(?:il)?|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    r"|nov(?:ember)?|dec(?:ember)?)|Mar(?:ch)?|MARCH|May|MAY)\b\.?"
)
DAY = r"(?P<day>3[01]|[12]\d|0?[1-9])(?:st|nd|rd|th)?"
YEAR = r"(?P<year>[12]\d{3})"
DATES = [
    re.compile(r"(?<![\w-])(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?![\w-]|T\d)"),
    re.compile(r"(?<![\w./-])(?P<day>\d{1,2})([./-])(?P<month>\d{1,2})\2(?P<year>\d{4})(?![\w/-])"),
    re.compile(r"(?<![\w./-])(?P<day>\d{1,2})/(?P<month>\d{1,2})/(?P<year>\d\d)(?![\w/-])"),
    re.compile(rf"(?<![\w.,])(?:[Tt]he\s+)?{DAY}(?:\s+of)?\s+{MONTH}(?:,?\s+(?:of\s+)?{YEAR}\b)?"),
    re.compile(rf"\b{MONTH}\s+(?:the\s+)?{DAY}(?![\d:]|[.,]\d)(?:,?\s+{YEAR}\b)?"),
    re.compile(rf"\b{MONTH},?\s+(?:of\s+)?{YEAR}\b"),
    re.compile(r"\b(?P<month>January|February|April|June|July|August|September|October|November|December)\b"),
    re.compile(
        r"\b(?:[Ii]n|[Oo]f|[Bb]y|[Uu]ntil|[Tt]ill|[Ss]ince|[Ll]ast|[Nn]ext|[Tt]his|[Ee]arly|[Mm]id|[Ll]ate"
        r"|[Ee]very|[Ff]rom|[Tt]o|and)[\s-]+(?P<month>May|March)\b"
    ),
    re.compile(rf"\b(?P<weekday>{'|'.join(d.title() for d in DAYS)})s?\b"),
]


def extract_dates(text: str) -> tuple[set[str], str]:
    """(dates, the text with them replaced by blanks).

    A date is ISO 8601 as far as it is known (2019-06-20, 2019-06, --06-20, --06), or a weekday. 20/06/2019 is read as
    day first, unless only month first makes sense.
    """
    found = set()
    for pattern in DATES:

        def blank_out(match: re.Match[str]) -> str:
            value = _date(match.groupdict())
            found.add(value)
            return " " * len(match[0]) if value else match[0]

        text = pattern.sub(blank_out, text)
    return found - {""}, text


def _date(parts: dict[str, str | None]) -> str:
    """The date of a match's groups; "" where it is no date of the calendar."""
    if weekday := parts.get("weekday"):
        return weekday.lower()
    year, month_text = parts.get("year") or "", parts.get("month") or ""
    if month_text.isdigit():
        month = int(month_text)
    else:
        month = next(n for n, name in enumerate(MONTHS, 1) if name.startswith(month_text[:3].lower()))
    day = int(parts.get("day") or 0)
    if month > 12 >= day > 0:
        month, day = day, month
    if not 1 <= month <= 12 or day > 31:
        return ""
    year = f"20{year}" if len(year) == 2 else year or "-"
    return f"{year}-{month:02}" + (f"-{day:02}" if day else "")


def date_fields(date: str) -> dict[str, str]:
    """The fields of a date that are known: {"year", "month", "day"} without leading zeros, or {"weekday"}."""
    if date in DAYS:
        return {"weekday": date}
    match = re.fullmatch(r"(\d{4}|-)-(\d\d)(?:-(\d\d))?", date)
    assert match is not None, f"{date} is no date of extract_dates"
    fields = zip(("year", "month", "day"), match.groups(""))
    return {name: value.lstrip("0") for name, value in fields if value and value != "-"}


def extract_numbers(text: str) -> set[str]:
    """Numbers in digits or words, as plain decimals: 1200, 3.5, -4; a time stays 9:30.

    A single “one” does not count: it is a pronoun too often.
    """
    text = re.sub(r"(?m)^[ \t>]*\d{1,3}[.)][ \t]", "", text)  # the numbers of list items are no facts
    text = re.sub("[¼½¾]", lambda m: ("" if text[m.start() - 1 : m.start()].isdigit() else "0") + FRACTIONS[m[0]], text)
    found = {value for match in DIGITS.finditer(text) for value in _plain(match[0], match["scale"])}
    for match in SPELLED_NUMBER.finditer(DIGITS.sub(" ", text)):
        found |= {str(n) for n in _spelt(re.split(r"[\s-]+", match[0].lower()))}
    return found


def weak_numbers(text: str) -> set[str]:
    """Numbers that words like “one”, “twice” or “third” may mean."""
    return {NUMBER_HINTS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in NUMBER_HINTS}


def _plain(written: str, scale: str | None) -> list[str]:
    """The numbers in a run of digits and separators: one, or several where the separators make no sense in one.

    `scale`: the scale word at the end of `written` (“million”), if any.
    """
    if scale:
        written = written[: -len(scale)].rstrip()
    minus, digits = ("-", written[1:]) if written[0] in "-−" else ("", written)
    if re.fullmatch(r"\d{1,3}([,'’\u00a0\u202f\u2009])\d{3}(?:\1\d{3})*(?:\.\d+)?", digits):
        digits = re.sub(r"[^\d.]", "", digits)
    elif re.fullmatch(r"\d{1,3}(?:\.\d{3})+,\d+|\d{1,3}(?:\.\d{3}){2,}|\d+,\d{1,2}|\d+,\d{4,}", digits):
        # as in German: 1.200,5 and 3,5
        digits = digits.replace(".", "").replace(",", ".")
    if re.fullmatch(r"\d{1,2}:\d\d", digits):
        return [re.sub(r"^0(?=\d)|:00$", "", digits)]
    if not re.fullmatch(r"\d+(?:\.\d+)?", digits):
        if digits.count(".") >= 2:  # a version number
            return [digits]
        return [value for part in re.findall(r"\d+", digits) for value in _plain(part, None)]
    value = Decimal(digits) * SCALES.get((scale or "").lower(), 1)
    return [minus + f"{value.normalize():f}"]


def _spelt(words: list[str]) -> list[int]:
    """The numbers in a run of number words: “two hundred and five” is one, “three four” are two, “one” none."""
    runs: list[list[str]] = [[]]
    last = 0  # value of the word before: only a smaller one adds to it
    for word in words:
        if word in ("and", "a", "an"):
            continue
        value = UNITS.get(word, TENS.get(word, 0))
        if word not in SCALES and last and (last < 20 or value >= last):
            runs.append([])
        runs[-1].append(word)
        last = SCALES.get(word, value)
    return [_value(run) for run in runs if run != ["one"]]


def _value(run: list[str]) -> int:
    """The value of one number in words, without “and”."""
    total = part = 0
    for word in run:
        if word not in SCALES:
            part += UNITS.get(word, TENS.get(word, 0))
        elif SCALES[word] < 1000:
            part = (part or 1) * SCALES[word]
        else:
            total, part = total + (part or 1) * SCALES[word], 0
    return total + part
