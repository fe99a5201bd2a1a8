"""report.html: one self-contained page for a person."""

from pathlib import Path

from markupsafe import Markup, escape

TEMPLATE = Path(__file__).with_name("report.html.j2")


def report(card, author: str, base: str) -> str:
    """The page as HTML, from a card.Card; all text is escaped."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["paragraphs"] = paragraphs
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(card=card, m=card.metrics, author=author, base=base)


def paragraphs(text: str) -> Markup:
    """Text → escaped <p> blocks, Markdown left as it was written."""
    blocks = (str(escape(b.strip())).replace("\n", "<br>") for b in text.split("\n\n") if b.strip())
    return Markup("".join(f"<p>{b}</p>" for b in blocks))
