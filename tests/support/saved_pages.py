"""A hundred saved pages: ten posts of the sample blog in each of ten layouts, and the Markdown that each should give.

tests/data/saved_pages/ has the layouts, and the file that names the project of each. The posts get what such pages
hold besides paragraphs: lists in lists, code with line numbers, quotes, footnotes, tables, as each engine writes them.
"""

import datetime
from pathlib import Path
from typing import NamedTuple

import jinja2
import markdown_it

from tests.support.workspace import ROOT

LAYOUTS = Path(__file__).parents[1] / "data/saved_pages"
AUTHOR, SITE = "Wenna Trescothick", "Nine Spanners"
BOILERPLATE = {  # words of the pages that are none of the post's, by what they are
    "tagline": "Repairs, weather and other small engines by the harbour.",
    "bio": "who keeps a workshop over the chandlery and answers letters on Thursdays.",
    "cookies": "We use cookies to count visitors. Carry on reading if that suits you.",
    "newsletter": "Get an email whenever somebody publishes. You can leave the list whenever you like.",
}
COMMENTS = [
    {"name": "Morwenna P.", "text": "My uncle owned one exactly like that and swore it could smell rain coming."},
    {
        "name": "A. Reader",
        "text": "Lovely stuff, although surely the bracket belongs upside down? Greetings from Hull.",
    },
]
CODE = 'def pour(cups):\n    if cups < 3:\n        return "wait"\n    return cups - 1'
POSTS = (
    "2015-01-11-the-kettle-has-stopped.md", "2015-06-13-the-ramp.md", "2016-01-06-4-songs.md",
    "2017-03-19-61-pounds-35.md", "2018-04-21-the-dictionary-has-no-q.md", "2019-02-12-the-trial-of-the-printer.md",
    "2020-02-18-hail.md", "2021-05-23-page-9.md", "2022-12-03-by-nose.md", "2024-03-10-torch-10.md",
)  # fmt: skip


class SavedPage(NamedTuple):
    layout: str
    html: str
    title: str
    date: str  # ISO day
    markdown: str  # what a reader should give
    extras: frozenset[str]  # of EXTRAS, those in the post


def _lines(code: str, line: str) -> str:
    return "".join(line.format(n=n, code=c) for n, c in enumerate(escape(code).split("\n"), 1))


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def code_html(layout: str) -> str:
    """A code block as the layout's engine highlights it, with line numbers where it has them."""
    code = escape(CODE).replace("def ", '<span class="k">def</span> ').replace("3", '<span class="mi">3</span>')
    numbers = "\n".join(str(n) for n in range(1, CODE.count("\n") + 2))
    gutter = f'<pre class="lineno">{numbers}\n</pre>'
    by_layout = {
        "minima": f'<div class="language-python highlighter-rouge"><div class="highlight"><pre class="highlight"><code>'
        f'<table class="rouge-table"><tbody><tr><td class="rouge-gutter gl">{gutter}</td><td class="rouge-code"><pre>'
        f"{code}\n</pre></td></tr></tbody></table></code></pre></div></div>",
        "papermod": '<div class="highlight"><div class="chroma"><table class="lntable"><tr><td class="lntd"><pre'
        f' tabindex="0" class="chroma"><code><span class="lnt">{numbers}\n</span></code></pre></td><td class="lntd">'
        '<pre tabindex="0" class="chroma"><code class="language-python" data-lang="python">'
        f'<span class="line">{code}\n</span></code></pre></td></tr></table></div></div>'
        '<button class="copy-code">copy</button>',
        "landscape": '<figure class="highlight python"><table><tr><td class="gutter"><pre>'
        + _lines(CODE, '<span class="line">{n}</span><br>')
        + '</pre></td><td class="code"><pre>'
        + _lines(CODE, '<span class="line">{code}</span><br>')
        + "</pre></td></tr></table></figure>",
        "eleventy": f'<pre class="language-python" tabindex="0"><code class="language-python">{code}</code></pre>',
        "flex": '<div class="highlight"><table class="highlighttable"><tr><td class="linenos"><div class="linenodiv">'
        f'<pre><span class="normal">{numbers}</span></pre></div></td><td class="code"><div><pre><span></span>'
        f"<code>{code}\n</code></pre></div></td></tr></table></div>",
        "sage": '<div id="highlighter_3" class="syntaxhighlighter python"><table border="0"><tbody><tr>'
        '<td class="gutter">'
        + _lines(CODE, '<div class="line number{n} index0 alt2">{n}</div>')
        + '</td><td class="code"><div class="container">'
        + _lines(CODE, '<div class="line number{n} index0"><code class="python plain">{code}</code></div>').replace(
            '<code class="python plain">    ',
            '<code class="python spaces">&nbsp;&nbsp;&nbsp;&nbsp;</code><code class="python plain">',
        )
        + "</div></td></tr></tbody></table></div>",
        "blogger": f'<pre style="background: #eee;">{code}</pre>'.replace("\n", "<br />"),
        "medium": f'<pre class="lp lq"><span id="1a2b" class="lr">{code}</span></pre>'.replace("\n", "<br>"),
        "gatsby": '<div class="gatsby-highlight" data-language="python"><pre class="language-python line-numbers"><code'
        f' class="language-python">{code}</code><span aria-hidden="true" class="line-numbers-rows"><span></span></span>'
        "</pre></div>",
    }
    return by_layout.get(layout, f'<pre><code class="language-python">{code}</code></pre>')


