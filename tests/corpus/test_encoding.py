"""Bytes that are not in the encoding that a mail or a file declares."""

import pytest

from corpus.encoding import decode_declared
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
