"""Links → their words, also where their authors botched them; bare addresses → their hosts.

No address may be learnt: a twin that has seen some invents others. Of a link its words stay, of an address in a
sentence its host, of one that stands alone nothing.
"""

import re

from corpus.markup_patterns import (
    INLINE_LINK,
    LINK_DEFINITION,
    NO_BLANK_LINE,
    REFERENCE_LINK,
    SHORT_REFERENCE_LINK,
    WIKI_LINK,
)

_WORDS = rf"(?P<words>(?:\\.|{NO_BLANK_LINE}[^\[\]\\]|\[[^\[\]\\\n]*\])*)"
_SCHEME = r"(?:https?:|mailto:|ftp:|tel:|www\.)"
_FILE_NAME = r"[^()\n:]{1,100}\.(?i:mdx?|markdown|html?|php|aspx?|pdf|docx?|txt|jpe?g|png|gif|webp|svg|zip|mp[34])"
_ADDRESS_START = rf"[ \t]*<?(?=(?i:{_SCHEME})|[/#]|\.{{1,2}}/|[\w-]+(?:\.[\w-]+)+(?:[/)#?]|$)|{_FILE_NAME}[)#?])"
_LOOSE_ADDRESS = rf"{_ADDRESS_START}[^()\n]*(?:\([^()\n]*\)[^()\n]*){{0,5}}"
_OPENED = rf"(?:\[{{1,3}}(?P<words>(?:{NO_BLANK_LINE}[^\[\]])*))?\]{{1,3}}"
LINK_TO_PAGE = re.compile(rf"\[{_WORDS}\]\(\[\[[^\[\]\n]*\]\]\)")  # [words]([[page]])
LINK_OF_NOTHING = re.compile(r"(?<![!\\])\[(?P<words>[^\[\]\n]+)\]\[\]")  # [words][] that nothing defines
FOOTNOTE_LINK = re.compile(  # [1](#fn1), [\[1\]](#_ftn1), and the arrow back
    r"\[(?:\\?\[)?(?:\d{1,3}|[*†‡§]|[↩↑⤴⏎^]\ufe0e?)(?:\\?\])?\]\((?:[^()\s]*#_?(?:fn|ftn|footnote|note|cite)|\#)[^()\s]*\)"
)
SPACED_LINK = re.compile(rf"\[{_WORDS}\][ \t]\([ \t]*(?i:{_SCHEME})[^()\s]*\)")  # [words] (address)
REVERSED_LINK = re.compile(
    rf"\((?P<words>[^()\[\]\n]{{1,200}})\)\[[ \t]*(?i:{_SCHEME})[^\[\]\s]*\]"
)  # (words)[address]
# Blanks in the address, brackets that are opened or closed twice or not at all.
LOOSE_LINK = re.compile(rf"{_OPENED}\({_LOOSE_ADDRESS}\)")
UNCLOSED_LINK = re.compile(rf"{_OPENED}\({_ADDRESS_START}\S*[^\s.,;:!?]")
EMPTY_LINK = re.compile(rf"{_OPENED}\([ \t]*\)")
_HOST = r"[\w-]+(?:\.[\w-]+)*"
_ADDRESS = r"""(?xi:
    (?<![\w@/.-])
    (?: (?:hxxps?|https?|ftps?|sftp|ssh|git|gopher|gemini|irc)://(?:[^\s/@<>()\[\]]+@)?(?:www\.)?{host}
      | mailto:(?:[^\s@<>()]+@{mail})?
      | www\.{www} )
    (?::\d+)?
    (?: [/?#] (?: [^\s<>()\[\]"“”|] | \([^\s()<>]*\) | \[[^\s\[\]<>]*\] )* (?<![.,;:!?'’*_]) )?
)"""
ADDRESS = re.compile(
    _ADDRESS.format(host=f"(?P<host>{_HOST})", mail=f"(?P<mail>{_HOST})", www=rf"(?P<www>{_HOST}\.[\w-]+)")
)
_ANY_ADDRESS = _ADDRESS.format(host=_HOST, mail=_HOST, www=rf"{_HOST}\.[\w-]+")
_ENDINGS = "com|org|net|io|dev|edu|gov|info|app|blog|uk|de|fr|nl|eu|me|co|ca|au|ch"
PATH_MARK = re.compile(rf"\.(?:{_ENDINGS})(?::\d+)?/")
# "example.org/path" without a scheme: a known ending, and a path
BARE_PATH = re.compile(
    rf"(?i)(?<![\w@/.:-])(?P<host>(?:[a-z0-9-]+\.)+(?:{_ENDINGS}))"
    r"(?::\d+)?/(?:[^\s<>()\[\]\"“”|]|\([^\s()<>]*\))*(?<![.,;:!?'’*_])"
)
# Addresses without a host that could stand for them.
OPAQUE_ADDRESS = re.compile(r"(?i)(?<![\w:])(?:magnet:\?|data:[\w/+.-]+;base64,|file://)[^\s<>()\[\]\"“”]*")
ADDRESS_LINE = re.compile(
    rf"[ \t>]*(?:(?:[-*+]|\d+[.)])[ \t]+)?[*_(]*{_ANY_ADDRESS}/?"
    rf"(?:[ \t,;|]+{_ANY_ADDRESS}/?){{0,20}}[*_).,:;]*[ \t]*"
)
LIST_ITEM = re.compile(r"[ \t>]*(?:[-*+]|\d+[.)])[ \t]")


