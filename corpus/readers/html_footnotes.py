"""Footnotes of exported HTML (WordPress, Substack, Markdown converters, Word) → footnotes of Markdown."""

import re
from collections.abc import Mapping

from corpus.readers.html import html_to_markdown

_NOTE_ID = r"""(?:user-content-)?(?:fn|_?ftn|_?edn|_?footnote|easy-footnote-bottom|note|sdfootnote)[\w.:-]*"""
_BACK_ID = re.compile(
    r"(?i)^(?:user-content-)?(?:fnref|_?ftnref|_?ednref|footnote-anchor|footnote-ref|noteref|sdfootnote\w*anc)"
)
WORDPRESS_REFERENCE = re.compile(
    r"(?is)<sup\b[^<>]*\bdata-fn=[\"'](?P<id>[^\"'<>]+)[\"'][^<>]*>(?:(?!</?sup\b).)*</sup>"
)
REFERENCE = re.compile(
    rf"""(?isx)
    (?: <sup\b[^<>]*> \s* )?
    <a\b [^<>]*? \bhref=["']\# (?P<id>{_NOTE_ID}) ["'] [^<>]* > \s*
    (?: <sup\b[^<>]*> \s* )? \[? (?: \d{{1,3}} | [*†‡] ) \]? \s* (?: </sup> \s* )?
    </a> (?: \s* </sup> )?
    """
)
NOTES = (
    re.compile(  # <li id="fn:1">…</li>
        rf"""(?isx) <li\b [^<>]*? \bid=["'](?P<id>{_NOTE_ID})["'] [^<>]* > (?P<note> (?: (?!</?li\b) . )* ) </li>"""
    ),
    re.compile(  # Substack
        rf"""(?isx) <div\b [^<>]*? \bclass=["']footnote["'] [^<>]* > \s*
        <a\b [^<>]*? \bid=["'](?P<id>{_NOTE_ID})["'] [^<>]* > [^<>]* </a> \s*
        <div\b[^<>]*> (?P<note> (?: (?!</?div\b) . )* ) </div> \s* </div>"""
    ),
    re.compile(  # Word, and editors like it: <p><a id="_ftn1" href="#_ftnref1">[1]</a> …</p>
        rf"""(?isx) <p\b[^<>]*> \s* (?:<sup\b[^<>]*>\s*)?
        <a\b (?=[^<>]*?\bhref=["']\#[^"'<>]*ref) [^<>]*? \b(?:id|name)=["'](?P<id>{_NOTE_ID})["'] [^<>]* >
        [^<>]* (?:<sup\b[^<>]*>[^<>]*</sup>\s*)? </a> (?P<note> (?: (?!</?p\b) . )* ) </p>"""
    ),
)
EMPTY_LIST = re.compile(
    r"(?i)(?:<hr\b[^<>]*>\s*|<h[1-6]\b[^<>]*>\s*(?:foot|end)?notes?:?\s*</h[1-6]>\s*)*<ol\b[^<>]*>\s*</ol>"
)
BACK_LINK = re.compile(
    r"(?is)<a\b[^<>]*\bhref=[\"'][^\"'<>]*#[^<>]*>\s*(?:\W|\d|&#?\w+;|<(?!/a)[^<>]*>|back|jump up|return){0,12}\s*</a>"
)


def markdown_with_footnotes(html: str, notes: Mapping[str, str] | None = None) -> str:
    """As `html_to_markdown`, with each reference as "[^1]" and its note at the end, as "[^1]: …".

    notes: those that stand outside the HTML, by their id. A number whose note is nowhere is left out: it would read as
    a part of the word before it. Raises SkippedPost as `html_to_markdown`.
    """
    if "data-fn" not in html and not re.search(rf"(?i)href=[\"']#{_NOTE_ID}", html):
        return html_to_markdown(html)
    found = dict(notes or {})
    for pattern in NOTES:
        found.update(
            (match["id"], match["note"]) for match in pattern.finditer(html) if not _BACK_ID.match(match["id"])
        )
    numbers: dict[str, int] = {}

    def reference(match: re.Match) -> str:
        if _BACK_ID.match(match["id"]):
            return match[0]
        if match["id"] not in found:
            return ""
        return f"[^{numbers.setdefault(match['id'], len(numbers) + 1)}]"

    def note(match: re.Match) -> str:
        return "" if match["id"] in numbers else match[0]

    body = REFERENCE.sub(reference, WORDPRESS_REFERENCE.sub(reference, html))
    for pattern in NOTES:
        body = pattern.sub(note, body)
    text = html_to_markdown(EMPTY_LIST.sub("", body))
    definitions = [
        f"[^{number}]: {' '.join(html_to_markdown(BACK_LINK.sub('', found[key])).split())}"
        for key, number in numbers.items()
    ]
    return "\n\n".join(filter(None, [text, "\n".join(definitions)]))
