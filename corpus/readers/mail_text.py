"""The words of a mail's sender: without the mail it answers, the mail it forwards, signatures and footers."""

import re

from corpus.html_to_markdown import VOID_TAGS
from corpus.readers.html import parse_html, to_markdown
from corpus.readers.html_parser import Event

QUOTE_CLASSES = {
    "gmail_quote",
    "gmail_quote_container",
    "gmail_attr",
    "moz-cite-prefix",
    "moz-forward-container",
    "yahoo_quoted",
    "protonmail_quote",
    "tutanota_quote",
    "zmail_extra",
    "outlookmessageheader",
}
SIGNATURE_CLASSES = {
    "gmail_signature",
    "gmail_signature_prefix",
    "moz-signature",
    "protonmail_signature_block",
    "ms-outlook-mobile-signature",
    "apple-signature",
}
SIGNATURE_IDS = {"signature", "ms-outlook-mobile-signature", "applemailsignature"}
# From such an element on, all that follows is the mail that was answered.
REST_IDS = {"appendonsend", "divrplyfwdmsg", "stopspelling", "reply-intro", "mail-editor-reference-message-container"}
OUTLOOK_RULE = re.compile(r"(?i)border-top\s*:\s*solid\s+#(?:e1e1e1|b5c4df)")
VERBS = (
    r"wrote|writes|schrieb|geschrieben|a[ ]écrit|escribió|ha[ ]scritto|schreef|escreveu|skrev|napisał(?:\(a\)|a)?"
    r"|написал(?:\(а\)|а)?|пишет"
)
ADDRESS = r"[^\s<>()@]{1,100}@[^\s<>()@]{1,200}"
ATTRIBUTION = re.compile(  # "On Tue, Mar 5, 2019 at 7:00 AM Jane <jane@x.org> wrote:", on up to four lines
    rf"""(?imx)
    ^[ \t*_]{{0,9}}
    (?:
        (?:on|am|le|el|il|op|em|den|dne|w[ ]dniu|dnia)\b (?=[^\n]{{0,300}}\d)
        (?:(?!\n[ \t]*\n)[^:]|:(?!\s*$)){{4,300}}? \b(?:{VERBS})\b (?:[^\n:]|:(?!\s*$)){{0,160}} :
      | [^\n:>]{{1,100}} (?:<|&lt;|\() {ADDRESS} [>)] [^\n:]{{0,40}} \b(?:{VERBS})\b [^\n:]{{0,20}} :
      | \d{{4}}-\d\d-\d\d [ ] [^\n]{{4,120}} (?:<|&lt;) {ADDRESS} > :
    )
    [ \t*_]*$
    """
)
FORWARDED = (
    r"original[ ]message|forwarded[ ]message|ursprüngliche[ ]nachricht|original-?nachricht|weitergeleitete[ ]nachricht"
    r"|message[ ]d['’]origine|message[ ]original|message[ ]transféré|mensaje[ ]original|mensaje[ ]reenviado"
    r"|messaggio[ ]originale|messaggio[ ]inoltrato|oorspronkelijk[ ]bericht|doorgestuurd[ ]bericht"
    r"|mensagem[ ](?:original|encaminhada)|ursprungligt[ ]meddelande|oprindelig[ ]meddelelse"
)
FIELD = r"[ \t>*_]{{0,9}}\b(?:{names})[ \t]*:[ \t*_]{{1,9}}[^\s][^\n]*"
SENDER_FIELD = FIELD.format(names="from|von|de|da|van|od|fra|från")
OTHER_FIELD = FIELD.format(
    names="sent|gesendet|envoyé|enviado(?:[ ]el)?|inviato|verzonden|skickat|sendt|date|datum|fecha|data"
    "|to|an|à|para|a|aan|till|til|subject|betreff|objet|asunto|oggetto|onderwerp|assunto|ämne|emne|cc"
)
REST = re.compile(  # all that follows is another mail
    rf"""(?imx)
    ^[ \t>*_\\]{{0,9}} -{{2,}} [ \t]* (?:{FORWARDED}) [ \t]* -{{2,}} [ \t*_]*$
    | ^[ \t>*_]{{0,9}} (?:begin[ ]forwarded[ ]message|anfang[ ]der[ ]weitergeleiteten[ ](?:nachricht|e-mail))
      [ \t]*:[*_ \t]*$
    | (?:^[ \t]*_{{10,}}[ \t]*\n+)? ^{SENDER_FIELD}\n+(?:{OTHER_FIELD}\n+){{1,5}}{OTHER_FIELD}$
    | ^[ \t]*_{{10,}}[ \t]*\n+{SENDER_FIELD}\n+{OTHER_FIELD}$
    | ^[ \t]*-{{2,}}[ ]on\b[^\n]{{4,200}}\b(?:{VERBS})[ ]-{{2,}}[ \t]*$
    | ^_{{20,}}[ \t]*\n[^\n]*\bmailing[ ]list\b
    """
)
QUOTED_LINE = re.compile(r"[ \t]*>")
QUOTED_BLOCK = re.compile(r"\s*(?:>[^\n]*\s*)+")
NOTHING_MORE = re.compile(r"\s*\Z")
EXACT_TIME = re.compile(r"(?s)(?=.*\d:\d\d)(?=.*(?<!\d)(?:19|20)\d\d(?!\d))")
VERB = re.compile(rf"(?ix)\b(?:{VERBS})(?!\w)")
MAX_ATTRIBUTION = 200  # characters of a line
FOOTER = re.compile(
    r"""(?imx)
    ^[ \t>*_\[(]{0,9}
    (?:
        unsubscribe\b
      | to[ ]unsubscribe\b
      | you[ ](?:are|'re|’re)[ ]receiving[ ]this
      | you[ ]received[ ]this[ ](?:e-?mail|message)
      | view[ ](?:this[ ](?:e-?mail|post)[ ])?(?:in|on)[ ](?:your|the)[ ](?:browser|web)
      | update[ ]your[ ]preferences
      | manage[ ]your[ ]subscription
      | sent[ ]from[ ]my[ ]
      | (?:sent[ ]from|get)[ ](?:outlook|yahoo|mail)[ ]for[ ]
      | von[ ]meinem[ ][^\n]{1,30}[ ]gesendet
      | envoyé[ ]de[ ]mon[ ]
      | enviado[ ]desde[ ]mi[ ]
    )
    .*$
    """
)
SIGNATURE = re.compile(r"(?m)^-- ?$")


