"""Text formats of other engines: the prose of a post, its head, and the code that its readers see."""

import json
from pathlib import PurePath

import pytest

from corpus import readers
from corpus.cleaning import clean_markdown
from corpus.ingest import ingest_folder
from tests.support.blog_exports import put

PROSE = "The tide was out, and the gulls stood about like clerks."


def read(name: str, text: str) -> readers.Post:
    return readers.SINGLE_POST_READERS[PurePath(name).suffix.lower()](PurePath(name), text.encode())


def learnt(name: str, text: str) -> str:
    return clean_markdown(read(name, text).text)


# --- Quarto, R Markdown -----------------------------------------------------------------------------------------------

HEAD = "---\ntitle: Boats\ndate: 2021-02-03\n---\n"


@pytest.mark.parametrize("name", ["a.qmd", "a.Rmd", "a.Rmarkdown"])
def test_a_shown_chunk_is_a_fence_without_options_and_a_hidden_one_is_gone(name):
    text = (
        "```{r setup, include=FALSE}\nhidden()\n```\n\n```{python}\n#| echo: false\nhidden()\n```\n\n"
        "```{r, fig.width=4}\n#| label: fig-a\nplot(x)\n```"
    )
    assert learnt(name, f"{HEAD}{text}") == "```r\nplot(x)\n```"


@pytest.mark.parametrize(
    "head, chunk",
    [("execute:\n  echo: false\n", ""), ("", "```{r, include=FALSE}\nknitr::opts_chunk$set(echo = FALSE)\n```\n\n")],
)
def test_no_chunk_of_a_post_is_learnt_that_hides_them_all(head, chunk):
    text = f"---\ntitle: B\n{head}---\n{chunk}{PROSE}\n\n```{{r}}\nplot(x)\n```\n\n```{{r echo=TRUE}}\ny\n```"
    assert learnt("a.qmd", text) == f"{PROSE}\n\n```r\ny\n```"


@pytest.mark.parametrize(
    "marked, words",
    [
        ("It took `r mean(x)` days.", "It took days."),
        ("It took `{python} mean(x)` days.", "It took days."),
        ("It took `{python} mean(x)`{.python} days.", "It took days."),
        ("Write `x <- 1` there.", "Write `x <- 1` there."),
        ("See @fig-boats and @tbl-a.", "See the figure and the table."),
        ("See Figure \\@ref(fig:boats).", "See Figure."),
        ("It is so [@rowe2001, p. 3; @may2].", "It is so."),
        ("@rowe2001 says so.", "Rowe says so."),
        ("Ask @wenna or me@blog.example.", "Ask @wenna or me@blog.example."),
        ("::: {.callout-note}\nMind it.\n:::", "Mind it."),
        ("{{< video a.mp4 >}}\n\nText.", "Text."),
        ("```{=html}\n<style>.a { b: c }</style>\n```\n\nText.", "Text."),
        ("Text`<br>`{=html}.", "Text."),
        ("[Red]{style='color: red'} ![](a.png){width=50%}boats", "Red boats"),
        ("## Boats {#sec-boats .unnumbered}", "## Boats"),
        ("$$x$$ {#eq-a}", "$$x$$"),
    ],
)
def test_marks_of_quarto_become_words_or_go(marked, words):
    assert learnt("a.qmd", f"{HEAD}{marked}") == words


def test_a_fence_of_another_kind_is_left_as_it_is():
    code = "```\n`r x` @fig-a\n```"
    assert learnt("a.qmd", f"{HEAD}{code}") == code


def test_of_org_the_hidden_parts_go_and_notes_are_footnotes():
    text = f"#+TITLE: A\n{PROSE}[fn:1]\n\n* COMMENT Plan\nNo.\n** Below\nNo.\n* Old :noexport:\nNo."
    text += "\n* New\nYes.\n\n[fn:1] A note."
    assert learnt("a.org", text) == f"{PROSE}[^1]\n\n## New\nYes.\n\n[^1]: A note."


def test_each_subtree_of_org_with_a_name_of_its_own_is_a_post(tmp_path):
    def subtree(state, title, name, tail=""):
        drawer = f":PROPERTIES:\n:EXPORT_FILE_NAME: {name}\n:END:\n"
        return f"** {state} {title} :tea:\nCLOSED: [2019-07-14 Sun 10:00]\n{drawer}{PROSE} {title}\n{tail}"

    below = "*** Below\nMore."
    text = f"* Posts\n{subtree('DONE', 'One', 'one', below)}\n{subtree('TODO', 'Two', 'two')}"
    first, second = readers.iter_posts(put(tmp_path, "all.org", text), 5e6)
    assert (first.name, first.title, first.date, first.tags) == ("one", "One", "2019-07-14", ["tea"])
    assert first.text == f"{PROSE} One\n## Below\nMore." and not first.not_public
    assert (second.name, second.not_public) == ("two", "a draft")


def test_a_name_for_an_export_in_the_text_of_an_org_file_costs_no_post(tmp_path):
    (post,) = readers.iter_posts(put(tmp_path, "a.org", f"#+TITLE: A\n{PROSE} :EXPORT_FILE_NAME: is a key."), 5e6)
    assert post.title == "A"


