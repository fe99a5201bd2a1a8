"""Personal data in a text: e-mail addresses, phone numbers, postal addresses and API keys; and which of it another text
leaks.

The patterns favour precision: numbers in ordinary prose, dates, prices and ISBNs are no personal data, nor is a name
alone. corpus/redaction.py masks what is found here.
"""

import math
import re
from collections import Counter
from collections.abc import Callable

import phonenumbers

EMAIL = re.compile(
    r"(?i)(?<![\w.+/@-])\w[\w.+-]{0,63}(?:@|[ ]?[(\[{][ ]?at[ ]?[)\]}][ ]?)[\w-]+(?:(?:\.|[ ]?[(\[{][ ]?dot[ ]?[)\]}]["
    r" ]?)[\w-]+)*(?:\.|[ ]?[(\[{][ ]?dot[ ]?[)\]}][ ]?)[a-z]{2,24}(?![\w@:/-]|\.\w)"
)
# File extensions, as in icon@2x.png and unit@name.service: no top-level domains.
FILES = {"png", "jpg", "jpeg", "gif", "svg", "webp", "js", "css", "html", "service", "timer", "local"}
PLACEHOLDER_EMAIL = re.compile(
    r".*\bno-?reply\b.*|(?:git|user|you|your|name|someone|me|foo|bar|test|username|email"
    r"|your[._-]?(?:name|email))@(?:example\.\w+|.*github\.com|domain\.com|email\.com)"
)
INTERNATIONAL_PHONE = re.compile(r"(?<![\w+])(?:\+|00(?=[1-9]))[1-9](?:[ ().-]{0,3}\d){7,14}(?![\w+-])")
NATIONAL_PHONE = re.compile(r"(?<![\w.,/+-])(?<!\d:)(?!\d{1,2}\.\d{4})\(?\d(?:[ ().-]{0,2}\d){6,13}(?![\w/-]|[.,:]\d)")
PHONE_CUE = re.compile(
    r"(?i)\b(?:tel|telephone|phone|mobile|mob|cell|fax|whatsapp|signal|(?:call|ring|text)(?:s|ing)?(?:"
    r" (?:me|us|him|her|them))?(?: (?:on|at))?)\b[^\w\n]{0,4}(?:number|no\.?|is)?[^\w\n]{0,4}(?:is )?\Z"
)
# Countries whose numbers are recognised by their grouping of digits.
REGIONS = ("GB", "US", "DE", "FR", "ES", "IT", "NL", "AU", "IN")
CAPITAL = r"[A-ZÀ-Þ][\w'’-]*"
STREET = (
    r"(?:Street|Road|Avenue|Lane|Drive|Boulevard|Court|Place|Square|Terrace|Close|Crescent|Gardens|Grove|Row|Mews"
    r"|Quay|Way|Parade|Parkway|Highway|St|Rd|Ave|Ln|Dr|Blvd|Ct|Sq|Hwy|Pkwy)\b\.?"
)
STATE = (
    r"A[KLRZ]|C[AOT]|D[CE]|FL|GA|HI|I[ADLN]|K[SY]|LA|M[ADEINOST]|N[CDEHJMVY]|O[HKR]|PA|RI|S[CD]|T[NX]|UT|V[AT]|W[AIVY]"
)
ADDRESSES = [
    re.compile(rf"(?<![\w£$€.,/-])(?!(?:19|20)\d\d )\d{{1,5}}[a-zA-Z]?,? (?:{CAPITAL} ){{1,3}}{STREET}"),
    re.compile(
        rf"\b{CAPITAL}(?:straße|strasse|str\.|weg|platz|gasse|allee) \d{{1,4}}[a-z]?\b|\b{CAPITAL}"
        r" (?:Straße|Strasse|Weg|Platz|Allee) \d{1,4}[a-z]?\b"
    ),
    re.compile(
        r"(?<![\w.,-])\d{1,4}(?: ?bis| ?ter)?,? (?:rue|avenue|boulevard|place|chemin|allée|impasse|quai)"
        r" (?:(?:de|du|des|la|le|les|l['’]|d['’]) ?){0,2}[A-ZÀ-Þ][\w'’-]*"
    ),
    re.compile(
        rf"\b(?:Calle|Via|Viale|Piazza|Rua|Avenida|Plaza) (?:(?:de|del|della|di|da|la|las|los) )*{CAPITAL}(?:"
        rf" {CAPITAL})?,? \d{{1,4}}\b"
    ),
    re.compile(r"\bP\.? ?O\.? Box \d{1,6}\b"),
    re.compile(r"\b[A-Z]{1,2}\d[A-Z\d]? \d[ABD-HJLNP-UW-Z]{2}\b"),  # a British postcode
    re.compile(rf", (?:{STATE}) \d{{5}}(?:-\d{{4}})?\b"),
]
# Forms the providers publish for their own keys.
KEYS = re.compile(
    r"\b(?:A(?:KIA|SIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,}|glpat-[\w-]{20,}"
    r"|sk-(?:proj-|ant-|or-)?[\w-]{20,}|xox[abeprs]-[\w-]{10,}"
    r"|AIza[\w-]{35}|[spr]k_(?:live|test)_[A-Za-z0-9]{16,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}"
    r"|pypi-AgE[\w-]{50,}|SG\.[\w-]{16,}\.[\w-]{16,}|dop_v1_[a-f0-9]{64}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})|-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16,}"
)
ASSIGNED = re.compile(
    r"(?i)\b[\w-]{0,40}(?:api[ _-]?key|secret|token|passw(?:or)?d|access["
    r" _-]?key)[\w-]{0,40}[\"'`]?\s*(?::=|=>?|:|\bis\b)\s*[\"'`]?([\w+/=.~!@#$%^&*-]{12,})"
)
BARE_TOKEN = re.compile(r"(?!sha\d{3}-)(?<![\w+/=.:@%&?#-])[A-Za-z0-9+_-]{32,}={0,2}(?![\w+/=.@%-])")