NOTE = "The other one is in the harbour, and has been since the spring tide."
NOTED = "We kept one of the 2 brackets{ref} and wrote down where it came from."


def footnote_html(layout: str) -> tuple[str, str]:
    """(a paragraph with a footnote, the note at the end of the post), as the layout's engine writes them."""
    markers = {
        "minima": (
            '<sup id="fnref:1" role="doc-noteref"><a href="#fn:1" class="footnote" rel="footnote">1</a></sup>',
            f'<div class="footnotes" role="doc-endnotes"><ol><li id="fn:1" role="doc-endnote"><p>{NOTE} <a'
            ' href="#fnref:1" class="reversefootnote" role="doc-backlink">&#8617;</a></p></li></ol></div>',
        ),
        "papermod": (
            '<sup id="fnref:1"><a href="#fn:1" class="footnote-ref" role="doc-noteref">1</a></sup>',
            f'<div class="footnotes" role="doc-endnotes"><hr><ol><li id="fn:1"><p>{NOTE}&#160;<a href="#fnref:1"'
            ' class="footnote-backref" role="doc-backlink">&#x21a9;&#xfe0e;</a></p></li></ol></div>',
        ),
        "landscape": (
            '<sup id="fnref:1"><a href="#fn:1" rel="footnote"><span class="hint--top">[1]</span></a></sup>',
            '<div id="footnotes"><hr><div id="footnotelist"><ol style="list-style:none"><li id="fn:1"><span>1.</span>'
            f'<span>{NOTE}</span><a href="#fnref:1" rev="footnote"> ↩</a></li></ol></div></div>',
        ),
        "flex": (
            '<sup id="fnref:a"><a class="footnote-ref" href="#fn:a">1</a></sup>',
            f'<div class="footnote"><hr><ol><li id="fn:a"><p>{NOTE}&#160;<a class="footnote-backref" href="#fnref:a"'
            ' title="Jump back to footnote 1 in the text">&#8617;</a></p></li></ol></div>',
        ),
        "sage": (
            '<sup data-fn="b7f0" class="fn"><a href="#b7f0" id="b7f0-link">1</a></sup>',
            f'<ol class="wp-block-footnotes"><li id="b7f0">{NOTE} <a href="#b7f0-link" aria-label="Jump to footnote'
            ' reference 1">↩︎</a></li></ol>',
        ),
        "blogger": (
            '<a href="#_ftn1" name="_ftnref1" title=""><span>[1]</span></a>',
            f'<div id="ftn1"><p class="MsoFootnoteText"><a href="#_ftnref1" name="_ftn1">[1]</a> {NOTE}</p></div>',
        ),
        "gatsby": (
            '<sup id="fnref-1"><a href="#fn-1" class="footnote-ref">1</a></sup>',
            f'<div class="footnotes"><hr><ol><li id="fn-1">{NOTE}<a href="#fnref-1" class="footnote-backref">↩</a>'
            "</li></ol></div>",
        ),
    }
    ref, note = markers.get(
        layout,
        (
            '<sup class="footnote-ref"><a href="#fn1" id="fnref1">[1]</a></sup>',
            '<hr class="footnotes-sep"><section class="footnotes"><ol class="footnotes-list"><li id="fn1"'
            f' class="footnote-item"><p>{NOTE} <a href="#fnref1" class="footnote-backref">↩︎</a></p></li></ol>'
            "</section>",
        ),
    )
    return f"<p>{NOTED.format(ref=ref)}</p>", note


