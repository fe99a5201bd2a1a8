"""Facts are found in whatever spelling, kept and invented ones told apart; personal data is found, and ordinary numbers
are none."""

import pytest

from blogtwin.text.entities import extract_names
from blogtwin.text.facts import Fact, extract_facts, preserved_facts, unsupported_facts
from blogtwin.text.pii import find_leaks, find_personal_data


def values(text, kind):
    return {f.value for f in extract_facts(text) if f.kind == kind}


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1,200 rooks", {"1200"}),
        ("1200 rooks", {"1200"}),
        ("1\u202f200 rooks, 1\u00a0200 again", {"1200"}),
        ("1’200 Franken und 1.200.000 Euro und 1.200,50", {"1200", "1200000", "1200.5"}),
        ("3.5 kg", {"3.5"}),
        ("3,5 kg, 3.50 kg and 3½ kg", {"3.5"}),
        ("weighs 5kg, 70 mm thick, £2.90, 60p, 12 %", {"5", "70", "2.9", "60", "12"}),
        ("three times", {"3"}),
        ("3 times", {"3"}),
        ("twenty-one and two hundred and five, nineteen", {"21", "205", "19"}),
        (
            "a dozen, two dozen, a hundred, 1.2 million, five thousand two hundred",
            {"12", "24", "100", "1200000", "5200"},
        ),
        ("three four", {"3", "4"}),
        ("the one I bought", set()),  # a pronoun
        ("between 10-12 and 5–6, and -4 °C", {"10", "12", "5", "6", "-4"}),
        ("at 9:30 or 09:30, or 9:00", {"9:30", "9"}),
        ("an M8 nut, GPT-4 and a B-52", set()),  # parts of names
        ("1. first\n2. then\n10) last: 7", {"7"}),  # numbers of a list
        ("the 1990s, the mid-50s, the 20th", {"1990", "50", "20"}),
        ("In 2019. 4 radios", {"2019", "4"}),
        ("version 1.2.3", {"1.2.3"}),
        ("٣ كتب", {"3"}),
        ("``` \nx = 99\n```\nno code, 1 number", {"1"}),
    ],
)
def test_numbers(text, expected):
    assert values(text, "number") == expected


@pytest.mark.parametrize(
    "text, expected",
    [
        ("20th of June", {"--06-20"}),
        ("the 20th of June 2019", {"2019-06-20"}),
        ("June 20, 2019; 20 June 2019; 20 Jun 2019; 2019-06-20; 20/06/2019; 06/20/2019; 20.06.2019", {"2019-06-20"}),
        ("June 20", {"--06-20"}),
        ("in June 2019", {"2019-06"}),
        ("in June", {"--06"}),
        ("on Friday, and on Fridays", {"friday"}),
        ("I may march in may", set()),
        ("In May, and since March", {"--05", "--03"}),
        ("on 3 March it may be", {"--03-03"}),
        ("31/31/2019", set()),
    ],
)
def test_dates(text, expected):
    assert values(text, "date") == expected
    if expected and next(iter(expected))[0].isalnum() and len(next(iter(expected))) == 10:
        assert not values(text, "number"), "the parts of a date are not numbers of their own"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("I met Denzil and Mrs. Ablett in Port Lanner.", {"denzil", "mrs ablett", "port lanner"}),
        (
            "We saw O'Brien, O’Neill and D'Arcy at St Piran's, in Jack’s boat.",
            {"o'brien", "o'neill", "d'arcy", "st piran", "jack"},
        ),
        (
            "a letter from Zoë Müller of São Paulo and from Ørsted, to Łukasz",
            {"zoe muller of sao paulo", "ørsted", "łukasz"},
        ),
        ("the house of Vincent van Gogh and the University of Leeds", {"vincent van gogh", "university of leeds"}),
        ("Kettles boil. Rain fell. It was over.", set()),  # words that open sentences
        ("Denzil said no. Pask moved.", {"denzil"}),  # a verb of people follows the first; the second may be anything
        ("Pask moved. I saw Pask.", {"pask"}),
        ("Then Pask moved. On Friday Ines came, in June.", {"pask", "ines"}),
        ("He said: “Nothing works.” (Everything does.)", set()),
        ("We use NASA data, GitHub and an iPhone. M8 nuts hold.", {"nasa", "github", "iphone", "m8"}),
        ("I met J. Smith. I'm glad, I think.", {"smith"}),
        ("# How To Mend A Kettle\n\n**Key Points**: none\n\nHow To Mend Your Kettle Fast", set()),
        ("- Wenna Trescothick\n- a friend", set()),  # a label or a signature: nothing says that it is a name
        ("I read _The Library Book_ and *Ancillary Justice*.", {"library book", "ancillary justice"}),
        ("Marks & Spencer sells it at Marks & Spencer.", {"marks spencer"}),
    ],
)
def test_names(text, expected):
    assert values(text, "name") == expected


