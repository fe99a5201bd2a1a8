"""The feed of a blog at an address: the feed itself, or a page that names its feeds; stored by what it is."""

import html
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin

from blogtwin.console import echo
from blogtwin.errors import UserError
from corpus.encoding import decode_declared

if TYPE_CHECKING:
    import httpx

MAX_FEED_BYTES = 200_000_000
MAX_POST_BYTES = 50_000_000
TIMEOUT_SECONDS = 30
MAX_FEEDS = 4  # that a page names, of which the one with most words is taken
HEAD_BYTES = 200_000
HEADERS = {
    "User-Agent": "blogtwin",
    "Accept": "application/feed+json, application/atom+xml, application/rss+xml, text/html;q=0.8, */*;q=0.5",
}
FEED_ROOT = re.compile(rb"<(?:[\w-]+:)?(?:rss|feed|rdf)\b", re.I)
PAGE_ROOT = re.compile(rb"<(?:html|head|body)\b", re.I)
LINK = re.compile(r"(?is)<(?:link|a)\b[^<>]{0,2000}>")
ATTRIBUTE = re.compile(r"""(?s)([\w:-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'<>]+))""")
BASE = re.compile(r"(?is)<base\b[^<>]{0,1000}?\bhref\s*=\s*[\"']?([^\"'\s<>]+)")
FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")
MANY_POSTS = 100  # feeds that hold a whole blog exist; one with fewer may be cut off


class Feed(NamedTuple):
    """A downloaded feed, and what is in it."""

    path: Path
    address: str
    words: int
    days: list[str | None]  # one of each post: ISO, None without


def download_feed(address: str, target: Path) -> None:
    """Download the feed at `address`, or the best that the page there names, into the folder `target`.

    Says which one it was, and how many posts it holds. Raises UserError if nothing can be fetched, if it is too large,
    and if there is no feed with a post in it.
    """
    import httpx

    try:
        with (
            httpx.Client(follow_redirects=True, timeout=TIMEOUT_SECONDS, headers=HEADERS) as client,
            tempfile.TemporaryDirectory() as folder,
        ):
            path, final_address = _fetch(client, address, Path(folder))
            if path.suffix == ".html":
                page = path.read_text(encoding="utf-8", errors="replace")
                feed = _fetch_best(client, find_feeds(page, final_address), address, Path(folder))
            else:
                feed = _read_feed(path, address)
            shutil.copyfile(feed.path, target / f"feed{feed.path.suffix}")
    except (httpx.HTTPError, httpx.InvalidURL) as e:
        reason = " ".join(str(e).split())[:150] or type(e).__name__
        raise UserError(
            f"{address} can't be fetched: {reason}. Save the feed as a file, and set FROM to that."
        ) from None
    days = sorted(day for day in feed.days if day)
    span = f", {days[0]} to {days[-1]}" if days else ""
    echo(f"{feed.address} holds {len(feed.days)} posts ({feed.words:,} words{span})")
    if len(feed.days) < MANY_POSTS:
        echo("most feeds hold the newest posts only: for all posts, set FROM to the export that the blog's host gives")


def find_feeds(page: str, address: str) -> list[str]:
    """The addresses of the feeds that a page names in <link rel="alternate">, without those of comments."""
    base = BASE.search(page)
    root = urljoin(address, html.unescape(base[1])) if base else address
    found: list[str] = []
    for tag in LINK.findall(page):
        attributes = {key.lower(): html.unescape(a or b or c) for key, a, b, c in ATTRIBUTE.findall(tag)}
        kind = attributes.get("type", "").split(";")[0].strip().lower()
        is_alternate = "alternate" in attributes.get("rel", "").lower().split() or "feed" in attributes.get("rel", "")
        href = attributes.get("href", "").strip()
        about = f"{attributes.get('title', '')} {href}".lower()
        if (
            href
            and is_alternate
            and "comment" not in about
            and (kind in FEED_TYPES or "json" in kind and "feed" in about)
        ):
            found.append(urljoin(root, href))
    return [link for link in dict.fromkeys(found) if link.startswith(("http://", "https://"))][:MAX_FEEDS]


def _fetch_best(client: "httpx.Client", feeds: list[str], page: str, folder: Path) -> Feed:
    """The feed with most words. Raises UserError if none holds a post."""
    import httpx

    if not feeds:
        raise UserError(
            f"{page} is no feed, and names none: set FROM to the address of the feed, or to an export of the blog."
        )
    found, problem = [], ""
    for number, address in enumerate(feeds):
        inside = folder / str(number)
        inside.mkdir()
        try:
            path, _ = _fetch(client, address, inside)
            found.append(_read_feed(path, address))
        except (httpx.HTTPError, httpx.InvalidURL, UserError) as e:
            problem = " ".join(str(e).split())[:300]
    if not found:
        raise UserError(f"{page} names {len(feeds)} feeds, and none holds a post: {problem}")
    return max(found, key=lambda feed: feed.words)


def _fetch(client: "httpx.Client", address: str, folder: Path) -> tuple[Path, str]:
    """(what is at `address`, as a file whose ending says what it is; the address after redirects)."""
    path = folder / "download"
    with client.stream("GET", address) as response:
        response.raise_for_status()
        with open(path, "wb") as file:
            for part in response.iter_bytes():
                file.write(part)
                if file.tell() > MAX_FEED_BYTES:
                    raise UserError(
                        f"{address} is larger than {MAX_FEED_BYTES / 1e6:.0f} MB: save it as a file, and set FROM"
                        " to that."
                    )
        charset, final_address = response.charset_encoding or "", str(response.url)
    with open(path, "rb") as file:
        head = file.read(HEAD_BYTES)
    ending = file_ending(head)
    if ending == ".xml" and charset and b"encoding" not in head[:200] and charset.lower() not in ("utf-8", "us-ascii"):
        path.write_text(decode_declared(path.read_bytes(), charset), encoding="utf-8")  # only the server named it
    return path.replace(path.with_suffix(ending)), final_address


def file_ending(head: bytes) -> str:
    """What a file is by its first bytes, whatever its address or its server says: .zip, .json, .xml or .html."""
    text = head.removeprefix(b"\xef\xbb\xbf").replace(b"\x00", b"").lstrip()
    if text.startswith(b"PK\x03\x04"):
        return ".zip"
    if text[:1] in (b"{", b"["):
        return ".json"
    page, feed = PAGE_ROOT.search(text), FEED_ROOT.search(text)
    return ".xml" if feed and (page is None or feed.start() < page.start()) else ".html"


def _read_feed(path: Path, address: str) -> Feed:
    """What a downloaded feed holds. Raises UserError for one without a post."""
    from corpus import readers

    words, days, reason = 0, [], ""
    try:
        for post in readers.iter_posts(path, MAX_POST_BYTES):
            if isinstance(post, readers.Post):
                words += len(post.text.split())
                days.append(post.date)
            else:
                reason = str(post)
    except readers.SkippedPost as e:
        reason = str(e)
    if not days:
        raise UserError(f"{address} holds no post: {reason or 'it is empty'}.")
    return Feed(path, address, words, days)