WIDGETS = {
    "minima": '<iframe width="560" src="https://www.youtube.com/embed/x" allowfullscreen></iframe>',
    "casper": '<figure class="kg-card kg-bookmark-card"><a class="kg-bookmark-container" href="https://x.example/"><div'
    ' class="kg-bookmark-content"><div class="kg-bookmark-title">Card of another site</div><div'
    ' class="kg-bookmark-description">Its description says nothing.</div></div></a></figure><div class="kg-card'
    ' kg-signup-card"><h2 class="kg-signup-card-heading">Join the circle</h2><form><input type="email"></form></div>',
    "medium": '<div class="lz"><a href="https://x.example/" rel="noopener"><div class="ma n"><h2 class="bn">Card of'
    " another site</h2></div></a></div>",
}
EXTRAS = {  # name: (HTML, Markdown)
    "list": (
        "<p>What was in it:</p><ul><li>1 tin<ul><li>with a lid</li><li>of no use</li></ul></li><li><p>2 keys</p></li>"
        '</ul><ol start="3"><li>the third</li><li>the fourth</li></ol>',
        "What was in it:\n\n- 1 tin\n  - with a lid\n  - of no use\n- 2 keys\n\n3. the third\n4. the fourth",
    ),
    "code": ("", f"```python\n{CODE}\n```"),
    "quote": (
        '<blockquote cite="https://x.example"><p>A gull is a letter nobody opened.</p><footer>— <cite>Pask</cite>'
        "</footer></blockquote>",
        "> A gull is a letter nobody opened.\n>\n> — Pask",
    ),
    "footnote": ("", f"{NOTED.format(ref='[^1]')}\n\n[^1]: {NOTE}"),
    "table": (
        "<table><thead><tr><th>Item</th><th>Price</th></tr></thead><tbody><tr><td>wedge</td><td>£3</td></tr><tr><td>"
        "<strong>latch</strong></td><td>£12</td></tr></tbody></table>",
        "| Item | Price |\n| --- | --- |\n| wedge | £3 |\n| **latch** | £12 |",
    ),
    "terms": (
        "<dl><dt>Slip</dt><dd>Where the boats come up.</dd><dt>Rep</dt><dd>A list of everything.</dd></dl>",
        "Slip\n\nWhere the boats come up.\n\nRep\n\nA list of everything.",
    ),
    "details": (
        "<details><summary>What it cost</summary><p>More than the boat did.</p></details>",
        "What it cost\n\nMore than the boat did.",
    ),
    "image": (
        '<figure><img class="lazyload" src="data:image/gif;base64,R0lGODlhAQABAIAAAA==" data-src="/harbour.jpg"'
        ' loading="lazy" alt="The harbour"><noscript><img src="/harbour.jpg" alt="The harbour"></noscript></figure>'
        "<p>That was the view of it.</p>",
        "That was the view of it.",
    ),
    "widget": ("", ""),
}  # fmt: skip


def _page(layout: str, number: int, names: tuple[str, ...]) -> SavedPage:
    from corpus import readers

    post = readers.read_post(ROOT / "data/sample" / names[number], 1e9)
    others = [readers.read_post(ROOT / "data/sample" / names[(number + n) % len(names)], 1e9) for n in (3, 5)]
    day = datetime.date.fromisoformat(post.date or "")
    renderer = markdown_it.MarkdownIt("commonmark", {"html": True}).enable("table")
    kinds = list(EXTRAS)
    extras = [kinds[(number + n) % len(kinds)] for n in (0, 2, 3, 6)]
    paragraphs = [(renderer.render(block), block) for block in post.text.strip().split("\n\n")]
    note = ""
    for place, kind in enumerate(extras):
        html, markdown = EXTRAS[kind]
        if kind == "code":
            html = code_html(layout)
        elif kind == "widget":
            html = WIDGETS.get(layout, '<script async src="https://gist.example/1.js"></script>')
        elif kind == "footnote":
            html, note = footnote_html(layout)
            markdown = NOTED.format(ref="[^1]")
        paragraphs.insert(3 + 2 * place, (html, markdown))
    body = "\n".join(html for html, _ in paragraphs) + note
    if note:
        paragraphs.append(("", f"[^1]: {NOTE}"))
    slug = names[number][11:-3]
    day_of_month = f"{day:%B} {day.day}, {day.year}"
    html = _environment().get_template(f"{layout}.html").render(
        title=post.title, author=AUTHOR, site=SITE, date=post.date, url=f"https://blog.example/{slug}/", slug=slug,
        body=body, excerpt="What came of it, in short.", menu='<a class="page-link" href="/about/">About</a>',
        day=day_of_month, day_short=f"{day:%b} {day.day}, {day.year}",
        day_posted=f"{day:%a} {day:%d} {day:%B} {day.year}",
        weekday=f"{day:%A}, {day_of_month}", comments=COMMENTS,
        others=[{"title": o.title, "text": " ".join(o.text.split()[:30])} for o in others], **BOILERPLATE,
    )  # fmt: skip
    truth = "\n\n".join(markdown for _, markdown in paragraphs if markdown)
    return SavedPage(layout, html, post.title, post.date or "", truth, frozenset(extras))


def _environment() -> jinja2.Environment:
    return jinja2.Environment(loader=jinja2.FileSystemLoader(LAYOUTS), autoescape=False)


def saved_pages() -> list[SavedPage]:
    """The hundred pages, layout by layout."""
    layouts = sorted(path.stem for path in LAYOUTS.glob("*.html"))
    return [_page(layout, number, POSTS) for layout in layouts for number in range(len(POSTS))]