def test_a_name_that_only_opens_a_sentence_is_seen_when_looked_for():
    assert "pask" not in extract_names("Pask moved.") and "pask" in extract_names("Pask moved.", strict=False)
    assert preserved_facts("I saw Pask.", "Pask moved.") == {Fact("name", "pask")}


def test_links_and_quotes():
    text = (
        'See [part 1](old-post.md "t"), https://www.Example.org/A_(b)/, (http://example.net). Write to me@example.org;'
        " e.g. this.That."
    )
    assert values(text, "link") == {"old-post.md", "example.org/A_(b)", "example.net", "me@example.org"}
    assert (
        values("at https://example.org/2019/07/Port-Lanner", "number")
        == values("at https://example.org/Port", "name")
        == set()
    )
    quotes = (
        '“It held again,” she said. He was “fine”. "Two words." «Trois mots ici», ‘don’t you dare’. 5" by 7".\n\n>'
        " Check the wall\n> first."
    )
    assert values(quotes, "quote") == {
        "it held again",
        "two words",
        "trois mots ici",
        "don't you dare",
        "check the wall first",
    }


CONTEXT = (
    "On 20 June 2019 Wenna Trescothick sold 1,200 lamps in Port Lanner. Mrs Ablett said “it held again” at"
    " https://example.org/a. She bought 1 more, three times."
)


def test_a_text_keeps_its_own_facts_and_invents_none():
    assert preserved_facts(CONTEXT, CONTEXT) == extract_facts(CONTEXT) and not unsupported_facts(CONTEXT, CONTEXT)
    assert preserved_facts(CONTEXT, "") == set() == unsupported_facts(CONTEXT, "")


def test_another_spelling_keeps_a_fact():
    """Digits and words, a date without its year, a surname alone, one for 1, other quotation marks, no scheme."""
    text = (
        'It was June 20th. Trescothick sold 1200 lamps, then one more, 3 times, in Port Lanner, and Ablett said, "It'
        ' held again!" (www.example.org/a/)'
    )
    assert preserved_facts(CONTEXT, text) == extract_facts(CONTEXT)
    assert not unsupported_facts(CONTEXT, text)


@pytest.mark.parametrize(
    "text, lost",
    [
        ("On 21 June 2019", ("date", "2019-06-20")),
        ("On 20 June 2018", ("date", "2019-06-20")),
        ("In June", ("date", "2019-06-20")),
        ("12,000 lamps, 120 of them", ("number", "1200")),
        ("Port Isaac and Lanner Hill", ("name", "port lanner")),
        ("“it has held again”", ("quote", "it held again")),
        ("https://example.org/b", ("link", "example.org/a")),
    ],
)
def test_a_changed_fact_is_not_kept(text, lost):
    assert Fact(*lost) in extract_facts(CONTEXT) and Fact(*lost) not in preserved_facts(CONTEXT, text)


@pytest.mark.parametrize(
    "text, new",
    [
        ("She sold 1,300 lamps.", ("number", "1300")),
        ("She sold four lamps.", ("number", "4")),
        ("It was on 21 June.", ("date", "--06-21")),
        ("It was on Friday.", ("date", "friday")),
        ("She saw Denzil there.", ("name", "denzil")),
        ("Wenna Penrose came.", ("name", "wenna penrose")),
        ("“It never held,” said Mrs Ablett.", ("quote", "it never held")),
        ("See https://example.org/b.", ("link", "example.org/b")),
    ],
)
def test_a_new_fact_is_invented(text, new):
    assert Fact(*new) in unsupported_facts(CONTEXT, text)


@pytest.mark.parametrize(
    "text",
    [
        "In 2019 she did it, in June, on the 20th.",
        "Father Ablett of Lanner.",
        "Lamps are light. Nobody minds. “Held” is a word.",
        "One of them, the first, went once.",
    ],
)
def test_less_is_not_invented(text):
    assert not unsupported_facts(CONTEXT, text)


