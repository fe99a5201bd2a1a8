"""report.html: one self-contained page for a person."""

from pathlib import Path

from markupsafe import Markup, escape

TEMPLATE = Path(__file__).with_name("report.html.j2")


def report(metrics: dict, samples: list[dict], per_post: dict, author: str, base: str) -> str:
    """The page as HTML. `per_post` is {voice: {post id: bits per byte}}; all text is escaped."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["paragraphs"] = paragraphs
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    posts = [{"base": per_post["base"][i], "twin": per_post["twin"][i]} for i in per_post["twin"]]
    highest = max(max(p["base"], p["twin"]) for p in posts)
    return template.render(m=metrics, samples=samples, posts=posts, highest=highest, author=author, base=base)


def paragraphs(text: str) -> Markup:
    """Text → escaped <p> blocks, Markdown left as it was written."""
    blocks = (str(escape(b.strip())).replace("\n", "<br>") for b in text.split("\n\n") if b.strip())
    return Markup("".join(f"<p>{b}</p>" for b in blocks))
