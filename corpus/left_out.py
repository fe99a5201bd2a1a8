"""What was left out and what was mended, counted and with examples, as the table of stage 01 and the report show it."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

MAX_EXAMPLES = 3
MIN_UNREAD = 3  # files of one text format: fewer are no archive of posts
# fmt: off
TEXT_FORMATS = {  # in which people write posts; read or not, as readers exist
    ".qmd", ".rmd", ".rmarkdown", ".lhs", ".ipynb", ".adoc", ".asciidoc", ".asc", ".textile", ".typ", ".tex", ".rtf",
    ".odt", ".doc", ".pages", ".pdf", ".epub", ".fodt", ".wiki", ".mediawiki", ".creole", ".gmi", ".pug", ".jade",
    ".haml", ".slim", ".erb", ".njk", ".liquid", ".mustache", ".hbs", ".mmd", ".mkd", ".mkdn", ".mdwn", ".mdtext",
    ".mdoc", ".svx", ".livemd", ".pandoc", ".t2t", ".muse", ".pod", ".rdoc", ".enex", ".opml", ".msg", ".pst", ".olm",
    ".wpd", ".wps", ".sxw", ".abw", ".scriv", ".fountain", ".bbcode", ".php", ".asp", ".aspx", ".shtml", ".blog",
    ".bike", ".taskpaper", ".markua", ".norg", ".dj", ".djot",
}
# fmt: on
UNREAD_REASON = re.compile(r"not a post format|.*\bpandoc\b", re.S)
SHORT_REASON = re.compile(r"only \d+ words, fewer than (ingest\.min_words \(\d+\))")


@dataclass
class Finding:
    """Posts of one kind that a person should look at, to see whether they were judged rightly."""

    name: str  # "mended", "not yours" or "not public"
    posts: int
    kinds: dict[str, int]  # what was mended, or why they were left out: how many
    examples: list[str]  # MAX_EXAMPLES at most, of different kinds first

    def __str__(self) -> str:
        return f"{self.posts:,}: " + "; ".join(f"{n:,} {kind}" for kind, n in list(self.kinds.items())[:4])


def find_changes(posts: Iterable[Mapping[str, Any]], discarded: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """What was mended, taken for somebody else's and found not to be public; rows of posts.jsonl and discarded.jsonl.

    Kinds without a post are left out.
    """
    mended = [
        (what, f"{post['source']} “{post['title'][:60]}”: {', '.join(post['mended'])}")
        for post in posts
        for what in post.get("mended") or ()
    ]
    number = len({example for _, example in mended})
    findings = [_finding("mended", number, mended)]
    left_out = list(discarded)
    for cause in ("not yours", "not public"):
        rows = [row for row in left_out if row.get("cause") == cause]
        found = [(reason_category(row["reason"]), f"{row['source']}: {row['reason']}") for row in rows]
        findings.append(_finding(cause, len(rows), found))
    return [finding for finding in findings if finding.posts]


def _finding(name: str, number: int, found: Sequence[tuple[str, str]]) -> Finding:
    """`found`: (kind, example)."""
    first = dict(reversed(found))
    examples = dict.fromkeys([*first.values(), *(example for _, example in found)])
    return Finding(name, number, dict(Counter(kind for kind, _ in found).most_common()), list(examples)[:MAX_EXAMPLES])


def reason_category(reason: str) -> str:
    """The kind of a reason, without the numbers and names in it."""
    if SHORT_REASON.match(reason):
        return "fewer words than ingest.min_words"
    if reason.startswith("the same text"):
        return "the same text as another"
    return reason.split(":")[0].split(" (")[0][:60]


def count_reasons(discarded: Iterable[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """(why files or posts were left out, how many), the commonest first, without those that are a `Finding`."""
    counts: Counter[str] = Counter()
    endings: Counter[str] = Counter()
    for row in discarded:
        if not row.get("cause"):
            short = SHORT_REASON.match(row["reason"])
            counts[f"shorter than {short[1]}" if short else reason_category(row["reason"])] += 1
            if ending := re.fullmatch(r"not a post format \((.*)\)", row["reason"]):
                endings[ending[1]] += 1
    formats = ", ".join(f"{n} {ending}" for ending, n in endings.most_common(5))
    return [(f"{kind} ({formats})" if kind == "not a post format" else kind, n) for kind, n in counts.most_common()]


def unread_formats(discarded: Iterable[Mapping[str, Any]]) -> str:
    """ "88 .qmd files were not read": the text formats of which many files were left out; empty if there are none."""
    suffixes = [PurePosixPath(row["source"]).suffix for row in discarded if UNREAD_REASON.match(row["reason"])]
    counts = Counter(suffix for suffix in suffixes if suffix.lower() in TEXT_FORMATS)
    named = [f"{n:,} {suffix}" for suffix, n in counts.most_common() if n >= MIN_UNREAD]
    return f"{', '.join(named)} files were not read" if named else ""


def short_posts_hint(kept: int, discarded: Iterable[Mapping[str, Any]]) -> str:
    """What to set where more posts are too short than are kept, as on a microblog; empty elsewhere."""
    short = sum(1 for row in discarded if SHORT_REASON.match(row["reason"]))
    if short <= kept:
        return ""
    return f"{short:,} posts are shorter than `ingest.min_words`: lower it to learn from short notes, too."


def no_posts_message(discarded: Sequence[Mapping[str, Any]]) -> str:
    """Why a folder holds no post, as the end of a sentence: the commonest reason, and what to do."""
    reasons = Counter(reason_category(row["reason"]) for row in discarded)
    why = unread_formats(discarded) or (f"most: {reasons.most_common(1)[0][0]}" if reasons else "")
    return f"holds {len(discarded):,} files and no post{f' ({why})' if why else ''}: put .md, .txt or .docx posts there"
