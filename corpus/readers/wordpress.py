"""What only WordPress writes: its marks of what is public, its types of items, its markup and shortcodes."""

import json
import re

from corpus.language import keep_marks
from corpus.post import SkippedPost
from corpus.readers.feed_fields import Fields, escape_html
from corpus.readers.html import html_to_markdown
from corpus.readers.html_footnotes import with_notes
from corpus.readers.page_builders import elementor_html, find_page_builder
from corpus.readers.public_marks import PASSWORD, status_reason

PUBLIC = ("publish", "inherit", "")
# fmt: off
INTERNAL_TYPES = {  # of WordPress and its plugins: no texts of the author's
    "attachment", "nav_menu_item", "revision", "custom_css", "customize_changeset", "oembed_cache", "user_request",
    "wp_block", "wp_template", "wp_template_part", "wp_navigation", "wp_global_styles", "wp_font_family",
    "wp_font_face", "acf-field", "acf-field-group", "acf-post-type", "acf-taxonomy", "elementor_library",
    "elementor_snippet", "et_pb_layout", "fl-builder-template", "fusion_template", "wpcf7_contact_form", "wpforms",
    "nf_sub", "amp_validated_url", "scheduled-action", "shop_order", "shop_coupon", "product_variation",
    "jp_pay_order", "jp_img_sitemap", "jp_sitemap", "jp_sitemap_master", "jp_mem_plan", "safecss", "tablepress_table",
    "postman_sent_mail", "mc4wp-form", "popup", "popup_theme", "ngg_album", "ngg_gallery", "ngg_pictures",
    "cookielawinfo",
}
OTHERS_TYPES = {"feedback", "flamingo_inbound", "reply", "topic", "testimonial", "wpcf7s", "jetpack_feedback"}
# fmt: on
CODE_SHORTCODE = re.compile(
    r"""(?isx)
    \[(?:source)?code (?: \s+ (?:lang(?:uage)?=)? ["']? (?P<language>\w*) [^\]\n]* )? \]
    (?P<code> (?: (?!\[(?:source)?code\b) . )*? )
    \[/(?:source)?code\]
    """
)
MEDIA_SHORTCODE = re.compile(  # with what stands between: a caption, or an address
    r"(?is)\[(caption|gallery|embed|audio|video|youtube|vimeo|soundcloud|tweet|twitter|playlist|bibshow)\b[^\]\n]*\]"
    r"(?:(?!\[\1\b).)*?\[/\1\]"
)
NOTE_SHORTCODE = re.compile(
    r"(?is)\s?\[(efn_note|mfn|ref|fn|footnote|sidenote)(?:\s[^\[\]\n]*)?\](?P<note>(?:(?!\[/?\1\b).)*)\[/\1\]"
)
# ((words)) after a word, of the plugin "footnotes"
NOTE_IN_PARENTHESES = re.compile(r"(?<=[\w.,;:!?”’\"'>])[ ]?\(\((?P<note>[^()\n]*[^\W\d_]{2}[^()\n]*)\)\)")
SHORTCODES = (
    "caption|gallery|embed|audio|video|playlist|youtube|vimeo|twitter|tweet|contact-form[\\w-]*|subscribe[\\w-]*"
    "|slideshow|polldaddy|soundcloud|googlemaps|archives|sitemap|vc_[a-z_]+|et_pb_[a-z_]+|fusion_[a-z_]+|latexpage"
    "|toc|ez-toc|tableofcontents|bibtex|bibshow|bibcite|nextpage|adsense|ads|mathjax|spacer|divider|clear|recent-posts"
)
_VALUE = r"""(?: "[^"\n]*" | '[^'\n]*' | “[^”\n]*” | &quot;.*?&quot; | [^\s\[\]"']+ )"""
SHORTCODE = re.compile(
    rf"""(?ix)
    (?<!\[) \[ /? (?:
        (?: {SHORTCODES} ) \b [^\[\]\n]*                                   # known
      | [a-z][\w-]{{0,40}} (?: \s+ [\w-]+ \s* = \s* {_VALUE} )+ \s* /?      # [name key=value]
      | [a-z][\w-]{{0,40}} \s* /                                            # [name /]
      | [a-z]+ (?: _[a-z0-9]+ ){{1,6}}                                      # [a_name]
    ) \] (?! [(\[\]:] )
    """
)
CLOSING_SHORTCODE = re.compile(r"\[/([A-Za-z][\w-]{0,40})\]")
PROGRAM = re.compile(r"(?is)(<(pre|code)\b(?:(?!<\2\b).)*?</\2>)")