def test_a_page_rendered_beside_its_source_is_not_read(tmp_path):
    for name in ("a.Rmd", "a.md", "b.md"):
        (tmp_path / name).write_text(f"{HEAD}{PROSE} {name}")
    posts, left = ingest_folder(tmp_path, 5, 1e6)
    assert [p["source"] for p in posts] == ["a.Rmd", "b.md"]
    assert [(r["source"], r["reason"]) for r in left] == [("a.md", "rendered from a.Rmd")]


# --- literate Haskell, notebooks --------------------------------------------------------------------------------------


def test_bird_tracks_and_code_environments_are_code():
    text = f"{HEAD}{PROSE}\n\n> main :: IO ()\n>\n> main = rest\n\n\\begin{{code}}\nx = 1\n\\end{{code}}\n"
    post = read("a.lhs", text)
    assert (post.title, post.date) == ("Boats", "2021-02-03")
    assert clean_markdown(post.text) == (
        f"{PROSE}\n\n```haskell\nmain :: IO ()\n\nmain = rest\n```\n\n```haskell\nx = 1\n```"
    )


def test_latex_in_an_lhs_is_named():
    with pytest.raises(readers.SkippedPost, match="LaTeX"):
        read("a.lhs", "\\documentclass{article}\n")


def notebook(*cells, **other):
    return json.dumps({"cells": [{"cell_type": kind, "source": source} for kind, source in cells], **other})


def test_the_prose_cells_of_a_notebook_are_the_post():
    text = notebook(
        ("raw", HEAD.splitlines(keepends=True)), ("markdown", PROSE), ("code", "x"), ("markdown", ["## A\n", "B"])
    )
    post = read("a.ipynb", text)
    assert (post.title, post.date, post.text) == ("Boats", "2021-02-03", f"{PROSE}\n\n\n\n## A\nB")


def test_the_head_of_fastpages_is_no_text():
    head = '# "Boats"\n> On boats.\n\n- toc: true\n- categories: [sea, tea]\n- date: 2020-03-04\n'
    post = read("2020-01-01-a.ipynb", notebook(("markdown", head), ("markdown", PROSE)))
    assert (post.title, post.date, post.tags, post.text) == ("Boats", "2020-03-04", ["sea", "tea"], PROSE)


def test_the_title_of_a_notebook_may_stand_in_its_metadata_and_old_ones_hold_worksheets():
    cells = [{"cell_type": "heading", "level": 2, "source": "A"}, {"cell_type": "markdown", "source": PROSE}]
    old = json.dumps({"worksheets": [{"cells": cells}], "metadata": {"title": "Boats"}})
    post = read("a.ipynb", old)
    assert (post.title, post.text) == ("Boats", f"## A\n\n{PROSE}")


@pytest.mark.parametrize("text", ["[]", "{}", '{"cells": 1}', "{", '{"worksheets": [1]}', "[" * 100_000])
def test_what_is_no_notebook_is_a_reason(text):
    with pytest.raises(readers.SkippedPost, match="notebook"):
        read("a.ipynb", text)


# --- .html with a head ------------------------------------------------------------------------------------------------


def test_an_html_file_with_a_head_is_a_post_of_html():
    code = "{% highlight ruby %}\nputs 1\n  x < 2\n{% endhighlight %}"
    post = read("2019-01-02-a.html", f"---\ntitle: Boats\ntags: [sea]\n---\n<p>{PROSE}</p>\n<p>Two.</p>\n{code}")
    assert (post.title, post.date, post.tags) == ("Boats", "2019-01-02", ["sea"])
    assert clean_markdown(post.text) == f"{PROSE}\n\nTwo.\n\n```ruby\nputs 1\n  x < 2\n```"


def test_a_body_with_markdown_s_marks_is_markdown():
    body = (
        f'{PROSE} See [this][] and [that]([[a page]]).\n\n!!! "Update"\n    It *rained*.\n\n    Twice.\n\n- one\n- two'
    )
    assert learnt("a.html", f"---\ntitle: Boats\n---\n{body}") == (
        f"{PROSE} See this and that.\n\n**Update**\n\nIt *rained*.\n\nTwice.\n\n- one\n- two"
    )


def test_an_html_file_without_a_head_is_a_page():
    assert read("a.html", f"<title>Boats</title><article><p>{PROSE}</p></article>").title == "Boats"


