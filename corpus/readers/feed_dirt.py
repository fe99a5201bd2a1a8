"""What feeds put after a post («The post X appeared first on Y», links to comments), and posts they cut off."""

import re

MAX_FOOTER_WORDS = 60
MAX_FOOTERS = 4  # lines at the end of a post
MIN_TITLE = 3  # characters, so that it is found in no other word
MIN_ADDRESS = 12  # characters, so that a post is no front page
MAX_TEASER_WORDS = 250  # a longer text that ends in "read more" is a post
ORIGIN = re.compile(  # of the post, in the languages of WordPress; with a link, or the title
    r"""(?ix)
    ^ [\s*_>(]* (?:
        (?: the | this ) [ ] (?: post | article | entry | story | episode ) [ ,] .{0,300}?
            \b (?: appeared [ ] first | first [ ] appeared | originally [ ] appeared | was [ ] (?: first | originally )
               [ ] (?: published | posted ) | is [ ] a [ ] post [ ] from ) \b .{0,300}
      | (?: der [ ] beitrag | der [ ] artikel ) [ ] .{0,300} \b (?: erschien [ ] zuerst | ist [ ] zuerst [ ] erschienen
            | wurde [ ] zuerst ) \b .{0,300}
      | l['’] (?: article | articolo ) [ ] .{0,300} \b (?: est [ ] apparu [ ] en [ ] premier | proviene [ ] da
            | è [ ] stato [ ] pubblicato ) \b .{0,300}
      | (?: cet [ ] article | cet [ ] article, ) .{0,300} \b est [ ] apparu [ ] .{0,300}
      | la [ ] entrada [ ] .{0,300} \b (?: se [ ] public[oó] | aparece | apareci[oó] ) \b .{0,300}
      | o [ ] (?: post | artigo ) [ ] .{0,300} \b (?: apareceu [ ] primeiro | aparece [ ] em [ ] primeiro ) \b .{0,300}
      | het [ ] bericht [ ] .{0,300} \b (?: verscheen [ ] eerst | is [ ] het [ ] eerst [ ] verschenen ) \b .{0,300}
      | inlägget [ ] .{0,300} \b dök [ ] först [ ] upp \b .{0,300}
      | indlægget [ ] .{0,300} \b blev [ ] først [ ] .{0,300}
      | innlegget [ ] .{0,300} \b dukket [ ] først [ ] opp \b .{0,300}
      | (?: artykuł | wpis ) [ ] .{0,300} \b pochodzi [ ] z [ ] serwisu \b .{0,300}
      | (?: сообщение | запись ) [ ] .{0,300} \b (?: появил[аиось]+ [ ] (?: сначала | впервые ) | впервые [ ]
            появил[аиось]+ ) .{0,300}
      | .{0,300} [ ] は .{0,300} に最初に表示されました。?
    ) [\s*_).!…]* $
    """
)
FOOTER = re.compile(
    r"""(?ix)
    ^ [\s*_>(]* (?:
        .{0,300} [ ] was [ ] originally [ ] published [ ] in [ ] .{0,300} [ ] on [ ] medium, [ ] where [ ] .{0,200}
      | comments?: [ ] \[ \d+ \] \( [^()\n]* \)
      | thanks [ ] for [ ] reading [ ] .{0,120}? [!.] [ ] subscribe \b .{0,300}
      | thanks [ ] for [ ] reading [ ] (?: this [ ] post [ ] )? (?: via | by | over ) [ ] (?: rss | e-?mail ) .{0,120}
      | (?: copyright [ ]? )? (?: © | &copy; | \(c\) ) [ ]? (?: copyright [ ] )? \d{4} .{0,200}
      | comments [ ] (?: on [ ] this [ ] (?: entry | post ) [ ] )? are [ ] closed
      | you [ ] can [ ] follow [ ] (?: any | all ) [ ] (?: responses | comments ) [ ] to [ ] this [ ] .{0,300}
      | read [ ] the [ ] \[ (?: original | full | rest | whole ) [^\[\]\n]{0,60} \] \( [^()\n]* \) .{0,100}
      | (?: tags? | tagged | labels? | categor(?:y|ies) | topics? | filed [ ] under | posted [ ] in ) [ ]? : .{1,300}
      | \[ (?: \d+ [ ] )? (?: (?: leave | post | add | write ) [ ] a [ ] comment | comments? (?: [ ] on [ ] .{0,200} )?
            | reply [ ] (?: via | by ) [ ] e-?mail | comment [ ] (?: via | by ) [ ] e-?mail | permalink | discuss
            | share | like | view [ ] comments ) \] \( [^()\n]* \)
            (?: [\s|·•,/]* \[ [^\[\]\n]{0,60} \] \( [^()\n]* \) ){0,4}
    ) [\s*_).!…]* $
    """
)
RELATED = re.compile(  # a list of links to other posts
    r"""(?ix)
    \n [#*_ \t]* (?: (?: related | similar | recent ) [ ] (?: posts? | articles? | stories | entries )
        | you [ ] (?: may | might ) [ ] also [ ] (?: like | enjoy ) | more [ ] from [ ] this [ ] blog ) [:*_ \t]* \n+
    (?: [ \t]* (?: [-*+] | \d+[.)] ) [ \t]+ \[ [^\n]* (?: \n+ | \Z ) ){1,20} \Z
    """
)
CUT_OFF = re.compile(
    r"""(?x)
    (?: \[ (?: … | \.{3} | &hellip; | &\#8230; ) \] | \( (?: … | \.{3} ) \)
      | (?: … | \.{3} ) [ ]? \( more (?: … | \.{3} )? \)
      | \[? \( more (?: … | \.{3} ) \) (?: \] \( [^()\n]* \) )? | \[\[? (?: … | \.{3} ) \]?\] \( [^()\n]* \)
      | [\[(]? (?i: read [ ] more | continue [ ] reading | weiterlesen | lire [ ] la [ ] suite | leer [ ] m[aá]s )
        [ ]? (?: … | \.{3} | → | » ) [\])]?
    ) [\s*_>]* $
    """
)
READ_MORE = re.compile(
    r"""(?ix)
    (?: ^ | [\s\[(>*…] )
    (?: continue [ ] reading | keep [ ] reading | read [ ] (?: more | on | the [ ] (?: rest | full | whole | entire ) )
      | weiterlesen | mehr [ ] lesen | lire [ ] la [ ] suite | en [ ] savoir [ ] plus | leer [ ] m[aá]s
      | seguir [ ] leyendo
      | sigue [ ] leyendo | continua [ ] a [ ] leggere | leggi [ ] tutto | leia [ ] mais | continue [ ] lendo
      | lees [ ] (?: meer | verder ) | läs [ ] mer | læs [ ] mere | les [ ] mer | czytaj [ ] (?: więcej | dalej )
      | читать [ ] далее | 続きを読む | 阅读全文 )
    \b [^.!?\n]{0,150} [\s*_.…→»>]* $
    """
)


