"""A post as it was published → the words its author wrote: no shortcodes, HTML, images, reference lists, share buttons.

Code, fenced or inline, is left exactly as it is: it is taken out first and put back last.
"""

import re
import unicodedata

from bs4 import BeautifulSoup, Comment, NavigableString

INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u2060\ufeff\u00ad\u200e\u200f"))
DROPPED_TAGS = "script style iframe canvas svg video audio object embed noscript template form button input select img picture source figcaption head title".split()
BLOCK_TAGS = "p div section article aside header footer main figure ul ol table tr h1 h2 h3 h4 h5 h6 blockquote details summary dl dt dd hr center".split()
INLINE_TAGS = "a b strong i em u s del ins sub sup small big mark abbr cite q span font kbd code pre br li td th thead tbody tfoot caption colgroup col wbr time var samp address nav label tt strike html body meta link center".split()
KNOWN_TAG = re.compile(r"<(?!(?:/?(?:%s)\b[^<>]*/?>|!--))" % "|".join(DROPPED_TAGS + BLOCK_TAGS + INLINE_TAGS), re.I)
HAS_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--")
CODE = re.compile(r"(?ms)^(?:(?<=\A)|(?<=\n\n))(?: {4}[^\n]*\S[^\n]*(?:\n|\Z)(?:[ \t]*\n(?= {4}))*)+|^[ \t]*(?P<fence>`{3,}|~{3,})[^\n]*\n.*?(?:^[ \t]*(?P=fence)[`~]*[ \t]*$|\Z)|(?<!`)(?P<tick>`+)(?!`)(?:(?!\n\s*\n).)+?(?<!`)(?P=tick)(?!`)")
SHARE_WORDS = r"twitter|facebook|e-?mail|linkedin|reddit|whatsapp|pinterest|mastodon|bluesky|telegram|hacker ?news|tumblr|pocket|print|rss|x"
SHARE_LINE = re.compile(
    rf"(?im)^[ \t>*_]*(?:share (?:this|on|via|it)\b[^\n.]{{0,120}}|tweet this\W*|like this:?\s*(?:like loading\W*)?|(?:(?:{SHARE_WORDS})\s*[|•·/,]\s*)+(?:{SHARE_WORDS})\W*|follow (?:me|us) on (?:{SHARE_WORDS})\W*|(?:posted in|filed under|tagged(?: with)?|related posts)\s*:[^\n]*|click to share[^\n]*)[ \t]*$"
)


def clean(text: str, links: str = "text") -> str:
    """The author's words of a post, as Markdown. links: "text" keeps a link's words only, "keep" its address too."""
    text = unicodedata.normalize("NFC", text).translate(INVISIBLE)
    text = text.replace("\u00a0", " ").replace("\u2028", "\n").replace("\r\n", "\n").replace("\r", "\n").replace("\t", "    ")
    text = _highlight_to_fence(text)
    text, code = _take_code(text)
    text = _shortcodes(text)
    text = _html(text)
    text = _images(text)
    text = _links(text, links)
    text = SHARE_LINE.sub("", text)
    text = re.sub(r"(?m)^\s*\[?(?:toc|\[toc\])\]?\s*$", "", text, flags=re.I)
    text = re.sub(r"(?m)[ \t]+$", "", text)
    text = re.sub(r"\n{3,}", "\n\n", text).strip("\n")
    return _put_code(text, code)


def paragraphs(text: str) -> list[str]:
    """Blocks between blank lines; a fenced code block with blank lines inside stays one."""
    text, code = _take_code(text)
    return [_put_code(block.strip("\n"), code) for block in re.split(r"\n[ \t]*\n", text) if block.strip()]


def headings(text: str) -> list[str]:
    text, code = _take_code(text)
    return [_put_code(m.strip(), code) for m in re.findall(r"(?m)^#{1,6}\s+(.+?)\s*#*$", text)]


def _take_code(text: str) -> tuple[str, list[str]]:
    """Text with each code block or span replaced by a private-use mark, and the pieces."""
    code: list[str] = []

    def keep(match):
        code.append(match[0])
        return f"\ue000{len(code) - 1}\ue001"

    return CODE.sub(keep, re.sub("[\ue000\ue001]", "", text)), code


def _put_code(text: str, code: list[str]) -> str:
    return re.sub("\ue000(\\d+)\ue001", lambda m: code[int(m[1])], text)


def _highlight_to_fence(text: str) -> str:
    """Jekyll's and Hugo's highlight blocks are code fences by another name."""
    pattern = r"(?s)\{[%{][<%]?-?\s*highlight\s*(\w*)[^}]*[%>]?\}\}?\n?(.*?)\n?\{[%{][<%]?-?\s*/?(?:end)?highlight\s*-?[%>]?\}\}?"
    return re.sub(pattern, lambda m: f"\n```{m[1]}\n{m[2]}\n```\n", text)


