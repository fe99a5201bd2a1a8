"""Statistics of the corpus, whether it is large enough to train on, and the page that shows both (`make report`)."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blogtwin.config import Params
from blogtwin.text.stopwords import REPORT_STOP_WORDS
from blogtwin.text.tokens import WORD
from corpus.cleaning import QUOTE, TABLE, clean_markdown, extract_code
from corpus.dedup import group_related
from corpus.left_out import Finding, find_changes, reason_category, short_posts_hint, unread_formats
from corpus.links import count_link_marks

if TYPE_CHECKING:
    import pandas

TEMPLATE = Path(__file__).with_name("report.html.j2")
# Panza (arXiv 2407.10994): fewer than 128 texts risk overfitting, over 1,000 add little.
MIN_POSTS, RECOMMENDED_POSTS, SATURATION_POSTS = 10, 128, 1000
SMALL_CORPUS_WORDS = 10_000  # twice what attributing a text by its style takes (Eder 2015: 5,000)
MAX_QUOTED_FRACTION = 0.2  # of the words: above it the report gives a hint; a choice of this project
MAX_SAMPLES = 5  # places that show what cleaning changes
MAX_YEARS = 40  # columns of the chart
LENGTH_EDGES = [0, 100, 200, 400, 800, 1600, 3200, 6400]  # words: lower edges of the histogram's bins
MACHINE_PHRASES = re.compile(
    r"(?i)\b(?:as an ai language model|as a large language model|in today[’']s fast-paced (?:digital )?world|i hope"
    r" this (?:e-?mail|message) finds you well|in conclusion, it is important to (?:note|remember))\b"
)


class CleaningSample(NamedTuple):
    """A place in a post that cleaning changes, with some words on both sides."""

    title: str
    before: str
    after: str


@dataclass
class CorpusStatistics:
    """What the report shows; without `samples` it is report.json."""

    posts: int
    words: int
    words_median: int
    words_max: int
    first_date: str | None  # ISO 8601, as all dates
    last_date: str | None
    undated: int  # posts
    languages: dict[str, int]  # ISO 639-1 code: posts
    word_fractions: dict[str, float]  # "quotes", "code", "tables": their share of all words, 0 to 1
    related_posts: int  # posts that have a near-duplicate or belong to a series
    related_groups: int
    personal_data: dict[str, int]  # kind ("email", "phone", …): how often it occurs
    broken_links: int  # marks of links that cleaning left outside code
    machine_written: list[str]  # titles of posts with a chat model's phrases, at most 20
    posts_by_others: int
    authors: dict[str, int]  # the ten most frequent: posts
    skipped: dict[str, int]  # why files or posts were skipped: how many
    changes: list[Finding]  # what was mended, somebody else's and not public
    unread: str  # see `unread_formats`
    short_posts: str  # see `short_posts_hint`
    topics: list[str]
    posts_per_year: list[tuple[str, int]]
    length_histogram: list[tuple[str, int]]
    samples: list[CleaningSample]
    verdict: str = ""
    hints: list[str] = dataclasses.field(default_factory=list)
    summary: list[tuple[str, str]] = dataclasses.field(default_factory=list)

    def to_json(self) -> dict:
        """All but the samples, which are the author's words."""
        values = dataclasses.asdict(self)
        del values["samples"]
        return values