def resolve_links(text: str, links: str, embeds: str) -> str:
    """Text whose links are words, for links="text"; else links of other kinds → inline links.

    embeds: what becomes of an address that stands alone, see `clean_markdown`. Code must be out of the text.
    """
    addresses: dict[str, str] = {}
    if "]:" in text:
        addresses = {m["name"].casefold(): m["address"] for m in LINK_DEFINITION.finditer(text)}
        text = LINK_DEFINITION.sub("", text)

    def to_inline_link(match: re.Match) -> str:
        name = (match["name"] or match["words"]).casefold()
        return f"[{match['words']}]({addresses[name]})" if name in addresses else match[0]

    if addresses:
        text = REFERENCE_LINK.sub(to_inline_link, text)
        text = SHORT_REFERENCE_LINK.sub(to_inline_link, text)
    if "][]" in text:
        text = LINK_OF_NOTHING.sub(_words, text)
    if "[[" in text:
        text = WIKI_LINK.sub(_words, LINK_TO_PAGE.sub(_words, text))
    text = FOOTNOTE_LINK.sub("", text)
    if links != "text":
        return text
    text = INLINE_LINK.sub(_words, text)
    if "](" in text:
        for pattern in (LOOSE_LINK, UNCLOSED_LINK, EMPTY_LINK):
            text = pattern.sub(_words, text)
    text = REVERSED_LINK.sub(_words, SPACED_LINK.sub(_words, text))
    return _shorten_addresses(text, embeds)


def _words(match: re.Match) -> str:
    return match["words"] or ""


def count_link_marks(text: str) -> int:
    """How many "](" are left outside code in a cleaned text: each is a link that `resolve_links` did not see."""
    from corpus.cleaning import extract_code

    return extract_code(text)[0].count("](")


def _shorten_addresses(text: str, embeds: str) -> str:
    """Bare addresses: one that stands alone is an embed, of one in a sentence the host stays."""
    lowered = text.lower()
    if any(mark in lowered for mark in ("magnet:", ";base64,", "file://")):
        text = OPAQUE_ADDRESS.sub("", text)
    if PATH_MARK.search(lowered):
        text = BARE_PATH.sub(r"\g<host>", text)
    if not any(mark in lowered for mark in ("://", "mailto:", "www.")):
        return text
    lines = text.split("\n")
    alone = [bool(line) and _may_stand_alone(line) for line in lines]
    kept = []
    for number, line in enumerate(lines):
        if alone[number] and _is_alone(lines, alone, number):
            kept += [] if embeds == "drop" else ["[embed]" if embeds == "placeholder" else line]
        else:
            kept.append(ADDRESS.sub(_host, line))
    return "\n".join(kept)


def _may_stand_alone(line: str) -> bool:
    return bool(re.search(r"(?i)://|mailto:|www\.", line) and ADDRESS_LINE.fullmatch(line))


def _is_alone(lines: list[str], alone: list[bool], number: int) -> bool:
    """True if the lines around one with nothing but addresses are not the rest of its sentence."""
    before = lines[number - 1] if number else ""
    after = lines[number + 1] if number + 1 < len(lines) else ""
    begins = not before.strip() or before.startswith("#") or LIST_ITEM.match(lines[number]) or alone[number - 1]
    ends = not after.strip() or LIST_ITEM.match(after) or alone[min(number + 1, len(lines) - 1)]
    return bool(begins and ends)


def _host(match: re.Match) -> str:
    return match["host"] or match["mail"] or match["www"] or ""
