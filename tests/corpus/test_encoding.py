"""Bytes that are not in the encoding that a mail or a file declares."""

import pytest

from corpus.encoding import decode_declared, mend_mojibake
from corpus.ingest import ingest_folder
from tests.support.blog_exports import WORDS, put


@pytest.mark.parametrize(
    "data, declared, text",
    [
        (b"It\x92s \x93warm\x94 \x85", "iso-8859-1", "It’s “warm” …"),
        (b"It\x92s caf\xe9", "us-ascii", "It’s café"),
        ("It’s café".encode(), "iso-8859-1", "It’s café"),
        ("Привет, мир".encode("koi8-r"), "koi8-r", "Привет, мир"),
        (b"caf\xe9 and tea and much else", "no-such-encoding", "café and tea and much else"),
        (b"plain caf\xc3\xa9, then It\x92s", "utf-8", "plain café, then It’s"),
    ],
)
def test_bytes_are_read_as_what_they_are(data, declared, text):
    assert decode_declared(data, declared) == text


def test_windows_1252_that_says_latin1_is_said_in_the_row(tmp_path):
    head = b"<?xml version='1.0' encoding='ISO-8859-1'?><rss><channel><item><title>T</title><description>It\x92s "
    put(tmp_path, "a.rss", head + f"{WORDS}</description></item></channel></rss>".encode())
    (post,), _ = ingest_folder(tmp_path, 5, 1e6)
    assert post["text"].startswith("It’s") and post["mended"] == ["Windows-1252 that says Latin-1"]


def test_a_mail_in_windows_1252_that_says_latin1_has_its_quotes(tmp_path):
    head = "From me@x.example Tue Mar  5 07:00:00 2019\nFrom: Me <me@x.example>\nSubject: A letter\n"
    head += "Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
    put(tmp_path, "a.mbox", head + f"It=92s =93cold=94 =85 {WORDS}\n")
    assert ingest_folder(tmp_path, 5, 1e6)[0][0]["text"].startswith("It’s “cold” …")


@pytest.mark.parametrize(
    "text, meant",
    [
        ("Itâ€™s â€œcoldâ€\x9d â€” cafÃ© â€¦", "It’s “cold” — café …"),
        ("NaÃ¯ve, 5\u00c2\u00a0m, Ã\xa0 la carte", "Naïve, 5\xa0m, à la carte"),
        ("Château, Ã la, pâté, SÃO", "Château, Ã la, pâté, SÃO"),
        ("UTF-8 that is read wrongly is cafÃ©.", "UTF-8 that is read wrongly is cafÃ©."),
    ],
)
def test_utf8_that_was_read_as_windows_1252_is_read_again(text, meant):
    assert mend_mojibake(text) == meant


def test_mended_mojibake_is_said_in_the_row(tmp_path):
    put(tmp_path, "a.md", f"# CafÃ©\n\nItâ€™s â€œcoldâ€\x9d. {WORDS}")
    (post,), _ = ingest_folder(tmp_path, 5, 1e6)
    assert (post["title"], post["mended"]) == ("Café", ["UTF-8 that was read as Windows-1252"])
    assert post["text"].startswith("It’s “cold”.")
