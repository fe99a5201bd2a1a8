"""The feed of a blog at an address: the feed itself, or a page that names its feeds; stored by what it is."""

import html
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urljoin

from blogtwin.console import echo
from blogtwin.errors import UserError
from corpus.encoding import decode_declared
from corpus.feed_pages import find_next_page, tag_attributes

if TYPE_CHECKING:
    import httpx

MAX_FEED_BYTES = 200_000_000  # of all its pages
MAX_PAGES = 200
PAUSE_SECONDS = 0.1  # between two pages
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
BASE = re.compile(r"(?is)<base\b[^<>]{0,1000}?\bhref\s*=\s*[\"']?([^\"'\s<>]+)")
FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/rdf+xml")
NO_MORE = (404, 410)  # what servers answer for a page after the last
MANY_POSTS = 100  # feeds that hold a whole blog exist; one with fewer may be cut off


class Feed(NamedTuple):
    """A downloaded feed, or a page of one, and what is in it."""

    path: Path
    address: str
    posts: dict[str, tuple[str | None, int]]  # {id of a post: (its day in ISO, its words)}

    @property
    def words(self) -> int:
        return sum(words for _, words in self.posts.values())


class FeedTooLarge(UserError):
    """What an address holds is larger than the limit."""


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
                html_page = path.read_text(encoding="utf-8", errors="replace")
                feed = _fetch_best(client, find_feeds(html_page, final_address), address, Path(folder))
            else:
                feed = _read_feed(path, final_address)
            pages = [feed, *_fetch_more(client, feed, Path(folder))]
            for number, page in enumerate(pages, 1):
                name = "feed" if number == 1 else f"feed-page-{number:03}"
                shutil.copyfile(page.path, target / f"{name}{page.path.suffix}")
    except (httpx.HTTPError, httpx.InvalidURL) as e:
        reason = " ".join(str(e).split())[:150] or type(e).__name__
        raise UserError(
            f"{address} can't be fetched: {reason}. Save the feed as a file, and set FROM to that."
        ) from None
    whole = feed._replace(posts={id: post for page in pages for id, post in page.posts.items()})
    days = sorted(day for day, _ in whole.posts.values() if day)
    span = f", {days[0]} to {days[-1]}" if days else ""
    on_pages = f" on {len(pages)} pages" if len(pages) > 1 else ""
    echo(f"{feed.address} holds {len(whole.posts)} posts{on_pages} ({whole.words:,} words{span})")
    if len(whole.posts) < MANY_POSTS and len(pages) == 1:
        echo("most feeds hold the newest posts only: for all posts, set FROM to the export that the blog's host gives")


def find_feeds(page: str, address: str) -> list[str]:
    """The addresses of the feeds that a page names in <link rel="alternate">, without those of comments."""
    base = BASE.search(page)
    root = urljoin(address, html.unescape(base[1])) if base else address
    found: list[str] = []
    for tag in LINK.findall(page):
        attributes = tag_attributes(tag)
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
            found.append(_read_feed(*_fetch(client, address, inside)))
        except (httpx.HTTPError, httpx.InvalidURL, UserError) as e:
            problem = " ".join(str(e).split())[:300]
    if not found:
        raise UserError(f"{page} names {len(feeds)} feeds, and none holds a post: {problem}")
    return max(found, key=lambda feed: feed.words)


def _fetch_more(client: "httpx.Client", feed: Feed, folder: Path) -> Iterator[Feed]:
    """The pages after the first, while each brings a post that none before it had. Says why it stops early."""
    import httpx

    known, seen, page = set(feed.posts), {feed.address}, feed
    left = MAX_FEED_BYTES - feed.path.stat().st_size
    stopped = ""
    for number in range(2, MAX_PAGES + 2):
        address = find_next_page(page.path.read_bytes(), page.address) if page.path.suffix != ".zip" else ""
        if not address or address in seen:
            return
        if number > MAX_PAGES:
            stopped = f"{MAX_PAGES} pages of it were read"
            break
        seen.add(address)
        inside = folder / f"page-{number}"
        inside.mkdir()
        time.sleep(PAUSE_SECONDS)
        try:
            path, final_address = _fetch(client, address, inside, left)
            page = _read_feed(path, final_address)
        except FeedTooLarge:
            stopped = f"its pages have more than {MAX_FEED_BYTES / 1e6:.0f} MB"
            break
        except httpx.HTTPStatusError as e:
            stopped = "" if e.response.status_code in NO_MORE else f"{address} answers {e.response.status_code}"
            break
        except (httpx.HTTPError, httpx.InvalidURL) as e:
            stopped = f"{address} can't be fetched: {type(e).__name__}"
            break
        except UserError:  # no post on it
            return
        # A server that does not know the number of a page gives the first one, or its home page.
        if path.suffix != feed.path.suffix or page.posts.keys() <= known:
            return
        known.update(page.posts)
        left -= path.stat().st_size
        yield page
    if stopped:
        echo(f"the feed goes on, but {stopped}: for all posts, set FROM to the export that the blog's host gives")


def _fetch(client: "httpx.Client", address: str, folder: Path, max_bytes: float = MAX_FEED_BYTES) -> tuple[Path, str]:
    """(what is at `address`, as a file whose ending says what it is; the address after redirects)."""
    path = folder / "download"
    with client.stream("GET", address) as response:
        response.raise_for_status()
        with open(path, "wb") as file:
            for part in response.iter_bytes():
                file.write(part)
                if file.tell() > max_bytes:
                    raise FeedTooLarge(
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

    posts: dict[str, tuple[str | None, int]] = {}
    reason = ""
    try:
        for post in readers.iter_posts(path, MAX_POST_BYTES):
            if isinstance(post, readers.Post):
                posts[readers.post_id(post.text)] = (post.date, len(post.text.split()))
            else:
                reason = str(post)
    except readers.SkippedPost as e:
        reason = str(e)
    if not posts:
        raise UserError(f"{address} holds no post: {reason or 'it is empty'}.")
    return Feed(path, address, posts)
