"""report.html: one self-contained page for a person. What is drawn is placed here, in percent of a picture's width."""

import math
import re
import statistics
from pathlib import Path

from markupsafe import Markup, escape

from blogtwin.text.tokens import WORD
from eval.style.profile import STYLE_FEATURES
from eval.verdict import GATES, MAX_STYLE_OVERSHOOT

TEMPLATE = Path(__file__).with_name("report.html.j2")
SYSTEM_LABELS = {
    "base": "base",
    "styled": "base, told your style",
    "five_shot": "base, shown 5 posts",
    "twin": "your twin",
    "swap": "another’s twin",
    "author": "you",
    "verbatim": "copies of your posts",
    "markov": "words shuffled by chance",
}
BASELINE_LABELS = ("verbatim", "markov")
MIN_MATCH_WORDS = 8  # words: what is shorter, everybody says
AXIS_LIMITS = (-1.0, 2.5)  # the line is never drawn longer
MAX_Z = 3.0  # spreads of the author's on each side of the habits picture


def render_report(card, author: str, base: str) -> str:
    """The page as HTML, from a card.Card; all text is escaped."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"paragraphs": paragraphs, "number": format_number, "code": inline_code}
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    m = card.metrics
    return page.render(
        card=card,
        m=m,
        author=author,
        base=base,
        VOICES=SYSTEM_LABELS,
        CHEATS=BASELINE_LABELS,
        GATES=GATES,
        CARICATURE=MAX_STYLE_OVERSHOOT,
        get=lambda path: lookup(m, path),
        voices=[v for v in SYSTEM_LABELS if v in m],
        line=style_axis(m),
        posts=posts_chart(card),
        habits=style_feature_rows(card.habits),
        suites=suite_scores(m),
    )


def lookup(data: dict, path: str):
    """get(metrics, "twin.style.masked"); None where there is no such thing."""
    for key in path.split("."):
        data = data.get(key) if isinstance(data, dict) else None
    return data


def prompt_title(prompt: str) -> str:
    """What stands in quotation marks in a prompt, else all of it."""
    found = re.search(r"“(.+)”", prompt)
    return found[1] if found else prompt


def is_finite(value) -> bool:
    return value is not None and math.isfinite(value)


def format_number(value, form: str = "%.2f") -> str:
    """A number with a true minus; a dash for what could not be measured."""
    return (form % value).replace("-", "−") if is_finite(value) else "–"


def inline_code(text: str) -> Markup:
    """Escaped text whose `words` are code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def paragraphs(text: str, copied: str = "") -> Markup:
    """Text → escaped <p> blocks, Markdown left as it was written; the run of words `copied` is marked where it
    stands."""
    start, end = locate_match(text, copied)
    blocks = []
    for block in re.finditer(r"\S.*?(?=\s*\n\s*\n|\s*\Z)", text, re.S):
        low, high = (min(max(at, block.start()), block.end()) for at in (start, end))
        parts = [str(escape(part)) for part in (text[block.start() : low], text[low:high], text[high : block.end()])]
        if parts[1]:
            parts[1] = f"<mark>{parts[1]}</mark>"
        blocks.append(f"<p>{''.join(parts)}</p>".replace("\n", "<br>"))
    return Markup("".join(blocks))


def locate_match(text: str, copied: str) -> tuple[int, int]:
    """(start, end) of a run of LEAST_RUN words or more in the text, whatever case and punctuation they have there; (0,
    0) for none."""
    run, found = copied.split(), list(WORD.finditer(text))
    tokens = [w[0].casefold() for w in found]
    for i in range(len(tokens) - len(run) + 1 if len(run) >= MIN_MATCH_WORDS else 0):
        if tokens[i : i + len(run)] == run:
            return found[i].start(), found[i + len(run) - 1].end()
    return 0, 0


def percent_scale(low: float, high: float):
    """value → percent of the way from low to high, kept inside."""
    return lambda value: round(100 * (min(max(value, low), high) - low) / ((high - low) or 1), 2)


