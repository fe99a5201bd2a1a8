"""Dates as people and programs write them → ISO days, and the order of day and month in 05/03/2019.

Common forms are read here, in microseconds; what is left (other languages, rare orders) by dateparser.
"""

import datetime
import email.utils
import functools
import re
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal, TypedDict

# Which order a day in the form 05/03/2019 has: some can be read in one order only (25/03/2019).
DayOrder = Literal["", "day first", "month first", "either"]
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\b\.?"
)
_DAY = r"(?P<day>\d{1,2})(?:st|nd|rd|th)?"
_YEAR = r"(?P<year>\d{4}|['’]\d\d)\b"
ISO_DAY = re.compile(r"[\s<(\[\"']*(?P<year>\d{4})[-/.:_]\s?(?P<month>\d{1,2})[-/.:_]\s?(?P<day>\d{1,2})(?!\d)")
COMPACT_DAY = re.compile(
    r"(?P<year>(?:19|20)\d\d)(?P<month>0[1-9]|1[0-2])(?P<day>0[1-9]|[12]\d|3[01])(?:T?\d{4,6}Z?)?\Z"
)
ENGLISH_DAYS = (
    # Thursday, July 27th 2023, 7:41:20 am
    re.compile(rf"(?i)(?<![\w/.-]){_MONTH}[\s,/-]*(?:the\s+)?{_DAY}[\s,/-]+{_YEAR}"),
    re.compile(rf"(?i)(?<![\w/.-]){_DAY}[\s,./-]*(?:of\s+)?{_MONTH}[\s,./-]*{_YEAR}"),  # Thu, 22 Aug 2019 10:00:00 GMT
    re.compile(rf"(?i)(?<![\w/.-]){_YEAR}[\s,.-]+{_MONTH}[\s,.-]+{_DAY}(?!\d)"),  # 2019 Aug 22
    re.compile(
        rf"(?i)(?<![\w/.-]){_MONTH}\s+{_DAY}\s+[\d:.]+(?:\s+[A-Z+-][\w:+-]*)?\s+{_YEAR}"
    ),  # Aug 22 10:00:00 2019
)
NUMERIC_DAY = re.compile(
    r"\s*(?P<first>\d{1,2})(?P<mark>[/.-])\s?(?P<second>\d{1,2})(?P=mark)\s?(?P<year>\d{4}|\d\d)(?!\d)"
)
ISO_WEEK_DAY = re.compile(r"(?P<year>\d{4})-?W(?P<week>\d\d)-?(?P<day>[1-7])(?!\d)")
ORDINAL_DAY = re.compile(r"(?P<year>(?:19|20)\d\d)-(?P<day>\d{3})\Z")
JSON_TIME = re.compile(r"\\?/Date\((?P<milliseconds>-?\d{9,16})(?:[+-]\d{4})?\)")  # of .NET
UNIX_TIME = re.compile(r"-?\d{9,16}(?:\.\d+)?\Z")
OTHER_DAY = re.compile(  # a day, a month in letters and a year, and little else
    r"(?=.*(?<!\d)\d{4}(?!\d))(?=.*(?<!\d)\d{1,2}(?!\d))(?=.*[^\W\d_])\S+(?:\s+\S+){0,7}\Z"
)
MAX_OTHER = 60  # characters
# fmt: off
LANGUAGES = [  # in which dateparser looks for a day: each that it tries costs time
    "de", "fr", "es", "it", "pt", "nl", "sv", "da", "nb", "fi", "pl", "cs", "sk", "hu", "ro", "ru", "uk", "bg", "hr",
    "tr", "el", "ja", "zh", "ko", "id", "vi", "ar", "he", "fa", "ca",
]
# fmt: on
FIRST_YEAR = 1000  # WordPress writes the year -0001 for drafts
MILLISECONDS, MICROSECONDS = 1e11, 1e14  # larger timestamps: as seconds they would be after the year 5000


class NumericDay(str):
    """An ISO day read from the form 05/03/2019, which may mean another: see `order`."""

    order: DayOrder = ""


class Dated(TypedDict):
    """What `settle_days` needs of a row of posts.jsonl."""

    date: str | None
    lang: str
    mended: list[str]


def parse_date(value: Any) -> str | None:
    """A date as front matter, documents, feeds and mails write it → ISO day; None for anything else.

    The day of 05/03/2019 is a `NumericDay`, read as month first until `settle_days` knows the archive.
    """
    if isinstance(value, datetime.datetime):
        return value.date().isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, bool) or value is None:
        return None
    return _parse_text(str(value).strip()[:100])


