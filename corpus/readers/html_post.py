"""An .html file that is the source of a post: front matter, then HTML or Markdown → `Post`. Others are saved pages."""

import html
import re
from pathlib import PurePath

from corpus.encoding import decode_text
from corpus.post import Post
from corpus.readers.front_matter import split_front_matter
from corpus.readers.html import html_to_markdown, read_html
from corpus.readers.markdown import normalise_line_ends, post_from_front_matter

HEAD_START = re.compile(r"\s*(?:---|\+\+\+|\{\s*\"|<!--\s*\.\.[ \t])")
BLOCK_TAG = re.compile(r"(?i)<(?:p|br|h[1-6]|ul|ol|table)\b[^<>]*>")
MARKDOWN_MARK = re.compile(r"(?m)^(?:#{1,6}[ \t]|```|~~~|[*+-][ \t]|>[ \t]|!!!)|\]\(|\]\[|\*\*|^\[[^\]\n]+\]:")
HIGHLIGHT = re.compile(
    r"(?s)\{%-?\s*highlight\s+(\w*)[^{}%]*%\}\n?((?:(?!\{%-?\s*highlight\s).)*?)\{%-?\s*endhighlight\s*-?%\}"
)


def read_html_file(name: PurePath, data: bytes) -> Post:
    """Raises SkippedPost for HTML that can't be read."""
    text = normalise_line_ends(decode_text(data))
    head = split_front_matter(text) if HEAD_START.match(text) else None
    if not head or not head.metadata:
        return read_html(name, data)
    body = head.body
    if not _is_markdown(body):
        body = html_to_markdown(HIGHLIGHT.sub(_pre_element, body))
    return post_from_front_matter(name, head.metadata, body, head.mended)


def _is_markdown(body: str) -> bool:
    """True for a body without tags of blocks, and for one with Markdown's marks and few such tags."""
    num_tags = len(BLOCK_TAG.findall(body))
    num_paragraphs = len(re.findall(r"\n[ \t]*\n", body)) + 1
    return not num_tags or (2 * num_tags < num_paragraphs and bool(MARKDOWN_MARK.search(body)))


def _pre_element(match: re.Match) -> str:
    """Jekyll's highlighted code as HTML, whose white space a parser of HTML keeps."""
    return f'<pre class="language-{match[1]}">{html.escape(match[2])}</pre>'