# --- Textile, AsciiDoc ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "textile, markdown",
    [
        ("h2. Boats", "## Boats"),
        ("p(lead). A *strong* and an _odd_ @x_y@ word.", "A **strong** and an *odd* `x_y` word."),
        ('See "the quay":https://blog.example/a_b.', "See the quay."),
        ('He said "so": and 5 * 3 * 2 are _ 30.', 'He said "so": and 5 * 3 * 2 are _ 30.'),
        ("!boat.png! Text", "Text"),
        ("* one\n** two\n# first", "- one\n  - two\n1. first"),
        ("bq. Said\nso.", "> Said\n> so."),
        ("bc.. x\n\n  y_z\n\np. End.", "```\nx\n\n  y_z\n```\n\nEnd."),
        ("Boats[1]\n\nfn1. Two.", "Boats[^1]\n\n[^1]: Two."),
        ("###. hidden\n\nText", "Text"),
        ("<pre>\na *b*\n</pre>\n\nText", "```\na *b*\n```\n\nText"),
    ],
)
def test_textile_becomes_markdown(textile, markdown):
    assert learnt("a.textile", f"---\ntitle: T\n---\n{textile}").strip() == markdown


@pytest.mark.parametrize(
    "asciidoc, markdown",
    [
        ("== Boats", "## Boats"),
        ("A *strong* and an _odd_ `x_y` word.", "A **strong** and an *odd* `x_y` word."),
        ("See https://blog.example/a[the quay] and xref:b.adoc[that].", "See the quay and that."),
        ("* one\n** two\n. first", "- one\n  - two\n1. first"),
        ("[source,ruby]\n----\nputs *x*\n----", "```ruby\nputs *x*\n```"),
        ("....\na\n\nb", "```\na\n\nb\n```"),
        ("[quote, Ann]\n____\nSaid.\n____", "> Said."),
        ("NOTE: Mind it.\n\n[TIP]\n====\nIn the box.\n====", "Mind it.\n\nIn the box."),
        ("////\nhidden\n////\n// hidden\nText", "Text"),
        ("image::a.png[Boat]\n\nText image:b.png[] here", "Text  here"),
        ("Boats.footnote:[Two.]", "Boats.[^1]\n\n[^1]: Two."),
        (":place: the quay\n\nAt {place}, {nothing}.", "At the quay, {nothing}."),
        ("include::../../../etc/passwd[]\n\nText", "Text"),
    ],
)
def test_asciidoc_becomes_markdown(asciidoc, markdown):
    assert learnt("a.adoc", f"= T\n\nFirst.\n\n{asciidoc}").removeprefix("First.").strip() == markdown


@pytest.mark.parametrize(
    "head",
    [
        "= Boats\nWenna Rowe <w@blog.example>\nv1.0, 2019-01-02\n:tags: sea, tea\n\n",
        "---\ntitle: Boats\ndate: 2019-01-02\nauthor: Wenna Rowe\ntags: [sea, tea]\n---\n",
        "= Boats\n:author: Wenna Rowe\n:published_at: 2019-01-02\n:hp-tags: sea, tea\n\n",
    ],
)
def test_each_head_of_asciidoc(head):
    post = read("a.adoc", f"{head}{PROSE}")
    assert (post.title, post.date, post.tags, post.authors) == ("Boats", "2019-01-02", ["sea", "tea"], ["Wenna Rowe"])
    assert post.text == PROSE


# --- Typst ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typst, markdown",
    [
        ("= The *quay*\nIt was _cold_ \\\nthere.", "# The **quay**\nIt was *cold*\nthere."),
        ("- one\n+ two\n/ Ebb: a tide", "- one\n1. two\n**Ebb** a tide"),
        ('Ask #link("https://a.example/b")[the _wall_] or #emph[it].', "Ask the *wall* or *it*."),
        ("Boats#footnote[Two of *them*.] lay @fig-a.", "Boats[^1] lay.\n\n[^1]: Two of **them**."),
        ('#figure(image("a.png"), caption: [No])\nKept. // no\n/* no\n*/', "Kept."),
        ('#import "a.typ": *\n#let x = [\n  no\n]\n#set text(size: 3pt)\nKept.', "Kept."),
        ("#quote(block: true)[Said so.]", "> Said so."),
        ("```c\n#set x // y\n```\nRun `#set`.", "```c\n#set x // y\n```\nRun `#set`."),
        ("It cost \\$5 -- at https://a.example/b \\#3 #text(fill: red)[then].", "It cost $5 – at a.example #3 then."),
        ("Open #foo[and #bar[never closed.", "Open and never closed."),
    ],
)
def test_typst_becomes_markdown(typst, markdown):
    assert learnt("a.typ", f"---\ntitle: T\n---\n{typst}").strip() == markdown


@pytest.mark.parametrize(
    "head",
    [
        '#metadata((title: "The quay", date: "2024-03-05", tags: ("tea", "boats"), draft: true)) <post>\n',
        '#show: post.with(\n  title: [The quay],\n  date: datetime(year: 2024, month: 3, day: 5),\n'
        '  tags: ("tea", "boats"),\n  draft: true,\n)\n',
        '#set document(title: "The quay", date: datetime(year: 2024, month: 3, day: 5), keywords: ("tea", "boats"))\n'
        "#metadata((draft: true))\n",
    ],
)  # fmt: skip
def test_what_a_typst_document_says_of_itself_is_its_head(head):
    post = read("a.typ", head + PROSE)
    assert (post.title, post.date, post.tags) == ("The quay", "2024-03-05", ["tea", "boats"])
    assert (post.not_public, post.text) == ("a draft", PROSE)