@functools.lru_cache(maxsize=10_000)
def _parse_text(text: str) -> str | None:
    match = ISO_DAY.match(text) or COMPACT_DAY.match(text)
    if match:
        return _iso_day(match["year"], match["month"], match["day"])
    if UNIX_TIME.match(text):
        return date_from_timestamp(text)
    if match := JSON_TIME.match(text):
        return date_from_timestamp(match["milliseconds"])
    if match := ISO_WEEK_DAY.match(text) or ORDINAL_DAY.match(text):
        return _counted_day(match)
    if match := NUMERIC_DAY.match(text):
        return _numeric_day(match)
    for pattern in ENGLISH_DAYS:
        if match := pattern.search(text):
            return _iso_day(match["year"], str(MONTHS.index(match["month"][:3].lower()) + 1), match["day"])
    try:
        return email.utils.parsedate_to_datetime(text).date().isoformat()  # years of two digits, among others
    except (ValueError, IndexError, TypeError, OverflowError):
        return _parse_other(text) if len(text) <= MAX_OTHER and OTHER_DAY.match(text) else None


def _iso_day(year: str, month: str, day: str) -> str | None:
    if not year.isdigit():  # ’19
        year = str(_whole_year(int(year[1:])))
    if int(year) < FIRST_YEAR:
        return None
    try:
        return datetime.date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None


def _counted_day(match: re.Match) -> str | None:
    """The day of a week, or of a year."""
    year, day, week = int(match["year"]), int(match["day"]), match.groupdict().get("week")
    try:
        if week:
            return datetime.date.fromisocalendar(year, int(week), day).isoformat()
        counted = datetime.date(year, 1, 1) + datetime.timedelta(days=day - 1)
    except (ValueError, OverflowError):
        return None
    return counted.isoformat() if counted.year == year else None


def _whole_year(year: int) -> int:
    """The year that two digits mean."""
    return year + (2000 if year < 70 else 1900)


def _numeric_day(match: re.Match) -> NumericDay | None:
    year = int(match["year"])
    if year < 100:
        year = _whole_year(year)
    month_first = _iso_day(str(year), match["first"], match["second"])
    day_first = _iso_day(str(year), match["second"], match["first"])
    if match["mark"] == ".":  # 5.3.2019 has one order wherever it is written
        month_first = None
    if not month_first and not day_first:
        return None
    day = NumericDay(month_first or day_first)
    if month_first != day_first and match["mark"] != ".":
        day.order = "either" if month_first and day_first else "month first" if month_first else "day first"
    return day


def _parse_other(text: str) -> str | None:
    """A day in another language ("9 de marzo de 2016", "2016年3月9日") → ISO day."""
    import warnings

    import dateparser

    settings = {"REQUIRE_PARTS": ["day", "month", "year"], "STRICT_PARSING": True}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = dateparser.parse(text, languages=LANGUAGES, settings=settings)
    except Exception:  # of many kinds, on text that is no date
        return None
    return found.date().isoformat() if found else None


def date_from_timestamp(seconds: Any) -> str | None:
    """Seconds, milliseconds or microseconds since 1970 → ISO day in UTC; None for what is no such number."""
    try:
        number = float(seconds)
        if abs(number) > MILLISECONDS:
            number /= 1_000_000 if abs(number) > MICROSECONDS else 1000
        return datetime.datetime.fromtimestamp(number, datetime.UTC).date().isoformat()
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def settle_days(rows: Sequence[tuple[Dated, DayOrder]], today: str = "") -> None:
    """Read the ambiguous days of an archive in the order of its others, and say so in their `mended`.

    rows: those whose day was a `NumericDay`, with its order. Where none has a single reading, no day may lie in the
    future; then the language decides: month first in English, day first in all others.
    """
    unsure = [row for row, order in rows if order == "either"]
    if not unsure:
        return
    counts = Counter(order for _, order in rows)
    today = today or datetime.date.today().isoformat()
    future = sum(str(row["date"]) > today for row in unsure) - sum(_swap(row["date"]) > today for row in unsure)
    english = sum(row["lang"] == "en" for row in unsure) > len(unsure) / 2
    if counts["day first"] != counts["month first"]:
        day_first = counts["day first"] > counts["month first"]
        why = "as the others of this archive"
    else:
        day_first = future > 0 if future else not english
        why = "or some would lie in the future" if future else "by the language"
    for row in unsure:
        if day_first:
            row["date"] = _swap(row["date"])
        row["mended"].append(f"a day like 05/03/2019, read as {'day' if day_first else 'month'} first, {why}")


def _swap(day: str | None) -> str:
    year, month, other = str(day).split("-")
    return f"{year}-{other}-{month}"