def unflow(text: str, drop_space: bool) -> str:
    """Lines that were wrapped for sending ("format=flowed") in one again, as RFC 3676 says."""
    lines: list[str] = []
    is_open = False  # the line before goes on
    for line in text.replace("\r\n", "\n").split("\n"):
        bare = line.removeprefix(" ")
        if is_open and bare.startswith(">") == lines[-1].startswith(">"):
            lines[-1] = (lines[-1][:-1] if drop_space else lines[-1]) + bare.lstrip(
                "> " if bare.startswith(">") else ""
            )
        else:
            lines.append(bare)
        is_open = bare.endswith(" ") and bare != "-- "
    return "\n".join(lines)


def own_text_of_html(html: str) -> tuple[str, bool]:
    """(the sender's words in a mail of HTML, as Markdown; True if a quoted mail was taken out)."""
    events = parse_html(html).events
    own, had_quotes = _without_quotes(events)
    text, has_quotes = own_text(to_markdown(own), is_plain=False)
    return text, has_quotes or had_quotes


def own_text(text: str, is_plain: bool) -> tuple[str, bool]:
    """(the sender's words in a mail's text, True if a quoted mail was taken out).

    is_plain: the mail is plain text, in which ">" begins a line of the mail that it answers. In Markdown made of HTML
    it begins a block quotation of the sender's.
    """
    before = text
    rest = REST.search(text)
    text = text[: rest.start()] if rest else text
    text = _cut_attributions(text)
    if is_plain:
        text = _without_quoted_lines(text)
    has_quotes = text != before
    text = SIGNATURE.split(text, maxsplit=1)[0]
    return FOOTER.sub("", text).strip("\n"), has_quotes


def _cut_attributions(text: str) -> str:
    """Without "On … wrote:" and the quotation after it; without all that follows, where the quotation has no marks."""
    kept, position = [], 0
    for match in ATTRIBUTION.finditer(text):
        if match.start() < position:
            continue
        quoted = QUOTED_BLOCK.match(text, match.end())
        if quoted:
            kept.append(text[position : match.start()])
            position = quoted.end()
        elif "@" in match[0] or EXACT_TIME.match(match[0]) or NOTHING_MORE.match(text, match.end()):
            return "".join([*kept, text[position : match.start()]])
    return "".join([*kept, text[position:]])


def _without_quoted_lines(text: str) -> str:
    """Plain text without the lines after ">", and without what names their author above them."""
    kept: list[str] = []
    for line in text.split("\n"):
        if not QUOTED_LINE.match(line):
            kept.append(line)
            continue
        last = next((number for number in range(len(kept) - 1, -1, -1) if kept[number].strip()), -1)
        if last >= 0 and (begin := _attribution_start(kept, last)) is not None:
            del kept[begin:]
    return "\n".join(kept)


def _attribution_start(lines: list[str], last: int) -> int | None:
    """Where the attribution of a quotation begins that ends with line `last`, the same or the one before; None for a
    line that is none."""
    if not lines[last].rstrip(" \t*_").endswith(":"):
        return None
    for begin in (last, last - 1):
        line = lines[begin] if begin >= 0 else ""
        if len(line) <= MAX_ATTRIBUTION and (VERB.search(line) or EXACT_TIME.match(line)):
            return begin if begin == last or "@" in lines[last] else None
    return None


def _without_quotes(events: list[Event]) -> tuple[list[Event], bool]:
    """(the events of a mail without those of quoted mails and signatures, True if there was a quoted mail)."""
    kept: list[Event] = []
    has_quotes = False
    skipping: list[str] = []  # open tags, from the outermost that is left out
    for event in events:
        if skipping:
            if event.kind == "start" and event.value not in VOID_TAGS:
                skipping.append(event.value)
            elif event.kind == "end" and event.value in skipping:
                while skipping.pop() != event.value:
                    pass
        elif event.kind == "start" and _begins_rest(event):
            return kept, True
        elif event.kind == "start" and (_is_quoted(event) or _is_signature(event)):
            has_quotes = has_quotes or _is_quoted(event)
            skipping.append(event.value)
        else:
            kept.append(event)
    return kept, has_quotes


def _begins_rest(event: Event) -> bool:
    attributes = event.attributes
    return attributes.get("id", "").lower().removeprefix("x_") in REST_IDS or bool(
        OUTLOOK_RULE.search(attributes.get("style", "")[:500])
    )


def _is_quoted(event: Event) -> bool:
    is_cited = event.value == "blockquote" and event.attributes.get("type") == "cite"
    is_named = event.value == "div" and event.attributes.get("name") == "quote"  # of GMX and web.de
    return is_cited or is_named or bool(QUOTE_CLASSES & _classes(event))


def _is_signature(event: Event) -> bool:
    return bool(SIGNATURE_CLASSES & _classes(event)) or event.attributes.get("id", "").lower() in SIGNATURE_IDS


def _classes(event: Event) -> set[str]:
    return set(event.attributes.get("class", "").lower().split())
