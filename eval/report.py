"""report.html: one self-contained page for a person. Positions in its charts are computed here, in percent of a chart's
width."""

import math
import re
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from blogtwin.text.tokens import WORD
from eval.baselines import BASELINES
from eval.scorecard import Scorecard
from eval.style.profile import MAX_CLOSE_Z, STYLE_FEATURES
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
MIN_MATCH_WORDS = 8  # a shorter run of words is everybody's
AXIS_LIMITS = (-1.0, 2.5)  # of the style axis at most
MAX_ADVICE = 5  # gaps that are said in words
MIN_COMPARED = 0.5  # a rate below it has no meaningful multiple
MAX_Z = 3.0  # standard deviations on each side of the chart of style features


def render_report(card: Scorecard, author: str, base: str) -> str:
    """The page as HTML; all text of the card is escaped."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"paragraphs": paragraphs, "number": format_number, "code": inline_code}
    page = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    metrics = card.metrics
    return page.render(
        card=card,
        m=metrics,
        author=author,
        base=base,
        LABELS=SYSTEM_LABELS,
        BASELINES=BASELINES,
        GATES=GATES,
        MAX_OVERSHOOT=MAX_STYLE_OVERSHOOT,
        get=lambda path: lookup(metrics, path),
        systems=[name for name in SYSTEM_LABELS if name in metrics],
        axis=style_axis(metrics),
        posts=posts_chart(card),
        style_features=style_feature_rows(card.style_features),
        suites=suite_scores(metrics),
    )


def lookup(data: dict[str, Any], path: str) -> Any:
    """lookup(metrics, "twin.style.masked"); None where there is no such value."""
    found: Any = data
    for key in path.split("."):
        found = found.get(key) if isinstance(found, dict) else None
    return found


def prompt_title(prompt: str) -> str:
    """What stands in quotation marks in a prompt, else all of it."""
    match = re.search(r"“(.+)”", prompt)
    return match[1] if match else prompt


def is_finite(value: float | None) -> bool:
    """True for a number that can be shown: neither None nor nan nor infinite."""
    return value is not None and math.isfinite(value)


def format_number(value: float | None, form: str = "%.2f") -> str:
    """A number with a true minus; a dash for what could not be measured."""
    return (form % value).replace("-", "−") if is_finite(value) else "–"


def inline_code(text: str) -> Markup:
    """Escaped text in which `words` are code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def paragraphs(text: str, copied: str = "") -> Markup:
    """Text as escaped <p> blocks, its Markdown unrendered; the run of words `copied` is marked where it stands."""
    start, end = locate_match(text, copied)
    blocks = []
    for block in re.finditer(r"\S.*?(?=\s*\n\s*\n|\s*\Z)", text, re.S):
        low, high = (min(max(at, block.start()), block.end()) for at in (start, end))
        before, marked, after = text[block.start() : low], text[low:high], text[high : block.end()]
        html = str(escape(before))
        if marked:
            html += f"<mark>{escape(marked)}</mark>"
        html += str(escape(after))
        blocks.append(f"<p>{html}</p>".replace("\n", "<br>"))
    return Markup("".join(blocks))


def locate_match(text: str, copied: str) -> tuple[int, int]:
    """(start, end) of a run of MIN_MATCH_WORDS words or more in the text, whatever their case and punctuation there;
    (0, 0) for none."""
    run, matches = copied.split(), list(WORD.finditer(text))
    if len(run) < MIN_MATCH_WORDS:
        return 0, 0
    tokens = [match[0].casefold() for match in matches]
    for i in range(len(tokens) - len(run) + 1):
        if tokens[i : i + len(run)] == run:
            return matches[i].start(), matches[i + len(run) - 1].end()
    return 0, 0


def percent_scale(low: float, high: float) -> Callable[[float], float]:
    """A function from a value to its position in percent between low and high, clamped to 0 and 100."""
    width = (high - low) or 1
    return lambda value: round(100 * (min(max(value, low), high) - low) / width, 2)


def style_axis(metrics: dict[str, Any]) -> dict[str, Any]:
    """The systems on the axis from other people (0) to the author (1), the nearest first: {"at", "rows", "missing"}."""
    systems = [name for name in SYSTEM_LABELS if name != "author" and name in metrics]
    styles = {name: metrics[name].get("style", {}) for name in systems}
    measured = [name for name in systems if is_finite(styles[name].get("masked"))]
    measured.sort(key=lambda name: -styles[name]["masked"])
    values = [value for name in measured for value in styles[name].values() if is_finite(value)]
    # Space beyond both ends, for the labels of the ends.
    low = max(AXIS_LIMITS[0], min([-0.25, *(value - 0.05 for value in values)]))
    high = min(AXIS_LIMITS[1], max([1.45, *(value + 0.05 for value in values)]))
    at = percent_scale(low, high)
    rows = []
    for name in measured:
        row = {"system": name, "name": SYSTEM_LABELS[name], **styles[name]}
        for family in ("masked", "function"):
            ends = [styles[name].get(f"{family}{end}") for end in ("", "_lo", "_hi")]
            row[f"{family}_at"] = [at(value) if is_finite(value) else None for value in ends]
        row["anchor"] = _text_anchor(row["masked_at"][0])
        rows.append(row)
    return {"at": at, "rows": rows, "missing": [SYSTEM_LABELS[name] for name in systems if name not in measured]}


