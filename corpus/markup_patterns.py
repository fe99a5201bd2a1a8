"""The regular expressions of cleaning: what publishing systems write around and between an author's words.

None of them looks past the next opening mark of its kind, or past a blank line: a stray "{{" must cost neither words
nor time. Parts of several patterns are strings in a group (?x:…), so that they keep their line breaks and comments
wherever they are put.
"""

import re

from blogtwin.text.markdown import PUBLISHED_FENCE

NO_BLANK_LINE = r"(?!\n[ \t]*\n)"  # stands before a character at which no blank line may begin

# --- code -------------------------------------------------------------------------------------------------------------

HIGHLIGHT_BLOCK = r"""(?x:
    \{[%{][<%]?-?\s*highlight\s+ (?P<lang>\w*) [^{}]*\}\}? \n?          # {% highlight ruby %} or {{< highlight ruby >}}
    (?P<shown> (?: (?!\{[%{][<%]?-?\s*highlight\s) . )*? )
    \n? \{[%{][<%]?-?\s*(?:/\s*|end)highlight[^{}]*\}\}?                # {% endhighlight %} or {{< /highlight >}}
)"""
PRE_ELEMENT = r"""(?x:
    <(?i:pre)\b[^<>]*>
    (?P<pre> (?: (?!<(?i:pre)\b) . )*? )
    </(?i:pre)>
)"""
INLINE_CODE = rf"""(?x:
    (?<!`) (?P<tick>`+) (?!`)
    (?: {NO_BLANK_LINE} . ){{1,2000}}?
    (?<!`) (?P=tick) (?!`)
    (?P<raw> \{{=\w+\}} )?                                                # `<br>`{{=html}}, of pandoc
)"""
CODE = re.compile(f"(?ms){HIGHLIGHT_BLOCK}|{PRE_ELEMENT}|{PUBLISHED_FENCE}|{INLINE_CODE}")
# The first line of a fence that holds no code: Djot's raw HTML (```=html), a query of an Obsidian plugin.
RAW_OR_QUERY_FENCE = re.compile(
    r"[ \t]*(?:```+|~~~+)[ \t]*(?:\{?=\w+\}?|dataview\w*|tasks|query|button|meta-bind[\w-]*|tracker)[ \t]*\n"
)
INLINE_QUERY = re.compile(r"`+[ ]?(?:=[ ]?this\.|\$=[ ]?dv\.)")  # of Obsidian's Dataview
INDENTED_CODE = re.compile(
    r"""(?mx)
    ^ (?: (?<=\A) | (?<=\n\n) )                 # after a blank line, or first of all
    (?:
        [ ]{4} [^\n]*\S[^\n]* (?:\n|\Z)         # a line with four spaces before it
        (?: [ \t]*\n (?=[ ]{4}) )*              # blank lines between two such lines
    )+
    """
)
LIST_ITEM_OR_INDENTED = re.compile(r"[ \t]+\S|(?:[-*+]|\d+[.)])[ \t]")

# --- quotes, tables, embeds -------------------------------------------------------------------------------------------

QUOTE = re.compile(
    r"""(?mx)
    (?:
        ^[ ]{0,3}> [^\n]* (?:\n|\Z)
        (?: ^(?![ \t]*(?:$|[#>|*+-]|\d+[.)])) [^\n]+ (?:\n|\Z) )*     # lines that go on without the mark
    )+
    """
)
CALLOUT = re.compile(r"[ \t]*>[ \t]*\[!\w[\w-]*\][+-]?[ \t]*")  # > [!NOTE], of Obsidian and GitHub
TABLE = re.compile(
    r"""(?mx)
    ^[^\n|]*\|[^\n]*\n                                              # the head
    [ \t]*\|?[ \t]*:?-{2,}:?[ \t]*\|[-|:\x20\t]*(?:\n|\Z)           # | --- | :---: |
    (?: ^[^\n|]*\|[^\n]*(?:\n|\Z) )*                                # the rows
    """
)
EMBEDDED_SERVICES = r"youtube\w*|vimeo|tweet|twitter|x|gist|instagram|spotify|soundcloud|codepen|asciinema"
EMBED = re.compile(
    rf"""(?isx)
    <(?P<tag>iframe|video|audio|object|embed)\b                     # a player as HTML
        (?: [^<>]*? \bsrc\s*=\s*["']? (?P<src>[^"'\s<>]+) )? [^<>]*>
        (?: (?: (?!<(?P=tag)\b) . ){{0,5000}}? </(?P=tag)\s*> )?
    |
    \{{[{{%][<%]?-?\s* (?:{EMBEDDED_SERVICES}) \s+                  # or as a shortcode: {{{{< youtube ID >}}}}
        (?P<id>[^{{}}\n]*?) \s*[%>]?-?[%}}]\}}?
    """
)

# --- HTML, images, links ----------------------------------------------------------------------------------------------

