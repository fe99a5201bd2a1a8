"""report.html: all that is known is on the page, and nothing that somebody wrote becomes markup."""

import re
from html.parser import HTMLParser

import pytest

from eval.report import SYSTEM_LABELS, format_number, habit_advice, locate_match, paragraphs, render_report
from eval.scorecard import Scorecard

RUN = "the boiler hummed and the cat slept on the warm lid"
EVIL = '<script>alert("x")</script> & "quotes" onload=\'y\''


def voice(style, **more):
    found = {
        "likelihood": {"bits_per_byte": 1.1},
        "copying": {"longest_copy_median": 4.0, "longest_copy_max": 11, "over_limit": 0},
        "shape": {"words_median": 300, "eos_rate": 0.5},
        "topic": {"tfidf_auc": 0.8},
    }
    ends = {
        f"{family}{end}": style + d
        for family in ("masked", "function")
        for end, d in (("", 0), ("_lo", -0.1), ("_hi", 0.1))
    }
    return {**found, "style": ends, "fluency": {"repetition_within": 0.75}, "c2st_auc": 0.7, **more}


def wrote(text, copied=""):
    return {
        "text": text,
        "end": "stop",
        "copied": copied,
        "longest_copy": len(copied.split()),
        "style": {"masked": 0.4, "function": None},
    }


@pytest.fixture
def card():
    metrics = {name: voice(x) for name, x in zip(SYSTEM_LABELS, (0.1, 0.15, 0.31, 0.62, 0.05, 1.0, 1.02, 0.7))}
    metrics["twin"]["suites"] = metrics["base"]["suites"] = {"facts": 0.5, "overall": 0.25}
    metrics |= {
        "gain": {},
        "verifier": {},
        "unrelated": {},
        "n": {"prompts": 12, "held_out_posts": 17, "training_posts": 60, "impostors": 6},
    }
    sample = {
        "id": "a-1",
        "post_id": "a",
        "prompt": f"Write of boilers {EVIL}",
        "brief": "",
        "author": f"One.\n\n{EVIL}",
    }
    sample |= {
        "twin": wrote(f"It was so: The boiler hummed, and the cat\n\nslept on the WARM lid. {EVIL}", RUN),
        "five_shot": wrote(EVIL),
        "base": wrote("Short.", "slept on the lid"),
    }
    habits = {
        "author": {"commas": [1.0, 2.0, 3.0], "semicolons": [0.0, 0.0, 0.0]},
        "twin": {"commas": [2.5], "semicolons": [9.0]},
        "base": {"commas": [60.0], "semicolons": [0.0]},
    }
    return Scorecard(
        metrics,
        [sample],
        habits,
        f"Not yet: {EVIL}.",
        ["Try `train.epochs` <b>."],
        {"copying": f"2 of 12 texts {EVIL}"},
        {"fluent": f"7 of 12 texts {EVIL}"},
        [{"post": "a", "base": 1.2, "twin": 1.0}],
        [("twin", "author")],
    )


def shown(page: str) -> str:
    """A page's text as a browser shows it: line breaks are spaces."""
    return " ".join(page.split())