def find_wordpress_skip(fields: Fields, name: str) -> SkippedPost | None:
    """Why an item of a WordPress export is no post, or not public; None for a post, and for a type of its own."""
    kind, status = fields.text.get("post_type", "post").strip(), fields.text.get("status", "publish").strip()
    if kind in INTERNAL_TYPES:
        return SkippedPost(f"no post, but WordPress's own ({kind[:40]})", name)
    if kind in OTHERS_TYPES:
        return SkippedPost(f"what visitors wrote ({kind[:40]})", name, "not yours")
    not_public = status_reason(status, PUBLIC) or (PASSWORD if fields.text.get("post_password", "").strip() else "")
    if not_public:
        return SkippedPost(not_public, name, "not public")
    if not fields.content.strip():
        fields.text["encoded"] = elementor_html(fields.meta)
        builder = find_page_builder(fields.meta)
        if builder and not fields.text["encoded"]:
            return SkippedPost(f"its text is in {builder}, a page builder, and not in the content of the export", name)
    return None


def wordpress_markdown(fields: Fields) -> str:
    """The content of an item as Markdown. Raises SkippedPost as `html_to_markdown`."""
    content, notes = expand_wordpress(keep_marks(fields.content))
    return html_to_markdown(with_notes(content, {**_native_footnotes(fields), **notes}))


def _native_footnotes(fields: Fields) -> dict[str, str]:
    """The notes of the block editor: {id: HTML}, from a custom field."""
    try:
        rows = json.loads(fields.meta.get("footnotes") or "[]")
        return {str(row["id"]): str(row["content"]) for row in rows}
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}


def expand_wordpress(content: str) -> tuple[str, dict[str, str]]:
    """WordPress's own markup → (HTML, {id: note}): blank lines are paragraphs, line ends breaks, shortcodes go."""
    content = content.replace("\r\n", "\n")
    content = CODE_SHORTCODE.sub(
        lambda match: f'<pre class="lang-{match["language"] or ""}">{escape_html(match["code"])}</pre>', content
    )
    notes: dict[str, str] = {}
    parts = PROGRAM.split(content)
    for i in range(0, len(parts), 3):  # outside programs
        parts[i] = _drop_shortcodes(parts[i], notes)
    content = "".join(part for i, part in enumerate(parts) if i % 3 < 2)
    if re.search(r"(?i)<p[\s>]", content):
        return content, notes
    parts = re.split(r"(?is)(<pre\b(?:(?!<pre\b).)*?</pre>)", content)
    for i in range(0, len(parts), 2):  # outside <pre>, as WordPress itself shows it
        parts[i] = re.sub(r"\n[ \t]*\n\s*", "\n<p>", parts[i])
        parts[i] = re.sub(r"(?<!>)\n(?!<)", "<br>\n", parts[i])
    return "".join(parts), notes


def _drop_shortcodes(text: str, notes: dict[str, str]) -> str:
    """Without the marks of shortcodes; what stands between two of a pair stays, and a note becomes a footnote."""
    if "[" not in text and "((" not in text:
        return text

    def note(match: re.Match) -> str:
        key = f"shortcode-{len(notes) + 1}"
        notes[key] = match["note"]
        return f'<sup data-fn="{key}"><a href="#{key}">{len(notes)}</a></sup>'

    text = NOTE_IN_PARENTHESES.sub(note, NOTE_SHORTCODE.sub(note, MEDIA_SHORTCODE.sub("", text)))
    pairs = {name.lower() for name in CLOSING_SHORTCODE.findall(text)}
    if pairs:
        names = "|".join(sorted(map(re.escape, pairs), key=len, reverse=True))
        text = re.sub(rf"(?i)(?<!\[)\[/?(?:{names})(?:[\s=][^\[\]\n]*)?\](?![(\]])", "", text)
    return SHORTCODE.sub("", text)