KEY = "AKIA" + "Q7XK2MZP4RTB9WLD"  # in two pieces, so that no scanner takes this file for a leak
TOKEN = "ghp_" + "a8Kd0sLq2Wz7Xn4Vb6Mt1Rc9Yp3Hf5Jg0TeU"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("write to wenna.t@trescothick.co.uk.", ("email", "wenna.t@trescothick.co.uk")),
        ("Wenna@Example.org", ("email", "wenna@example.org")),
        ("wenna [at] harbour (dot) net", ("email", "wenna@harbour.net")),
        ("from +44 20 7946 0958 any time", ("phone", "+442079460958")),
        ("0044 20 7946 0958", ("phone", "+442079460958")),
        ("+44 (0)20 7946 0958", ("phone", "+442079460958")),
        ("from +44 1632 960123, kept for films", ("phone", "+441632960123")),
        ("Tel.: 01632 960123", ("phone", "01632960123")),
        ("ring me on 960 1234", ("phone", "9601234")),
        ("the shop, (415) 555-2671", ("phone", "4155552671")),
        ("the loft has 01736 555 012 now", ("phone", "01736555012")),
        ("I live at 12 Quay Street, Port Lanner", ("address", "12 Quay Street")),
        ("Port Lanner TR18 4AB", ("address", "TR18 4AB")),
        ("San Francisco, CA 94103", ("address", "CA 94103")),
        ("in der Hauptstraße 12 in Ulm", ("address", "Hauptstraße 12")),
        ("au 12 bis, rue de la Paix", ("address", "12 bis, rue de la Paix")),
        ("P.O. Box 1234", ("address", "P.O. Box 1234")),
        (f"aws {KEY}", ("key", KEY)),
        (f"git clone with {TOKEN}", ("key", TOKEN)),
        ('password = "hunter2-Mx93kQ"', ("key", "hunter2-Mx93kQ")),
        ("the API key is q9Zt4Lw8Xc2Vb7Nm", ("key", "q9Zt4Lw8Xc2Vb7Nm")),
        ("Xc2Vb7Nm5Qw9Er3Ty6Ui8Op1As4Df0Gh2JkLz", ("key", "Xc2Vb7Nm5Qw9Er3Ty6Ui8Op1As4Df0Gh2JkLz")),
    ],
)
def test_personal_data_is_found_once_and_in_one_form(text, expected):
    assert find_personal_data(f"Before. {text} After {text}") == [expected]


@pytest.mark.parametrize(
    "text",
    [
        "ISBN 978-0-306-40615-7, ISBN 0-306-40615-2, ISBN 0306406152 and 9780306406157",
        "on 2019-06-20 at 10:05:33, 20.06.2019, 1995 1996 1997 1998",
        "1,200 of 3,400 and 1 200 000; 0.7577895 s; 52.5200, 13.4050; 192.168.100.200",
        "The key is under the mat. The password is written on the wall. A token of love.",
        "commit 3006c0e1b5a4c7d9e2f80112233445566778899a, 550e8400-e29b-41d4-a716-446655440000",
        "icon@2x.png, git@github.com:a/b.git, user@example.com, @wenna@harbour.net, react@18.2.0",
        "In 2019 Google Drive was full. The 3 of us went down Quay Street. 22 stairs, 14 Days",
        "https://example.org/a/Xc2Vb7Nm5Qw9Er3Ty6Ui8Op1As4Df0Gh2JkLz?id=12345678901",
        "order 4711-2342-11, serial 20240313 1234, 61.35 for 20 moves",
        "pneumonoultramicroscopicsilicovolcanoconiosis and a_very_long_snake_case_name_of_2_functions",
    ],
)
def test_ordinary_text_holds_none(text):
    assert find_personal_data(text) == []


def test_the_sample_holds_none():
    from tests.support.workspace import ROOT

    assert [find_personal_data(p.read_text()) for p in (ROOT / "data/sample").glob("*.md")] == [[]] * 48


@pytest.mark.parametrize(
    "value, text",
    [
        ("wenna@harbour.net", "Mail Wenna@Harbour.net!"),
        ("wenna@harbour.net", "wenna at… no: wenna [at] harbour [dot] net"),
        ("+441736555012", "ring 01736 555012"),
        ("01736555012", "ring +44 1736 555 012"),
        ("12 Quay Street", "come to 12, quay\nstreet"),
        (KEY, f"it is {KEY.lower()}."),
    ],
)
def test_a_leak_is_seen_in_another_spelling(value, text):
    assert find_leaks(text, {value, "nobody@nowhere.net"}) == {value}


def test_what_is_not_in_the_corpus_is_no_leak():
    personal = {"wenna@harbour.net", "+441736555012", "12 Quay Street", KEY}
    assert not find_leaks(
        "Write to tom@harbour.net or not.wenna@harbour.net, ring 01736 555 013, come to 112 Quay Street or 12 Quay"
        " Streets. 5550121.",
        personal,
    )
    assert not find_leaks("", personal) and not find_leaks("anything", set())