def _shortcodes(text: str) -> str:
    text = re.sub(r"(?s)\{%-?\s*comment\s*-?%\}.*?\{%-?\s*endcomment\s*-?%\}", "", text)
    text = re.sub(r"(?s)\{\{[<%].*?[%>]\}\}|\{%.*?%\}|\{\{.*?\}\}", "", text)  # Hugo, Liquid tags, Liquid values
    text = re.sub(r"(?m)^[ \t]*\{:[^}\n]*\}[ \t]*$|\{:[^}\n]*\}", "", text)  # kramdown attributes
    return re.sub(r"(?m)(^#{1,6}[^\n]*?)[ \t]*\{[#.][^}\n]*\}[ \t]*$", r"\1", text)  # heading ids


def _html(text: str) -> str:
    """HTML inside Markdown → the Markdown it stands for; what is no known tag ("a <b and c") stays text."""
    text = re.sub(r"<((?:https?|mailto):[^<>\s]+)>", r"\1", text)
    if not HAS_TAG.search(text) and "&" not in text:
        return text
    soup = BeautifulSoup(KNOWN_TAG.sub("&lt;", text), "html.parser")
    for comment in soup.find_all(string=lambda s: isinstance(s, Comment)):
        comment.extract()
    for tag in soup.find_all(DROPPED_TAGS):
        tag.decompose()
    marks = {"b": "**", "strong": "**", "i": "*", "em": "*", "code": "`", "kbd": "`", "tt": "`"}
    for tag in soup.find_all(list(marks)):
        if tag.get_text(strip=True) and "\n" not in tag.get_text():
            tag.insert(0, NavigableString(marks[tag.name]))
            tag.append(NavigableString(marks[tag.name]))
    for tag in soup.find_all("a"):
        if tag.get("href") and tag.get_text(strip=True):
            tag.insert(0, NavigableString("["))
            tag.append(NavigableString(f"]({tag['href']})"))
    for tag in soup.find_all("li"):
        tag.insert(0, NavigableString("\n- "))
    for tag in soup.find_all("br"):
        tag.replace_with("\n")
    for tag in soup.find_all(["td", "th"]):
        tag.append(NavigableString(" "))
    for tag in soup.find_all("blockquote"):
        quoted = "\n".join("> " + line.strip() for line in tag.get_text().strip().split("\n"))
        tag.replace_with(f"\n\n{quoted}\n\n")
    for tag in soup.find_all(BLOCK_TAGS):
        if re.fullmatch(r"h[1-6]", tag.name):
            tag.insert(0, NavigableString("#" * max(2, int(tag.name[1])) + " "))
        tag.insert(0, NavigableString("\n" if tag.name == "tr" else "\n\n"))
        tag.append(NavigableString("" if tag.name == "tr" else "\n\n"))
    return soup.get_text()


def _images(text: str) -> str:
    picture = r"!\[[^\]]*\](?:\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)|\[[^\]\n]*\])"
    text = re.sub(rf"\[\s*{picture}\s*\](?:\([^)\n]*\)|\[[^\]\n]*\])?", "", text)  # a picture that is a link
    text = re.sub(picture, "", text)
    return re.sub(r"!\[\[[^\]\n]*\]\]", "", text)  # Obsidian embed


def _links(text: str, links: str) -> str:
    """Resolve reference links, drop the list of addresses, and keep words or words and address."""
    definition = r"(?m)^[ ]{0,3}\[(?!\^)([^\]\n]+)\]:[ \t]*\n?[ \t]*<?(\S+?)>?(?:[ \t]+(?:\"[^\"\n]*\"|'[^'\n]*'|\([^)\n]*\)))?[ \t]*$"
    targets = {name.casefold(): url for name, url in re.findall(definition, text)}
    text = re.sub(definition, "", text)

    def resolve(match):
        words, name = match[1], (match[2] or match[1]).casefold()
        return f"[{words}]({targets[name]})" if name in targets else match[0]

    text = re.sub(r"(?<![!\\])\[([^\[\]]+)\]\[([^\]\n]*)\]", resolve, text)
    text = re.sub(r"(?<![!\\\]])\[([^\[\]\n]+)\]()(?![(\[:])", resolve, text)
    text = re.sub(r"\[\[(?:[^\]|\n]*\|)?([^\]\n]+)\]\]", r"\1", text)  # wiki links
    if links == "text":
        text = re.sub(r"\[((?:\\.|[^\[\]\\])*)\]\((?:[^()\s]|\([^()]*\))*(?:\s+[\"'][^\"'\n]*[\"'])?\s*\)", r"\1", text)
    return text
