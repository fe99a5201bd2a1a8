"""Bytes of unknown encoding → text."""

import codecs
import re
import unicodedata

import charset_normalizer

from corpus.post import SkippedPost

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
C1_CONTROLS = re.compile("[\x80-\x9f]")
_CONTINUATION = "[" + "".join(bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(128, 192)) + "]"
# Two or three characters that are one in UTF-8; "Â" and "Ã" before other characters are left, "â" only before "€".
MOJIBAKE = re.compile(f"[ÂÃ]{_CONTINUATION}|â(?=€|‚|„|†){_CONTINUATION}{{2}}")
ABOUT_ENCODINGS = re.compile(r"(?i)\b(?:utf-?8|unicode|mojibake|latin-?1|(?:character|text|file) encodings?)\b")
LATIN1_NAMES = ("ascii", "iso8859-1", "cp1252")  # as Python names them; all three are read as Windows-1252


def _as_cp1252(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


def decode_utf8(data: bytes) -> str:
    """UTF-8 → text; bytes in it that are none are read as Windows-1252."""
    codecs.register_error("windows-1252", _as_cp1252)
    return data.decode("utf-8", "windows-1252")


def decode_declared(data: bytes, encoding: str) -> str:
    """Bytes → text in the encoding that a mail or a feed declares, as far as that is true; else as `decode_text`.

    Latin-1 and ASCII are read as Windows-1252, which is what their curly quotes are in; and as UTF-8 if they are that.
    """
    try:
        codec = codecs.lookup(encoding.strip()).name
        if codec not in LATIN1_NAMES:
            return data.decode(codec)
    except (LookupError, UnicodeDecodeError, ValueError):
        return decode_text(data)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return mend_c1(data.decode("latin-1"))


def mend_c1(text: str) -> str:
    """Control characters U+0080 to U+009F as the quotes and dashes of Windows-1252 that were meant."""
    if text.isascii() or not C1_CONTROLS.search(text):
        return text
    return C1_CONTROLS.sub(lambda match: match[0].encode("latin-1").decode("cp1252", "ignore"), text)


def mend_mojibake(text: str) -> str:
    """UTF-8 that was once read as Windows-1252 ("Itâ€™s", "cafÃ©") as the characters that were meant.

    A text about encodings shows such characters on purpose, and is left as it is.
    """
    if not any(mark in text for mark in ("Ã", "â€", "Â")) or ABOUT_ENCODINGS.search(text):
        return text
    return MOJIBAKE.sub(_encode_again, text)


def _encode_again(match: re.Match) -> str:
    data = b"".join(
        character.encode("cp1252") if character.encode("cp1252", "ignore") else character.encode("latin-1")
        for character in match[0]
    )
    return data.decode("utf-8", "ignore") or match[0]


def decode_text(data: bytes) -> str:
    """Bytes → text: by byte order mark, as UTF-8, else by a guess. Raises SkippedPost for a binary."""
    for bom, encoding in BYTE_ORDER_MARKS:
        if data.startswith(bom):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                raise SkippedPost(
                    f"starts with the byte order mark of {encoding}, but is not valid {encoding}"
                ) from None
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as e:
        text = _decode_mostly_utf8(data, e) or _guess_encoding(data)
    if "\x00" in text:  # UTF-16 without a byte order mark is valid UTF-8 full of NULs; so is a binary
        text = _guess_encoding(data)
    return text


def _decode_mostly_utf8(data: bytes, error: UnicodeDecodeError) -> str | None:
    """A UTF-8 file with a few pasted Latin-1 bytes: each byte that is not UTF-8 is read as Windows-1252."""
    if data[: error.start].isascii():
        return None  # nothing before the first bad byte shows that this is UTF-8
    return decode_utf8(data)


def _guess_encoding(data: bytes) -> str:
    head = data[:200_000]  # enough to judge by; the guess is slow on megabytes
    guesses = charset_normalizer.from_bytes(head[: len(head) // 4 * 4])
    best = guesses.best()
    if best is None:
        raise SkippedPost("not text in any known encoding")
    encoding = best.encoding
    # Code pages of one script look alike in a short text: where Windows's is as likely, it is the one people use.
    for script, windows, tolerance in (("Latin", "cp1252", 0.1), ("Cyrillic", "cp1251", 0)):
        likely = any(windows in g.could_be_from_charset and g.chaos <= best.chaos + tolerance for g in guesses)
        if likely and any(alphabet.startswith(script) for alphabet in best.alphabets):
            encoding = windows
    text = data.decode(encoding, "replace")
    controls = sum(unicodedata.category(c) == "Cc" and c not in "\n\r\t\f" for c in text[:5000])
    if controls > 5:
        raise SkippedPost("not text in any known encoding")
    return text