def style_axis(metrics: dict) -> dict:
    """The voices on the line from other people (0) to the author (1), nearest first: {"at", "rows", "missing"}."""
    voices = [v for v in SYSTEM_LABELS if v != "author" and v in metrics]
    styles = {v: metrics[v].get("style", {}) for v in voices}
    rows = sorted((v for v in voices if is_finite(styles[v].get("masked"))), key=lambda v: -styles[v]["masked"])
    seen = [x for v in rows for x in styles[v].values() if is_finite(x)]
    # Room beyond both ends, so that the names of the ends have a place.
    at = percent_scale(
        max(AXIS_LIMITS[0], min([-0.25, *(x - 0.05 for x in seen)])),
        min(AXIS_LIMITS[1], max([1.45, *(x + 0.05 for x in seen)])),
    )
    found = []
    for v in rows:
        one = {"voice": v, "name": SYSTEM_LABELS[v], **styles[v]}
        for family in ("masked", "function"):
            ends = [styles[v].get(f"{family}{end}") for end in ("", "_lo", "_hi")]
            one[f"{family}_at"] = [at(x) if is_finite(x) else None for x in ends]
        x = one["masked_at"][0]
        one["anchor"] = "start" if x < 38 else "end" if x > 62 else "middle"
        found.append(one)
    return {"at": at, "rows": found, "missing": [SYSTEM_LABELS[v] for v in voices if v not in rows]}


def posts_chart(card) -> dict:
    """Bits per byte by post, and where they stand: {"rows", "low", "high", "better"}."""
    prompts = {s["post_id"]: prompt_title(s["prompt"]) for s in card.samples}
    values = [p[v] for p in card.by_post for v in ("base", "twin") if is_finite(p.get(v))]
    if not values:
        return {"rows": []}
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.1
    at, rows = percent_scale(low - margin, high + margin), []
    for p in card.by_post:
        both = is_finite(p.get("base")) and is_finite(p.get("twin"))
        places = {v: at(p[v]) if is_finite(p.get(v)) else None for v in ("base", "twin")}
        rows.append(
            {
                **p,
                "prompt": prompts.get(p["post"], p["post"]),
                "at": places,
                "gain": p["base"] - p["twin"] if both else None,
            }
        )
    return {"rows": rows, "low": low, "high": high, "better": sum(is_finite(r["gain"]) and r["gain"] > 0 for r in rows)}


def style_feature_rows(values: dict) -> list[dict]:
    """A row a habit, in the author's spread around his median; the widest gap between twin and author first."""
    own, rows = values.get("author", {}), []
    for name, found in own.items():
        if name not in STYLE_FEATURES or not found:
            continue
        median, spread = statistics.median(found), statistics.stdev(found) if len(found) > 1 else 0.0
        ordered, at = sorted(found), percent_scale(-MAX_Z, MAX_Z)

        def apart(value, median=median, spread=spread):
            return (
                (value - median) / spread
                if spread > 1e-9
                else math.copysign(MAX_Z + 1, value - median)
                if abs(value - median) > 1e-9
                else 0.0
            )

        def quantile(q, ordered=ordered):
            k = q * (len(ordered) - 1)
            return ordered[int(k)] + (k - int(k)) * (ordered[min(int(k) + 1, len(ordered) - 1)] - ordered[int(k)])

        means = {v: statistics.fmean(values[v][name]) for v in ("base", "twin") if values.get(v, {}).get(name)}
        rows.append(
            {
                "name": STYLE_FEATURES[name][0],
                "unit": STYLE_FEATURES[name][1],
                "median": median,
                "means": means,
                "band": (at(apart(quantile(0.1))), at(apart(quantile(0.9)))),
                "at": {v: at(apart(x)) for v, x in means.items()},
                "beyond": {v: abs(apart(x)) > MAX_Z for v, x in means.items()},
                "gap": apart(means["twin"]) if "twin" in means else 0.0,
            }
        )
    return sorted(rows, key=lambda row: -abs(row["gap"]))


def suite_scores(metrics: dict) -> list[tuple[str, dict]]:
    """(suite, {voice: score}), the overall one last."""
    found = {v: metrics[v]["suites"] for v in ("base", "twin") if lookup(metrics, f"{v}.suites")}
    names = sorted({name for one in found.values() for name in one}, key=lambda n: (n == "overall", n))
    return [(name, {v: one.get(name) for v, one in found.items()}) for name in names]