def corpus_statistics(posts: list[dict], discarded: list[dict], params: Params) -> CorpusStatistics:
    """Statistics of the rows of posts.jsonl and discarded.jsonl, with the verdict, the hints and the summary."""
    import pandas as pd

    columns = ["title", "date", "word_count", "tags", "lang", "authors"]
    table = pd.DataFrame(posts, columns=columns)
    content, samples = _scan_posts(posts, params)
    words = table["word_count"].sort_values().tolist() or [0]
    dates = table["date"].dropna().sort_values().tolist()
    authors = _count_values(table["authors"].dropna().map(_unique).explode().dropna())
    related = [g for g in group_related(posts, params.split.min_jaccard, params.split.min_containment) if len(g) > 1]
    reasons = pd.Series([reason_category(row["reason"]) for row in discarded], dtype=object)
    personal = pd.Series(content["personal"].explode().dropna().tolist(), dtype=object)
    total = max(1, sum(words))
    statistics = CorpusStatistics(
        posts=len(posts),
        words=sum(words),
        words_median=words[len(words) // 2],
        words_max=words[-1],
        first_date=dates[0] if dates else None,
        last_date=dates[-1] if dates else None,
        undated=len(posts) - len(dates),
        languages=_count_values(table["lang"]),
        word_fractions={kind: float(content[kind].sum()) / total for kind in ("quotes", "code", "tables")},
        related_posts=sum(map(len, related)),
        related_groups=len(related),
        personal_data=_count_values(personal),
        broken_links=int(content["broken_links"].sum()),
        machine_written=table["title"][content["machine"].astype(bool)].tolist()[:20],
        posts_by_others=sum(list(authors.values())[1:]),  # the first is the author of most posts
        authors=dict(list(authors.items())[:10]),
        skipped=_count_values(reasons),
        changes=find_changes(posts, discarded),
        unread=unread_formats(discarded),
        short_posts=short_posts_hint(len(posts), discarded),
        topics=top_topics(posts),
        posts_per_year=posts_per_year(posts),
        length_histogram=length_histogram(words),
        samples=samples,
    )
    statistics.verdict, statistics.hints = assess(statistics, params)
    statistics.summary = summary_rows(statistics)
    return statistics


def _count_values(values: pandas.Series) -> dict[str, int]:
    """How often each value occurs, the most frequent first; equally frequent ones as they come."""
    return {str(value): int(n) for value, n in values.value_counts().items()}


def _unique(values: list[str]) -> list[str]:
    """Each value once, in a stable order."""
    return list(dict.fromkeys(values))


def _scan_posts(posts: list[dict], params: Params) -> tuple[pandas.DataFrame, list[CleaningSample]]:
    """(a row per post: words in quotes, tables and code, personal data, machine phrases; samples)."""
    import pandas as pd
    from rich.progress import track

    from blogtwin.text.pii import find_personal_data

    rows: list[dict] = []
    samples: list[CleaningSample] = []
    for post in track(posts, "reading posts", transient=True):
        cleaned = clean_markdown(post["text"], params.prepare.links)
        prose, code = extract_code(cleaned)
        rows.append(
            {
                "quotes": sum(len(m[0].split()) for m in QUOTE.finditer(prose)),
                "tables": sum(len(m[0].split()) for m in TABLE.finditer(prose)),
                "code": sum(len(block.split()) for block in code if "\n" in block.strip()),
                "personal": [kind for kind, _ in find_personal_data(cleaned)],
                "broken_links": count_link_marks(cleaned) if params.prepare.links == "text" else 0,
                "machine": bool(MACHINE_PHRASES.search(cleaned)),
            }
        )
        sample = _cleaning_sample(post, cleaned)
        if sample and len(samples) < MAX_SAMPLES:
            samples.append(sample)
    return pd.DataFrame(rows, columns=["quotes", "tables", "code", "personal", "broken_links", "machine"]), samples


def _cleaning_sample(post: dict, cleaned: str) -> CleaningSample | None:
    """The first place that cleaning changes; None where it removes fewer than 20 characters in all."""
    raw = post["text"]
    changed = next((i for i, (a, b) in enumerate(zip(raw, cleaned)) if a != b), None)
    if changed is None or len(raw) - len(cleaned) < 20:
        return None
    start = max(0, changed - 60)
    return CleaningSample(post["title"], raw[start : changed + 240], cleaned[start : changed + 160])


def assess_size(posts: int, words: int) -> tuple[bool, str]:
    """(True if a corpus of this size is enough to train on, a sentence on what to expect)."""
    size = f"{posts} posts of {words:,} words"
    if posts < MIN_POSTS or words < SMALL_CORPUS_WORDS / 5:
        return False, (
            f"Not enough: {size}. A twin trained on them would memorise a few sentences."
            f" Add posts: at least {MIN_POSTS}, better {RECOMMENDED_POSTS}."
        )
    if posts < RECOMMENDED_POSTS or words < SMALL_CORPUS_WORDS:
        return True, (
            f"Enough to try: {size}. With fewer than {RECOMMENDED_POSTS} texts a model may memorise them (Panza):"
            " train for few epochs, and check “copying” in the scorecard."
        )
    if posts <= SATURATION_POSTS:
        return True, f"Enough: {size}. Expect the author's rhythm and habits, not the facts of the author's life."
    return True, (
        f"Plenty: {size}. More than {SATURATION_POSTS:,} texts add little (Panza); train.max_tokens limits training to"
        " the newest."
    )


def assess(statistics: CorpusStatistics, params: Params) -> tuple[str, list[str]]:
    """(the sentence of `assess_size`, hints: what to set in params.yaml, and why)."""
    n = statistics.posts
    _, verdict = assess_size(n, statistics.words)
    quotes, code = statistics.word_fractions["quotes"], statistics.word_fractions["code"]
    hints = [f"{sentence.rstrip('.')}." for sentence in (statistics.unread, statistics.short_posts) if sentence]
    if quotes > MAX_QUOTED_FRACTION:
        hints.append(
            f"{quotes:.0%} of the words are quotations: `prepare.quotes: drop` leaves other people's words out."
        )
    if code > MAX_QUOTED_FRACTION:
        hints.append(f"{code:.0%} of the words are code: `prepare.code: placeholder` trains the twin on prose only.")
    if statistics.personal_data and not params.prepare.redact:
        kinds = ", ".join(f"{count} {kind}" for kind, count in statistics.personal_data.items())
        hints.append(f"The posts contain personal data ({kinds}): `prepare.redact: true` masks it.")
    if statistics.posts_by_others and not params.ingest.author:
        hints.append(
            f"{statistics.posts_by_others} posts name another author than most do: set `ingest.author` to skip guests."
        )
    if statistics.machine_written:
        titles = "; ".join(statistics.machine_written[:3])
        hints.append(f"{len(statistics.machine_written)} posts contain phrases of chat models: {titles}.")
    languages = [code for code, count in statistics.languages.items() if len(code) == 2 and count > 0.1 * n]
    if len(languages) > 1:
        first, second = languages[:2]
        hints.append(
            f"The posts are in two languages: two twins, one per language, are better than one of both. Set"
            f" `ingest.language: {first}` for the one, `{second}` for the other."
        )
    if statistics.broken_links:
        hints.append(f"{statistics.broken_links} links were not understood: the twin would learn their “](”.")
    if statistics.undated > 0.5 * n:
        hints.append("Most posts have no date: `split.strategy: random` is as good as testing on the newest.")
    return verdict, hints


def summary_rows(statistics: CorpusStatistics) -> list[tuple[str, str]]:
    """(name, value) as the terminal and the page show them."""
    s = statistics
    span = f"{s.first_date} to {s.last_date}" if s.first_date else "no dates"
    skipped = list(s.skipped.items())[:6]
    groups = "1 group" if s.related_groups == 1 else f"{s.related_groups} groups"
    return [
        ("posts", f"{s.posts:,}"),
        ("words", f"{s.words:,} (per post: median {s.words_median:,}, longest {s.words_max:,})"),
        ("span", span + (f", {s.undated} without a date" if s.undated else "")),
        ("languages", ", ".join(f"{name} {count}" for name, count in s.languages.items()) or "none"),
        ("quotes, code, tables", ", ".join(f"{part:.1%}" for part in s.word_fractions.values()) + " of the words"),
        ("near-duplicates, series", f"{s.related_posts} posts in {groups}"),
        ("personal data", ", ".join(f"{count} {kind}" for kind, count in s.personal_data.items()) or "none found"),
        ("other authors", f"{s.posts_by_others} posts" if s.posts_by_others else "none named"),
        ("links not understood", f"{s.broken_links}" if s.broken_links else "none"),
        ("phrases of chat models", f"{len(s.machine_written)} posts"),
        ("topics", ", ".join(s.topics[:8]) or "none"),
        *((change.name, str(change)) for change in s.changes),
        ("skipped", "; ".join(f"{count}: {reason}" for reason, count in skipped) or "nothing"),
    ]


def top_topics(posts: list[dict]) -> list[str]:
    """The 12 most frequent tags; where half of the posts have none, words that several titles share."""
    import pandas as pd

    tags = pd.Series([tag.casefold() for post in posts for tag in _unique(post["tags"])], dtype=object)
    if len(tags) >= len(posts) / 2:
        return list(_count_values(tags))[:12]
    title_words = [
        word
        for post in posts
        for word in _unique(WORD.findall(post["title"].casefold()))
        if len(word) > 3 and word not in REPORT_STOP_WORDS
    ]
    counts = _count_values(pd.Series(title_words, dtype=object))
    return [word for word, n in list(counts.items())[:12] if n > 1]


def posts_per_year(posts: list[dict]) -> list[tuple[str, int]]:
    """Posts of each of the last 40 years, years without a post too."""
    import pandas as pd

    years = pd.Series([int(post["date"][:4]) for post in posts if post["date"]], dtype=int)
    if years.empty:
        return []
    first, last = int(years.min()), int(years.max())
    every_year = range(max(first, last - MAX_YEARS + 1), last + 1)
    counts = years.value_counts().reindex(every_year, fill_value=0)
    return [(str(year), int(n)) for year, n in counts.items()]


def length_histogram(words: list[int]) -> list[tuple[str, int]]:
    """Posts in each bin of LENGTH_EDGES, by their number of words."""
    import pandas as pd

    names = [f"{low}–{high}" for low, high in zip(LENGTH_EDGES, LENGTH_EDGES[1:])] + [f"{LENGTH_EDGES[-1]:,}+"]
    bins = pd.cut(pd.Series(words), [*LENGTH_EDGES, float("inf")], right=False, labels=names)
    return [(str(name), int(n)) for name, n in bins.value_counts(sort=False).items()]


def render_html(statistics: CorpusStatistics) -> str:
    """The page: one file that loads nothing; all text of the posts is escaped."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(
        statistics=statistics,
        MIN_POSTS=MIN_POSTS,
        RECOMMENDED_POSTS=RECOMMENDED_POSTS,
        SATURATION_POSTS=SATURATION_POSTS,
        SMALL_CORPUS_WORDS=SMALL_CORPUS_WORDS,
    )
