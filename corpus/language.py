"""A blog in two languages: what a path says of a post's language, which posts are translations, and keeping one."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from corpus.post import DiscardedRow, Post, PostRow

# fmt: off
CODES = {  # ISO 639-1, of languages that blogs are written in
    "af", "ar", "bg", "bn", "ca", "cs", "cy", "da", "de", "el", "en", "eo", "es", "et", "eu", "fa", "fi", "fr", "ga",
    "gl", "he", "hi", "hr", "hu", "hy", "id", "is", "it", "ja", "ka", "ko", "lt", "lv", "mk", "ms", "nb", "nl", "nn",
    "no", "pl", "pt", "ro", "ru", "sk", "sl", "sq", "sr", "sv", "ta", "th", "tr", "uk", "ur", "vi", "zh",
}
# fmt: on
CODE = re.compile(r"(?P<code>[a-z]{2})(?:[-_][A-Za-z]{2,4})?")
UNDETECTED = ("", "zxx")  # py3langid's code of what is no language
# [:en]words[:fr]mots[:] of qTranslate, and its older forms
BILINGUAL_MARK = re.compile(r"\[:(?P<square>[a-z]{2})?\]|<!--:(?P<comment>[a-z]{2})?-->|\{:(?P<brace>[a-z]{2})?\}")


class Place(NamedTuple):
    """What a path says: the language it names, and the path without that name."""

    code: str  # ISO 639-1; empty where it names none
    key: str
    folder: str  # the folder that holds the one named after the language; empty for post.fr.md


def place_of(source: str) -> Place:
    """en/tea.md, tea.en.md and tea/index.en.md all name English."""
    path = PurePosixPath(source.replace("\\", "/").partition("#")[0])
    stem, _, named = path.stem.rpartition(".")
    match = CODE.fullmatch(named) if stem else None
    if match and match["code"] in CODES:
        return Place(match["code"], str(path.with_name(stem + path.suffix)), "")
    for number, part in enumerate(path.parts[:-1]):
        match = CODE.fullmatch(part)
        if match and match["code"] in CODES:
            folder = "/".join(path.parts[:number]) or "."
            return Place(match["code"], str(PurePosixPath(*path.parts[:number], *path.parts[number + 1 :])), folder)
    return Place("", str(path), "")


def settle_languages(posts: Sequence[PostRow]) -> None:
    """Sets the language that a post's path names, and what translations of one post have in common.

    A folder «it» names Italian where a folder of another language stands beside it, or the same post without it.
    """
    places = [place_of(post["source"]) for post in posts]
    codes_of_folder: dict[str, set[str]] = defaultdict(set)
    codes_of_key: dict[str, set[str]] = defaultdict(set)
    for place in places:
        codes_of_key[place.key].add(place.code)
        if place.folder:
            codes_of_folder[place.folder].add(place.code)
    days: dict[str, list[PostRow]] = defaultdict(list)
    for post, place in zip(posts, places, strict=True):
        has_partner = len(codes_of_key[place.key]) > 1
        if place.code and (not place.folder or has_partner or len(codes_of_folder[place.folder]) > 1):
            post["lang"] = place.code
            if not has_partner and post["date"]:
                days[post["date"]].append(post)
        if has_partner:
            post["translation"] = post["translation"] or place.key
    for day, same_day in days.items():  # en/tea.md and fr/le-the.md, published together
        if len({post["lang"] for post in same_day}) == len(same_day) > 1:
            for post in same_day:
                post["translation"] = post["translation"] or day


def keep_language(posts: Sequence[PostRow], language: str) -> tuple[list[PostRow], list[DiscardedRow]]:
    """(posts of one language, the others). language: ISO 639-1; "auto" is the commonest, "" keeps all."""
    if not language:
        return list(posts), []
    counts = Counter(post["lang"] for post in posts if post["lang"] not in UNDETECTED)
    wanted = language if language != "auto" else counts.most_common(1)[0][0] if counts else ""
    kept, left = [], []
    for post in posts:
        if post["lang"] in (wanted, *UNDETECTED) or not wanted:
            kept.append(post)
            continue
        reason = f"in another language: {post['lang']}, not {wanted} (ingest.language)"
        left.append(DiscardedRow(source=post["source"], reason=reason, cause=""))
    return kept, left


def resolve_bilingual(post: Post, language: str) -> None:
    """Of a post that marks its parts by language keeps one: `language`, else the first. Its marks always go.

    language: as `keep_language`. "" keeps the parts of all languages, and the title in the first.
    """
    codes = [code for code in map(_code, BILINGUAL_MARK.finditer(post.text)) if code]
    if len(set(codes)) < 2 and not (codes and BILINGUAL_MARK.search(post.title)):
        return
    chosen = language if language in codes else codes[0]
    post.title = " ".join(_select(post.title, chosen).split()) or post.title
    if language:
        post.text, post.lang = _select(post.text, chosen), chosen
    else:
        post.text = re.sub(r"\n{3,}", "\n\n", BILINGUAL_MARK.sub("\n\n", post.text)).strip("\n")


def keep_marks(html: str) -> str:
    """HTML in which marks of languages that are comments survive its reader."""
    return re.sub(r"<!--:([a-z]{2})?-->", r"[:\1]", html) if "<!--:" in html else html


def _code(mark: re.Match) -> str:
    return mark["square"] or mark["comment"] or mark["brace"] or ""


def _select(text: str, language: str) -> str:
    """What stands after the marks of `language`, and outside all parts."""
    kept, position, current = [], 0, ""
    for mark in BILINGUAL_MARK.finditer(text):
        if current in ("", language):
            kept.append(text[position : mark.start()])
        position, current = mark.end(), _code(mark)
    if current in ("", language):
        kept.append(text[position:])
    return "".join(kept).strip("\n")
