"""What a blog is, in figures, whether that is enough to learn from, and a page that shows it."""

import re
from collections import Counter
from html import escape

from blogtwin.text.stopwords import REPORT_STOP_WORDS
from blogtwin.text.tokens import WORD
from corpus.cleaning import QUOTE, TABLE, clean_markdown, extract_code
from corpus.dedup import group_related

# Panza (arXiv 2407.10994): fewer than 128 texts risk overfitting, over 1,000 add little.
MIN_POSTS, RECOMMENDED_POSTS, SATURATION_POSTS = 10, 128, 1000
SMALL_CORPUS_WORDS = 10_000  # twice what telling an author by style takes (Eder 2015, doi 10.1093/llc/fqt066: 5,000)
MAX_QUOTED_FRACTION = 0.2  # share of words that somebody else wrote
MACHINE_PHRASES = re.compile(
    r"(?i)\b(?:as an ai language model|as a large language model|in today[’']s fast-paced (?:digital )?world|i hope"
    r" this (?:e-?mail|message) finds you well|in conclusion, it is important to (?:note|remember))\b"
)


def corpus_statistics(posts: list[dict], left: list[dict], params) -> dict:
    """All that the report shows, as numbers and sentences."""
    from rich.progress import track

    from blogtwin.text.pii import find_personal_data

    words = sorted(p["word_count"] for p in posts) or [0]
    dated = sorted(p["date"] for p in posts if p["date"])
    total, quoted, coded, tabled = max(1, sum(words)), 0, 0, 0
    personal: Counter = Counter()
    machine, samples = [], []
    for post in track(posts, "looking at posts", transient=True):
        cleaned = clean_markdown(post["text"], params.prepare.links)
        prose, code = extract_code(cleaned)
        quoted += sum(len(m[0].split()) for m in QUOTE.finditer(prose))
        tabled += sum(len(m[0].split()) for m in TABLE.finditer(prose))
        coded += sum(len(c.split()) for c in code if "\n" in c.strip())
        personal.update(kind for kind, _ in find_personal_data(cleaned))
        machine += [post["title"]] if MACHINE_PHRASES.search(cleaned) else []
        samples += _before_after(post, cleaned) if len(samples) < 5 else []
    together = [g for g in group_related(posts, params.split.min_jaccard, params.split.min_containment) if len(g) > 1]
    authors = Counter(a for p in posts for a in set(p.get("authors", [])))
    main_author = authors.most_common(1)[0][0] if authors else ""
    guests = sum(n for a, n in authors.items() if a != main_author)
    languages = Counter(p["lang"] for p in posts)
    reasons = Counter(reason_category(d["reason"]) for d in left)
    shares = {"quotes": quoted / total, "code": coded / total, "tables": tabled / total}
    facts = {
        "posts": len(posts),
        "words": sum(words),
        "words_median": words[len(words) // 2],
        "words_most": words[-1],
        "from": dated[0] if dated else None,
        "to": dated[-1] if dated else None,
        "undated": len(posts) - len(dated),
        "languages": dict(languages.most_common()),
        "shares": shares,
        "repeated": sum(map(len, together)),
        "groups": len(together),
        "personal": dict(personal),
        "machine": machine[:20],
        "guests": guests,
        "authors": dict(authors.most_common(10)),
        "left": dict(reasons.most_common()),
        "topics": top_topics(posts),
        "years": posts_per_year(posts),
        "lengths": length_histogram(words),
        "samples": samples,
    }
    facts["verdict"], facts["hints"] = assess(facts, params)
    facts["table"] = summary_rows(facts)
    return facts


def reason_category(reason: str) -> str:
    """The kind of a reason, without the numbers and names in it."""
    if reason.startswith("only "):
        return "fewer words than ingest.min_words"
    return (
        "the same text as another" if reason.startswith("the same text") else reason.split(":")[0].split(" (")[0][:60]
    )


def assess_size(posts: int, words: int) -> tuple[bool, str]:
    """(whether a twin can be trained on so many posts and words, the sentence that says what to expect)."""
    if posts < MIN_POSTS or words < SMALL_CORPUS_WORDS / 5:
        return (
            False,
            (
                f"Not enough: {posts} posts of {words:,} words; a twin of them would learn a few sentences by heart."
                f" Bring at least {MIN_POSTS} posts, better {RECOMMENDED_POSTS}."
            ),
        )
    if posts < RECOMMENDED_POSTS or words < SMALL_CORPUS_WORDS:
        return (
            True,
            (
                f"Enough to try: {posts} posts of {words:,} words. Under {RECOMMENDED_POSTS} texts a model may learn"
                " them by heart (Panza): keep the epochs few, and watch «copying» in the scorecard."
            ),
        )
    if posts <= SATURATION_POSTS:
        return True, f"Enough: {posts} posts of {words:,} words; expect the author's rhythm and habits, not his facts."
    return (
        True,
        (
            f"Plenty: {posts} posts of {words:,} words; over {SATURATION_POSTS:,} texts add little (Panza), and"
            " train.max_tokens takes the newest."
        ),
    )


def assess(facts: dict, params) -> tuple[str, list[str]]:
    """A sentence: enough or not, and what to expect; and what to mend."""
    n = facts["posts"]
    _, said = assess_size(n, facts["words"])
    hints = []
    if facts["shares"]["quotes"] > MAX_QUOTED_FRACTION:
        hints.append(
            f"{facts['shares']['quotes']:.0%} of the words stand in quotations: `prepare.quotes: drop` keeps other"
            " people's voices out."
        )
    if facts["shares"]["code"] > MAX_QUOTED_FRACTION:
        hints.append(
            f"{facts['shares']['code']:.0%} of the words are code: `prepare.code: placeholder` keeps the twin to prose."
        )
    if facts["personal"] and not params.prepare.redact:
        hints.append(
            "Personal data stands in the posts ("
            + ", ".join(f"{v} {k}" for k, v in facts["personal"].items())
            + "): `prepare.redact: true` masks it."
        )
    if facts["guests"] and not params.ingest.author:
        hints.append(
            f"{facts['guests']} posts name another author than most do: set `ingest.author` to leave guests out."
        )
    if facts["machine"]:
        hints.append(f"{len(facts['machine'])} posts sound like a chat model's: {'; '.join(facts['machine'][:3])}.")
    if len(facts["languages"]) > 1 and min(list(facts["languages"].values())[:2]) > 0.1 * n:
        hints.append("Two languages: a twin of each apart is better than one of both.")
    if facts["undated"] > 0.5 * n:
        hints.append("Most posts have no date: `split.strategy: random` is as good as testing on the newest.")
    return said, hints


def summary_rows(facts: dict) -> list[tuple[str, str]]:
    span = f"{facts['from']} to {facts['to']}" if facts["from"] else "no dates"
    return [
        ("posts", f"{facts['posts']:,}"),
        ("words", f"{facts['words']:,} (a post: median {facts['words_median']:,}, most {facts['words_most']:,})"),
        ("span", span + (f", {facts['undated']} without a date" if facts["undated"] else "")),
        ("languages", ", ".join(f"{k} {v}" for k, v in facts["languages"].items()) or "none"),
        ("quotes, code, tables", ", ".join(f"{v:.1%}" for v in facts["shares"].values()) + " of the words"),
        (
            "near-duplicates, series",
            f"{facts['repeated']} posts in {facts['groups']} group{'' if facts['groups'] == 1 else 's'}",
        ),
        ("personal data", ", ".join(f"{v} {k}" for k, v in facts["personal"].items()) or "none found"),
        ("other authors", f"{facts['guests']} posts" if facts["guests"] else "none named"),
        ("sound machine-written", f"{len(facts['machine'])} posts"),
        ("topics", ", ".join(facts["topics"][:8]) or "none"),
        ("left out", "; ".join(f"{n}: {reason}" for reason, n in list(facts["left"].items())[:6]) or "nothing"),
    ]


def top_topics(posts: list[dict]) -> list[str]:
    """The tags most posts have; without tags, the words most posts share that are no common ones."""
    tags = Counter(t.casefold() for p in posts for t in set(p["tags"]))
    if sum(tags.values()) >= len(posts) / 2:
        return [t for t, _ in tags.most_common(12)]
    found = Counter(
        w for p in posts for w in set(WORD.findall(p["title"].casefold())) if len(w) > 3 and w not in REPORT_STOP_WORDS
    )
    return [w for w, n in found.most_common(12) if n > 1]


def posts_per_year(posts: list[dict]) -> list[tuple[str, int]]:
    """Posts a year, years without a post too; the last forty."""
    found = Counter(p["date"][:4] for p in posts if p["date"])
    if not found:
        return []
    last = int(max(found))
    return [(str(y), found[str(y)]) for y in range(max(int(min(found)), last - 39), last + 1)]


def length_histogram(words: list[int]) -> list[tuple[str, int]]:
    """Posts by their number of words."""
    edges = [0, 100, 200, 400, 800, 1600, 3200, 6400]
    names = [f"{a}–{b}" for a, b in zip(edges, edges[1:])] + [f"{edges[-1]:,}+"]
    found = Counter(sum(n >= e for e in edges[1:]) for n in words)
    return [(name, found[i]) for i, name in enumerate(names)]


def _before_after(post: dict, cleaned: str) -> list[dict]:
    """A place that cleaning changed, with some words on both sides."""
    raw = post["text"]
    at = next((i for i, (a, b) in enumerate(zip(raw, cleaned)) if a != b), None)
    if at is None or len(raw) - len(cleaned) < 20:
        return []
    start = max(0, at - 60)
    return [{"title": post["title"], "before": raw[start : at + 240], "after": cleaned[start : at + 160]}]


def bar_chart_svg(rows: list[tuple[str, int]], title: str, sideways: bool = False) -> str:
    """A bar chart as SVG."""
    if not rows:
        return f"<p class=none>{escape(title)}: nothing to show.</p>"
    most = max(n for _, n in rows) or 1
    parts = []
    if sideways:
        height = 28 * len(rows)
        for i, (name, n) in enumerate(rows):
            y, width = 28 * i, 300 * n / most
            parts.append(
                f"<text class=n x=330 y={y + 18} text-anchor=end>{escape(name)}</text><rect x=340 y={y + 4}"
                f" width={width:.1f} height=20 rx=2 /><text x={346 + width:.1f} y={y + 18}>{n:,}</text>"
            )
    else:
        height, step = 200, 680 / len(rows)
        every = -(-len(rows) // 14)
        for i, (name, n) in enumerate(rows):
            x, tall = 10 + step * i, 140 * n / most
            parts.append(
                f"<rect x={x + step * 0.1:.1f} y={160 - tall:.1f} width={step * 0.8:.1f} height={tall:.1f} rx=2 />"
            )
            parts.append(f"<text x={x + step / 2:.1f} y={154 - tall:.1f} text-anchor=middle>{n if n else ''}</text>")
            parts.append(
                f"<text class=n x={x + step / 2:.1f} y=182 text-anchor=middle>{escape(name)}</text>"
                if i % every == 0
                else ""
            )
    return (
        f'<figure><figcaption>{escape(title)}</figcaption><svg viewBox="0 0 700 {height}" role=img'
        f' aria-label="{escape(title)}">{"".join(parts)}</svg></figure>'
    )


STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:760px;margin:2rem auto;padding:0 1rem;color:#1c1c1e;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.15rem;margin-top:2.2rem}h3{font-size:1rem;margin-bottom:.3rem}.verdict{font-size:1.15rem;border-left:4px solid #2c6e63;padding:.2rem 0 .2rem 1rem}
table{border-collapse:collapse;width:100%}td{padding:.3rem .6rem .3rem 0;border-bottom:1px solid #ddd;vertical-align:top;overflow-wrap:anywhere}td:first-child{white-space:nowrap;color:#666}
figure{margin:1.5rem 0}figcaption{font-weight:600;margin-bottom:.3rem}svg{width:100%;height:auto}rect{fill:#2c6e63}text{font-size:12px;fill:#333}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:#f4f4f2;padding:.6rem;font-size:.82rem}.none,.note{color:#666;font-size:.9rem}
.pair{display:grid;grid-template-columns:1fr 1fr;gap:.8rem}@media(max-width:560px){.pair{grid-template-columns:1fr}}
@media(prefers-color-scheme:dark){body{background:#17181a;color:#e8e8e6}text{fill:#ccc}rect{fill:#5fb3a3}pre{background:#232528}td{border-color:#333}td:first-child,.none,.note{color:#999}}"""


def render_html(facts: dict) -> str:
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in facts["table"])
    hints = "".join(f"<li>{escape(h)}</li>" for h in facts["hints"])
    samples = "".join(
        f"<h3>{escape(s['title'])}</h3><div"
        f" class=pair><pre>{escape(s['before'])}</pre><pre>{escape(s['after'])}</pre></div>"
        for s in facts["samples"]
    )
    return f"""<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"><title>Is the blog ready?</title><style>{STYLE}</style>
<h1>Is the blog ready?</h1><p class=verdict>{escape(facts["verdict"])}</p>{f"<ul>{hints}</ul>" if hints else ""}
<table>{rows}</table>
{bar_chart_svg(facts["years"], "Posts a year")}{bar_chart_svg(facts["lengths"], "Posts by number of words")}{bar_chart_svg(list(facts["left"].items())[:10], "Left out, and why", sideways=True)}
<h2>What cleaning changes: before and after</h2>{samples or "<p class=none>Nothing: the posts are clean.</p>"}
<p class=note>Thresholds: {MIN_POSTS} posts are the least; from {RECOMMENDED_POSTS} on learning by heart is rarer, and over {SATURATION_POSTS:,} add little (Panza, arXiv 2407.10994); a style needs
{SMALL_CORPUS_WORDS:,} words (twice the 5,000 of Eder, doi 10.1093/llc/fqt066). Nothing on this page was sent anywhere.</p></html>
"""