TAG_ATTRIBUTES = rf"""(?x:
    (?:
        {NO_BLANK_LINE} [\s/]
        (?:
            {NO_BLANK_LINE}
            (?: [^<>"'] | " (?: {NO_BLANK_LINE} [^"] )* " | ' (?: {NO_BLANK_LINE} [^'] )* ' )
        )*
    )?
)"""
TAG = re.compile(rf"<(?P<closing>/?)(?P<name>[a-zA-Z][\w.:-]*)(?P<attributes>{TAG_ATTRIBUTES})>")
HTML_COMMENT = re.compile(r"(?is)<!--(?:(?!<!--).)*?-->|<!doctype\b[^<>]*>")
FOOTNOTE_MARK = re.compile(  # a number that leads to a note; «m<sup>2</sup>» is none
    r"""(?xi)
      <sup\b[^<>]*> \s* <a\b[^<>]*\#[^<>]*> [\s\[(]* (?:\d{1,3}|[*†‡§]) [\s\])]* </a> \s* </sup>
    | <a\b[^<>]*\#[^<>]*> \s* <sup\b[^<>]*> [\s\[(]* (?:\d{1,3}|[*†‡§]) [\s\])]* </sup> \s* </a>
    | (?: (?<=[^\W\d_]{3}) | (?<=[.,;!?”")]) ) <sup\b[^<>]*> [\[(]? (?:\d{1,2}|[*†‡§]) [\])]? </sup>
    """
)
_IMAGE = rf"""(?x:
    !\[ (?: {NO_BLANK_LINE} [^\[\]] | \[[^\[\]\n]*\] )* \]              # its description, which may hold [one] link
    (?: \( [^()\n]* (?: \([^()\n]*\) [^()\n]* )* \) | \[[^\[\]\n]*\] )  # its (address), or the [name] of it
)"""
IMAGE = re.compile(_IMAGE)
LINKED_IMAGE = re.compile(rf"\[\s*{_IMAGE}\s*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])?")
LINK_DEFINITION = re.compile(
    r"""(?mx)
    ^[ ]{0,3}\[(?!\^)(?P<name>[^\]\n]+)\]:[ \t]*                        # [name]:, and no footnote
    \n?[ \t]*<?(?P<address>\S+?)>?
    (?: [ \t]+ (?: "[^"\n]*" | '[^'\n]*' | \([^)\n]*\) ) )?             # a title
    [ \t]*$
    """
)
REFERENCE_LINK = re.compile(rf"(?<![!\\])\[(?P<words>(?:{NO_BLANK_LINE}[^\[\]])+)\]\[(?P<name>[^\[\]\n]*)\]")
SHORT_REFERENCE_LINK = re.compile(r"(?<![!\\\]])\[(?P<words>[^\[\]\n]+)\](?P<name>)(?![(\[:])")  # words that are a name
STRAY_TICK = re.compile(r"(?P<before>\]\(https?://[^\s()`]{1,500})`(?=[^\s()`]{0,500}\))")  # in an address
INLINE_LINK = re.compile(
    rf"""(?x)
    \[ (?P<words> (?: \\. | {NO_BLANK_LINE} [^\[\]\\] | \[[^\[\]\\\n]*\] )* ) \]
    \( [ \t]* \n? [ \t]* (?: [^()\s] | \([^()\s]*\) )*                                    # the address
       (?: \s+ (?: "[^"\n]*" | '[^'\n]*' ) )? \s* \)                    # a title
    """
)
# [[page]], [[page|words]]; of [[page#section]] the page
WIKI_LINK = re.compile(r"\[\[(?:[^\[\]|\n]*\|)?(?P<words>[^\[\]|\n]+?)(?:(?<=[^|])#[^\[\]|\n]*)?\]\]")

# --- dialects and shortcodes ------------------------------------------------------------------------------------------

OBSIDIAN_EMBED = re.compile(r"!\[\[[^\[\]\n]*\]\]")
LIQUID_COMMENT = re.compile(r"(?s)\{%-?\s*comment\s*-?%\}(?:(?!\{%-?\s*comment\b).)*?\{%-?\s*endcomment\s*-?%\}")
_SHORTCODE_CONTENT = rf"(?:(?!\{{\{{|\{{%){NO_BLANK_LINE}.)*?"
SHORTCODE = re.compile(
    rf"""(?sx)
    \{{\{{[<%] {_SHORTCODE_CONTENT} [%>]\}}\}}      # Hugo
    | \{{% {_SHORTCODE_CONTENT} %\}}                # a Liquid tag
    | \{{\{{ {_SHORTCODE_CONTENT} \}}\}}            # a Liquid value
    """
)
KRAMDOWN_ATTRIBUTES = re.compile(r"\{:[^{}\n]*\}")
HEADING_ID = re.compile(r"(?m)^(?P<heading>#{1,6}[^\n{]*)\{[#.-][^{}\n]*\}[ \t]*$")

# --- share buttons, lists of tags -------------------------------------------------------------------------------------

_NETWORK = r"""(?x:
    (?: twitter | facebook | e-?mail | linkedin | reddit | whatsapp | pinterest | mastodon | bluesky | telegram
      | hacker[ ]?news | tumblr | pocket | print | rss | x )\b
)"""
SHARE_LINE = re.compile(
    rf"""(?imx)
    ^[ \t>*_]*
    (?:
        share (?: [ ](?:this|it) )? (?: [ ](?:post|article|page|story|entry) )?
            (?: [^\w\n]+ (?:on|via|with|to|and|or|your|friends|{_NETWORK}) )* [^\w\n]*
      | tweet[ ]this [^\w\n]*
      | like[ ]this:?[ \t]* (?: like[ ]loading [^\w\n]* )?
      | (?: {_NETWORK} [ \t]*[|•·/,][ \t]* )+ {_NETWORK} [^\w\n]*       # a row of networks
      | follow[ ](?:me|us)[ ]on[ ]{_NETWORK} [^\w\n]*
      | (?: posted[ ]in | filed[ ]under | tagged(?:[ ]with)? | related[ ]posts )[ \t]*: [^\n]*
      | click[ ]to[ ]share [^\n]*
      | posted[ ]by[ ] [^\n]{{1,60}} [ ](?:at|on)[ ] [^\n]{{0,30}} \d [^\n]{{0,30}}
    )$
    """
)
TABLE_OF_CONTENTS = re.compile(r"(?im)^[ \t*-]*(?:toc|\[toc\]|\[\[toc\]\])[ \t]*$")