def find_personal_data(text: str) -> list[tuple[str, str]]:
    """(kind, value) of each item, without repetition.

    kind: "email", "phone", "address" or "key". A phone number is digits, with + and the country code if given.
    """
    found: list[tuple[str, str]] = []

    def extract(kind: str, pattern: re.Pattern[str], value_of: Callable[[re.Match[str]], str]) -> None:
        """Add the values of all matches, and blank these out, so that they are found as no other kind."""
        nonlocal text

        def blank_out(match: re.Match[str]) -> str:
            value = value_of(match)
            if not value:
                return match[0]
            found.append((kind, value))
            return "\n" * len(match[0])

        text = pattern.sub(blank_out, text)

    extract("key", KEYS, lambda m: m[0])
    extract("key", ASSIGNED, lambda m: m[1] if _looks_random(m[1], bare=False) else "")
    extract("key", BARE_TOKEN, lambda m: m[0] if _looks_random(m[0], bare=True) else "")
    extract("email", EMAIL, lambda m: _email(m[0]))
    for pattern in ADDRESSES:
        extract("address", pattern, lambda m: " ".join(m[0].strip(" ,.").split()))
    found += [("phone", phone) for phone in _phones(text)]
    return list(dict.fromkeys(found))


def find_leaks(text: str, personal: set[str]) -> set[str]:
    """Those of the values `personal` (from `find_personal_data`) that `text` contains, in any spacing and case."""
    emails = {value for kind, value in find_personal_data(text) if kind == "email"}
    flat = _flat(text)
    runs = [re.sub(r"\D", "", run) for run in re.findall(r"[+(]{0,2}\d(?:[ ().-]{0,3}\d){5,}", text)]

    def is_leaked(value: str) -> bool:
        if re.fullmatch(r"\+?\d{7,15}", value):
            return any(_is_same_phone(re.sub(r"\D", "", value), run) for run in runs)
        if re.fullmatch(r"[\w.+-]+@[\w.-]+\.[a-z]{2,24}", value):
            return value in emails
        return bool(re.search(rf"(?<!\w){re.escape(_flat(value))}(?!\w)", flat))

    return {value for value in personal if value and is_leaked(value)}


def _email(written: str) -> str:
    """The address with its “(at)” and “(dot)” replaced; "" for a file name or a placeholder."""
    written = re.sub(r"(?i) ?[(\[{] ?at ?[)\]}] ?", "@", written)
    written = re.sub(r"(?i) ?[(\[{] ?dot ?[)\]}] ?", ".", written)
    address = written.lower().strip(".")
    return "" if address.rsplit(".", 1)[-1] in FILES or PLACEHOLDER_EMAIL.fullmatch(address) else address


def _phones(text: str) -> list[str]:
    """Phone numbers: after a word like “tel”, valid with a country code, or grouped as usual in their country."""
    found = []

    def blank_out(match: re.Match[str]) -> str:
        written = match[0]
        has_cue = PHONE_CUE.search(text[max(0, match.start() - 40) : match.start()]) is not None
        if written.startswith(("+", "00")):
            if has_cue or _is_international_phone(written):
                found.append("+" + re.sub(r"\D", "", written.replace("(0)", "")).removeprefix("00"))
        elif has_cue or _is_national_phone(written):
            found.append(re.sub(r"\D", "", written))
        return "\n" * len(written)

    NATIONAL_PHONE.sub(blank_out, INTERNATIONAL_PHONE.sub(blank_out, text))
    return found


def _is_international_phone(written: str) -> bool:
    """Whether a number with a country code is valid, or possible and written in groups.

    The latter, because numbers reserved for films and examples are not valid.
    """
    try:
        number = phonenumbers.parse("+" + re.sub(r"^00|[+]", "", written))
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number) or (
        len(re.findall(r"[ ().-]+", written)) > 1 and phonenumbers.is_possible_number(number)
    )


def _is_national_phone(written: str) -> bool:
    """Whether a number without country code is written in the groups of one of REGIONS, and valid there."""
    if not re.search(r"\d[ ().-]+\d", written) or not re.match(r"\(?0|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}$", written):
        return False
    level = phonenumbers.Leniency.STRICT_GROUPING
    return any(
        m.raw_string == written
        for region in REGIONS
        for m in phonenumbers.PhoneNumberMatcher(written, region, leniency=level)
    )


def _is_same_phone(one: str, other: str) -> bool:
    """Whether two numbers differ only in their country code or leading 0: the longer ends with the shorter."""
    short, long = sorted((one.lstrip("0"), other.lstrip("0")), key=len)
    return len(short) >= 7 and long.endswith(short) and len(long) - len(short) <= 3


def _looks_random(token: str, bare: bool) -> bool:
    """Whether a token looks like a key: letters and digits mixed, with more entropy per character than words have.

    `bare`: no word like “token” stands before it, so the bounds are stricter.
    """
    if not (re.search(r"\d", token) and re.search(r"[A-Za-z]", token)):
        return False
    has_both_cases = re.search(r"[a-z]", token) and re.search(r"[A-Z]", token)
    if bare and not (has_both_cases and re.search(r"[A-Za-z0-9]{16}", token)):  # a digest, a slug
        return False
    bits = -sum(n / len(token) * math.log2(n / len(token)) for n in Counter(token).values())
    return bits > (4.3 if bare else 3.0)


def _flat(text: str) -> str:
    """The text for comparison: case-folded, without commas, with single blanks."""
    return " ".join(re.sub(r"[,\s]+", " ", text).casefold().split())