def _text_anchor(percent: float) -> str:
    """How a label at this position is aligned, so that it stays inside the chart."""
    if percent < 38:
        return "start"
    return "end" if percent > 62 else "middle"


def posts_chart(card: Scorecard) -> dict[str, Any]:
    """Bits per byte by post, and their positions: {"rows", "low", "high", "better": posts on which the twin gained}."""
    titles = {sample["post_id"]: prompt_title(sample["prompt"]) for sample in card.samples}
    values = [post[name] for post in card.by_post for name in ("base", "twin") if is_finite(post.get(name))]
    if not values:
        return {"rows": []}
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or 0.1
    at, rows, better = percent_scale(low - margin, high + margin), [], 0
    for post in card.by_post:
        gain = None
        if is_finite(post.get("base")) and is_finite(post.get("twin")):
            gain = post["base"] - post["twin"]
            better += gain > 0
        positions = {name: at(post[name]) if is_finite(post.get(name)) else None for name in ("base", "twin")}
        rows.append({**post, "prompt": titles.get(post["post"], post["post"]), "at": positions, "gain": gain})
    return {"rows": rows, "low": low, "high": high, "better": better}


def style_feature_rows(values: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    """One row a style feature, in standard deviations around the author's median; the widest gap between twin and
    author first. `values`: see Scorecard.style_features."""
    rows: list[dict[str, Any]] = []
    at = percent_scale(-MAX_Z, MAX_Z)
    for feature, own in values.get("author", {}).items():
        if feature not in STYLE_FEATURES or not own:
            continue
        label, unit, _ = STYLE_FEATURES[feature]
        median = statistics.median(own)
        means, z = {}, {}
        for name in ("base", "twin"):
            if values.get(name, {}).get(feature):
                means[name] = statistics.fmean(values[name][feature])
                z[name] = _distance(means[name], own)
        low, high = np.quantile(own, [0.1, 0.9])
        rows.append(
            {
                "key": feature,
                "name": label,
                "unit": unit,
                "median": median,
                "means": means,
                "band": (at(_distance(low, own)), at(_distance(high, own))),
                "at": {name: at(value) for name, value in z.items()},
                "beyond": {name: abs(value) > MAX_Z for name, value in z.items()},
                "gap": z.get("twin", 0.0),
                "advice": "",
            }
        )
    rows.sort(key=lambda row: -abs(row["gap"]))
    for row in rows[:MAX_ADVICE]:
        if abs(row["gap"]) > MAX_CLOSE_Z:
            yours = statistics.fmean(values["author"][row["key"]])
            row["advice"] = habit_advice(row["name"], row["unit"], yours, row["means"]["twin"])
    return rows


def habit_advice(name: str, unit: str, yours: float, twin: float) -> str:
    """A gap between the author's mean and the twin's in a sentence: “Commas: you 24 per 1,000 words, your twin 49 (2.0
    times as many).”"""
    said = f"{name[0].upper()}{name[1:]}: you {_short(yours)} {unit}, your twin {_short(twin)}"
    said = said.replace(f"you none {unit}, your twin {_short(twin)}", f"you none, your twin {_short(twin)} {unit}")
    if min(yours, twin) < MIN_COMPARED:
        return f"{said}."
    return f"{said} ({twin / yours:.1f} times as {'long' if unit == 'words' else 'many'})."


def _short(value: float) -> str:
    """A mean with one decimal where it is small."""
    return f"{value:.0f}" if value >= 10 else "none" if value < 0.05 else f"{value:.1f}"


def _distance(value: float, own: list[float]) -> float:
    """How many standard deviations of the author's values a value is from their median; beyond the chart where the
    author's are all alike and this one is not."""
    gap = float(value) - statistics.median(own)
    spread = statistics.stdev(own) if len(own) > 1 else 0.0
    if spread > 1e-9:
        return gap / spread
    return math.copysign(MAX_Z + 1, gap) if abs(gap) > 1e-9 else 0.0


def suite_scores(metrics: dict[str, Any]) -> list[tuple[str, dict[str, float | None]]]:
    """(suite, {system: score}), the overall score last."""
    scores = {name: metrics[name]["suites"] for name in ("base", "twin") if lookup(metrics, f"{name}.suites")}
    suites = sorted({suite for by_suite in scores.values() for suite in by_suite}, key=lambda s: (s == "overall", s))
    return [(suite, {name: by_suite.get(suite) for name, by_suite in scores.items()}) for suite in suites]
