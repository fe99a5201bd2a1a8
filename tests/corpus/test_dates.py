"""Days as people and programs write them; the order of 05/03/2019 by the whole archive."""

import datetime

import pytest

from corpus.dates import parse_date, settle_days
from corpus.ingest import ingest_folder
from tests.support.blog_exports import WORDS, put


@pytest.mark.parametrize(
    "value, day",
    [
        ("2019-08-02", "2019-08-02"),
        ("2019/8/2", "2019-08-02"),
        ("20190802", "2019-08-02"),
        (20190802, "2019-08-02"),
        ("20190802T101500Z", "2019-08-02"),
        ("2019:08:02 10:15:00", "2019-08-02"),
        ("<2019-08-02 Fri>", "2019-08-02"),
        (datetime.datetime(2019, 8, 2, 23), "2019-08-02"),
        (1564704000, "2019-08-02"),
        ("1564704000", "2019-08-02"),
        (1564704000123, "2019-08-02"),
        ("August 2, 2019", "2019-08-02"),
        ("Friday, August 2nd 2019, 9:05:11 pm", "2019-08-02"),
        ("2nd of August, 2019", "2019-08-02"),
        ("21st June 1998", "1998-06-21"),
        ("Fri, 02 Aug 2019 10:15:00 GMT", "2019-08-02"),
        ("Fri Aug  2 10:15:00 2019", "2019-08-02"),
        ("Fri Aug 2 10:15:00 UTC 2019", "2019-08-02"),
        ("02-Aug-2019", "2019-08-02"),
        ("02/Aug/2019:10:15:00 +0000", "2019-08-02"),
        ("2.8.2019", "2019-08-02"),
        ("2. 8. 2019", "2019-08-02"),
        ("2019. 8. 2.", "2019-08-02"),
        ("2 de agosto de 2019", "2019-08-02"),
        ("2. August 2019", "2019-08-02"),
        ("2 août 2019 à 10h15", "2019-08-02"),
        ("2019年8月2日", "2019-08-02"),
        ("2019-W31-5", "2019-08-02"),
        ("August the 2nd, 2019", "2019-08-02"),
        ("2 Aug ’19", "2019-08-02"),
        ("/Date(1564704000123+0200)/", "2019-08-02"),
        ("2019-214", "2019-08-02"),
    ],
)
def test_a_day_is_read_however_it_is_written(value, day):
    assert parse_date(value) == day


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        True,
        2019,
        "2019",
        "August 2019",
        "2019-22-08",
        "31/31/2019",
        "2019-W54-1",
        "2019-366",
        "soon",
        "Thu, 30 Nov -0001 00:00:00",
    ],
)
def test_what_is_no_day_is_none(value):
    assert parse_date(value) is None


def test_a_day_with_two_readings_says_so():
    assert [(day, day.order) for day in map(parse_date, ("05/03/2019", "25/03/2019", "3/25/2019", "4/4/2019"))] == [
        ("2019-05-03", "either"),
        ("2019-03-25", "day first"),
        ("2019-03-25", "month first"),
        ("2019-04-04", ""),
    ]
    assert parse_date("5.3.2019").order == ""


def days(folder, *values, words=WORDS):
    for number, value in enumerate(values):
        put(folder, f"{number}.md", f"---\ndate: {value}\n---\n{words} {number}")
    return [post["date"] for post in ingest_folder(folder, 5, 1e6)[0]]


@pytest.mark.parametrize("sure, day", [("25/03/2019", "2019-03-05"), ("03/25/2019", "2019-05-03")])
def test_the_archive_decides_the_order_of_day_and_month(tmp_path, sure, day):
    assert days(tmp_path, "05/03/2019", sure, "5/3/2019") == [day, "2019-03-25", day]


def test_without_a_sure_day_the_language_decides_the_order(tmp_path):
    german = "Wir gingen zum Hafen hinunter und sahen den Booten eine Stunde lang zu, und dann kam der Regen. " * 3
    (tmp_path / "en").mkdir()
    (tmp_path / "de").mkdir()
    assert days(tmp_path / "en", "05/03/2019") == ["2019-05-03"]
    assert days(tmp_path / "de", "05/03/2019", words=german) == ["2019-03-05"]


def test_a_day_is_not_read_as_one_in_the_future():
    row = {"date": "2019-05-03", "lang": "en", "mended": []}
    settle_days([(row, "either")], today="2019-04-01")
    assert row["date"] == "2019-03-05"


def test_what_was_guessed_is_said_in_the_row(tmp_path):
    put(tmp_path, "a.md", f"---\ndate: 05/03/2019\n---\n{WORDS}")
    assert "05/03/2019" in ingest_folder(tmp_path, 5, 1e6)[0][0]["mended"][0]