class Tags(HTMLParser):
    """Every start tag with its attributes, and what was left open."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "br", "html"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert tag == "html" or self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_gaps_in_habits_are_said_in_words(card):
    page = shown(render_report(card, "Wenna", "smollm2"))
    assert "Semicolons: you none, your twin 9.0 per 1,000 words." in page
    assert habit_advice("commas", "per 1,000 words", 24.4, 48.8) == (
        "Commas: you 24 per 1,000 words, your twin 49 (2.0 times as many)."
    )
    assert "as long" in habit_advice("sentence length", "words", 14.0, 7.0)


def test_the_style_figures_say_what_single_posts_span(card):
    spans = {"author_p5": 0.61, "author_p95": 1.42, "others_p5": -0.53, "others_p95": 0.48}
    card.metrics["verifier"] = {"masked": {"auc": 1.0, **spans}}
    assert "single posts of yours span 0.61 to 1.42, those of others −0.53 to 0.48" in shown(
        render_report(card, "Wenna", "smollm2")
    )


def test_a_gap_within_the_authors_own_range_is_no_advice(card):
    card.style_features["twin"] = {"commas": [2.1], "semicolons": [0.0]}
    assert "your twin 2.1" not in render_report(card, "Wenna", "smollm2")


def test_the_twins_telling_sentences_stand_under_its_text(card):
    card.samples[0]["twin"]["sentences"] = {"least": ["It is what it is <i>."], "most": ["I put the kettle on."]}
    page = shown(render_report(card, "Wenna", "smollm2"))
    assert "Least like you</b><span>It is what it is &lt;i&gt;.</span>" in page
    assert "Most like you</b><span>I put the kettle on.</span>" in page


def test_what_somebody_wrote_stays_text(card):
    """In prompt, post, answers, verdict, reason and names, a script and quotes are words."""
    found = Tags(render_report(card, EVIL, EVIL))
    assert "script" not in {tag for tag, _ in found.tags} and not any(
        name.startswith("on") for _, a in found.tags for name in a
    )
    assert found.text.count(EVIL) >= 8 and not found.open


def test_the_page_asks_nothing_of_the_network(card):
    page = render_report(card, "Wenna", "SmolLM2")
    assert "default-src 'none'" in page and not re.search(r"https?:|//\w|url\(|@import", page)
    assert not any({"href", "src"} & attributes.keys() for _, attributes in Tags(page).tags)


def test_all_voices_stand_on_the_line(card):
    """Each but the author by name with its interval, none beside the picture."""
    page = render_report(card, "Wenna", "SmolLM2")
    picture = page[page.index("<svg") : page.index("</svg>")]
    assert all(name in picture for name in SYSTEM_LABELS.values()) and "0.62 <" in picture and "[0.52, 0.72]" in picture
    assert all(-0.01 <= float(x) <= 100 for x in re.findall(r'\b(?:c?x[12]?)="([-\d.]+)%"', picture))
    assert "caricature" in picture and "12 prompts, 17 held-out posts, 6 other bloggers" in page


def test_a_voice_without_a_style_is_named_beside_the_line(card):
    card.metrics["styled"]["style"]["masked"] = None
    card.metrics["markov"]["style"] |= {"masked_lo": None, "masked_hi": None, "function": None}
    page = shown(render_report(card, "", "SmolLM2"))
    assert "could not be measured: base, told your style." in page and "[–, –]" in page


def test_report_shows_a_dash_for_none(card):
    """A card of which nothing could be measured makes a page too, and no None or nan is on it."""

    def nothing(data):
        return {k: nothing(v) for k, v in data.items()} if isinstance(data, dict) else None

    card.metrics = {k: v if k == "n" else nothing(v) for k, v in card.metrics.items()}
    card.by_post, card.style_features = [{"post": "a", "base": None, "twin": None}], {}
    text = shown(Tags(render_report(card, "Wenna", "SmolLM2")).text)
    assert "no system is on the axis" in text and "–" in text and not re.search(r"\bNone\b|\bnan\b|undefined", text)
    assert (format_number(None), format_number(float("nan")), format_number(-0.5)) == ("–", "–", "−0.50")


def test_a_sample_without_style_scores_has_a_page(card):
    """With fewer than four other authors, or two held-out posts of 100 words, no text has a score."""
    for system in ("twin", "five_shot", "base"):
        card.samples[0][system]["style"] = {}
    assert "style –, function words –" in shown(render_report(card, "", "SmolLM2"))


def test_copied_runs_are_marked_where_they_stand(card):
    """Across case, punctuation and paragraphs; only runs of 8 words or more."""
    page = render_report(card, "Wenna", "SmolLM2")
    assert (
        "<p>It was so: <mark>The boiler hummed, and the cat</mark></p><p><mark>slept on the WARM lid</mark>. &lt;script"
        in page
    )
    assert page.count("<mark>") == 3  # these two and the legend
    assert (
        locate_match("a b c", "a b c") == (0, 0)
        and locate_match("", RUN) == (0, 0)
        and locate_match("other words " * 9, RUN) == (0, 0)
    )
    assert paragraphs(" \n\n a\nb \n \n\nc<\n") == "<p>a<br>b</p><p>c&lt;</p>" and paragraphs("") == ""


def test_report_shows_gates_and_advice(card):
    page = render_report(card, "Wenna", "SmolLM2")
    assert page.count('<li class="no">') == page.count('<li class="unsure">') == 1 and page.count("<li><b>") == 2
    assert "Failed: 2 of 12 texts" in page and "Can’t tell: 7 of 12 texts" in page
    assert "<code>train.epochs</code> &lt;b&gt;" in page


def test_pictures_and_tables_can_be_heard(card):
    tags = Tags(render_report(card, "Wenna", "SmolLM2")).tags
    assert all(a.get("role") == "img" and a.get("aria-label") for tag, a in tags if tag == "svg")
    assert all(a.get("scope") in ("row", "col") for tag, a in tags if tag == "th")