def strip_footers(text: str, address: str = "", title: str = "") -> str:
    """Markdown of a post in a feed without the lines that the feed puts at its end.

    address: of the post; a last line that links to it and to another page is such a line in any language.
    """
    text = RELATED.sub("", text).rstrip()
    for _ in range(MAX_FOOTERS):
        before, _, line = text.rstrip().rpartition("\n")
        is_origin = ORIGIN.match(line) and (
            "](" in line
            or line.lstrip("*_>( ").lower().startswith("this ")
            or (len(title) > MIN_TITLE and title in line)
        )
        is_footer = is_origin or FOOTER.match(line) or _links_to_itself(line, address)
        if not is_footer or len(line.split()) > MAX_FOOTER_WORDS:
            return text
        text = before.rstrip()
    return text


def _links_to_itself(line: str, address: str) -> bool:
    """True for a short line of links to the post itself and its blog, and for one that is a link to the post."""
    own = _plain_address(address)
    links = [_plain_address(link) for link in re.findall(r"\]\(([^()\s]+)", line)]
    others = [link for link in links if link != own]
    is_link = re.fullmatch(r"\W*\[[^\[\]\n]{1,60}\]\([^()\s]+\)\W*", line) and not is_teaser(line, address)
    return len(own) > MIN_ADDRESS and own in links and bool(is_link or any(own.startswith(link) for link in others))


def _plain_address(address: str) -> str:
    """An address without scheme, query and closing slashes."""
    return re.sub(r"[?#].*|/+$", "", re.sub(r"^https?:", "", address.strip()))


def is_teaser(text: str, address: str = "") -> bool:
    """True for a text that ends as feeds end the start of a post: "[…]", "Continue reading" with a link to the post."""
    last = text.rstrip().rpartition("\n")[2][-600:]
    if CUT_OFF.search(last):
        return True
    words = re.sub(r"\]\([^()\n]*\)", "]", last)
    match = READ_MORE.search(words)
    if not match or len(text.split()) > MAX_TEASER_WORDS:
        return False
    before = words[: match.start()].rstrip("[(*_ \t>")
    is_cut = before.endswith(("…", "...", "&hellip;"))
    if "]" not in match[0]:  # no link
        return is_cut or (not before and bool(re.search(r"[→»>…]\s*$|^(?:\W*\w+){1,3}[^\w.]*$", match[0])))
    is_linked = match[0].startswith("[") or words[: match.start()].endswith("[")
    link = _plain_address(re.findall(r"\]\(([^()\s]*)", last)[-1:][0] if "](" in last else "")
    host = _plain_address(address).lstrip("/").split("/")[0]
    if link and link == _plain_address(address):
        return is_linked
    return is_linked and (is_cut or not before) and (not host or not link.startswith("//") or host in link)
