"""What has the form of a post and is none of the author's: pages, link lists, guest posts, reposts, generated posts."""

import re
from collections.abc import Sequence
from pathlib import PurePath

from blogtwin.text.markdown import FENCE_CLOSED
from corpus.post import Post, SkippedPost

# fmt: off
PAGE_NAMES = {  # file names without extension
    "about", "about-me", "contact", "privacy", "privacy-policy", "imprint", "impressum", "colophon", "404", "archive",
    "archives", "tags", "categories", "search", "blogroll", "subscribe", "license", "licence", "contributing",
    "changelog", "code-of-conduct", "code_of_conduct", "security", "_index",
    "robots", "humans", "requirements", "todo",
}
# fmt: on
GENERATED_TEXT = re.compile(
    r"""(?imx)
    ^[^\w\n]*
    (?:
        this[ ](?:post|page|file|document|digest|summary)[ ](?:was|is|has[ ]been)[ ]
            (?:automatically|auto-?)[ ]?generated
      | (?:auto-?generated|automatically[ ]generated|generated[ ]automatically)[ ](?:by|from|with|post)
      | powered[ ]by[ ]ifttt
      | my[ ]tweets[ ]from[ ]the[ ](?:past|last)[ ]week
    )
    """
)
LINK = re.compile(
    r"""(?x)
    !?\[ ( (?: [^\[\]\n] | \[[^\[\]\n]*\] ){0,400} ) \]                    # [words] or ![words]
    (?:
        \( [^()\s]* (?: \([^()\s]*\) [^()\s]* )* [^()\n]* \)                # (address "title")
      | \[ [^\[\]\n]* \]                                                   # [name of the address]
    )
    | <?https?://\S+
    | \[\[ [^\[\]\n]{1,300} \]\]                                           # a wiki link
    """
)
HEADING_LINE = re.compile(r"(?m)^#.*$")
WORD = re.compile(r"\w{2,}")
MIN_LINKS = 6
MAX_GUEST_NAME = 100  # characters of a reason


def find_skip(post: Post, path: PurePath, author: str, post_types: Sequence[str] = ("post",)) -> SkippedPost | None:
    """Why this is not a post of the author's; None if it is. With an empty `author` nobody is a guest.

    post_types: the kinds to keep, as WordPress names them; "page" and those that a site made for itself.
    """
    if post.not_public:
        return SkippedPost(post.not_public, post.name, "not public")
    is_page = post.kind == "page" and "page" not in post_types
    is_readme = len(path.parts) == 1 and path.stem.lower() == "readme"  # of the repository; those in folders are posts
    if is_page or (not post.date and (is_readme or path.stem.lower() in PAGE_NAMES)):
        return SkippedPost("a page, not a post", post.name)
    if post.kind == "repost":
        return SkippedPost("a repost of somebody else's post", post.name, "not yours")
    if post.kind not in ("post", "page", "machine-made", *post_types):
        reason = f"of WordPress's type “{post.kind[:40]}”, which ingest.post_types does not name"
        return SkippedPost(reason, post.name)
    says_generated = GENERATED_TEXT.search(post.text[:2000]) or GENERATED_TEXT.search(post.text[-500:])
    if post.kind == "machine-made" or says_generated:
        return SkippedPost("generated automatically, as its text says", post.name)
    if author and post.authors and not any(is_same_person(author, name) for name in (*post.authors, *post.aliases)):
        names = ", ".join(post.authors)[:MAX_GUEST_NAME]
        return SkippedPost(f"a guest post: by {names}, not {author} (ingest.author)", post.name, "not yours")
    if is_link_list(post.text):
        return SkippedPost("a list of links", post.name)
    return None


def is_same_person(a: str, b: str) -> bool:
    """True if all words of one name are in the other ("Ann", "Ann Smith", "ann@smith.org")."""
    words_a, words_b = (set(re.findall(r"\w+", name.casefold())) for name in (a, b))
    return bool(words_a and words_b) and (words_a <= words_b or words_b <= words_a)


def is_link_list(text: str) -> bool:
    """True for at least MIN_LINKS links with hardly a word between them: under four a link, and half of all words."""
    text = FENCE_CLOSED.sub("", text[:200_000])
    marked = [m[0] for m in LINK.finditer(text)]
    num_links, num_words = sum(not link.startswith("!") for link in marked), _count_words(text)
    if num_links < MIN_LINKS:
        return False
    at_least = num_words - _count_words("\n".join([*marked, *HEADING_LINE.findall(text)]))
    if at_least >= min(4 * num_links, 0.5 * num_words):  # nearly every post: no need to take its links out
        return False
    words_between = _count_words(LINK.sub(" ", HEADING_LINE.sub("", text)))
    return words_between < 4 * num_links and words_between < 0.5 * num_words


def _count_words(text: str) -> int:
    return len(WORD.findall(text))
