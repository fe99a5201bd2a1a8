"""Personal data in a text: e-mail addresses, phone numbers, postal addresses and keys; and which of those another text
gives away.

Made for precision, so that the numbers of ordinary prose, dates, prices and ISBNs pass. A name alone is no personal
data here.
"""

import math
import re
from collections import Counter

import phonenumbers

EMAIL = re.compile(
    r"(?i)(?<![\w.+/@-])\w[\w.+-]{0,63}(?:@|[ ]?[(\[{][ ]?at[ ]?[)\]}][ ]?)[\w-]+(?:(?:\.|[ ]?[(\[{][ ]?dot[ ]?[)\]}]["
    r" ]?)[\w-]+)*(?:\.|[ ]?[(\[{][ ]?dot[ ]?[)\]}][ ]?)[a-z]{2,24}(?![\w@:/-]|\.\w)"
)
FILES = {
    "png",
    "jpg",
    "jpeg",
    "gif",
    "svg",
    "webp",
    "js",
    "css",
    "html",
    "service",
    "timer",
    "local",
}  # icon@2x.png, unit@name.service
PLACEHOLDER_EMAIL = re.compile(
    r".*\bno-?reply\b.*|(?:git|user|you|your|name|someone|me|foo|bar|test|username|email|your[._-]?(?:name|email))@(?:example\.\w+|.*github\.com|domain\.com|email\.com)"
)
INTERNATIONAL_PHONE = re.compile(r"(?<![\w+])(?:\+|00(?=[1-9]))[1-9](?:[ ().-]{0,3}\d){7,14}(?![\w+-])")
NATIONAL_PHONE = re.compile(r"(?<![\w.,/+-])(?<!\d:)(?!\d{1,2}\.\d{4})\(?\d(?:[ ().-]{0,2}\d){6,13}(?![\w/-]|[.,:]\d)")
PHONE_CUE = re.compile(
    r"(?i)\b(?:tel|telephone|phone|mobile|mob|cell|fax|whatsapp|signal|(?:call|ring|text)(?:s|ing)?(?:"
    r" (?:me|us|him|her|them))?(?: (?:on|at))?)\b[^\w\n]{0,4}(?:number|no\.?|is)?[^\w\n]{0,4}(?:is )?\Z"
)
REGIONS = (
    "GB",
    "US",
    "DE",
    "FR",
    "ES",
    "IT",
    "NL",
    "AU",
    "IN",
)  # countries whose way of grouping digits is known by it
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
    r"\b(?:A(?:KIA|SIA)[A-Z0-9]{16}|gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,}|glpat-[\w-]{20,}|sk-(?:proj-|ant-|or-)?[\w-]{20,}|xox[abeprs]-[\w-]{10,}"
    r"|AIza[\w-]{35}|[spr]k_(?:live|test)_[A-Za-z0-9]{16,}|hf_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}|pypi-AgE[\w-]{50,}|SG\.[\w-]{16,}\.[\w-]{16,}|dop_v1_[a-f0-9]{64}"
    r"|eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,})|-----BEGIN [A-Z ]*PRIVATE KEY-----\s+[A-Za-z0-9+/=]{16,}"
)
ASSIGNED = re.compile(
    r"(?i)\b[\w-]{0,40}(?:api[ _-]?key|secret|token|passw(?:or)?d|access["
    r" _-]?key)[\w-]{0,40}[\"'`]?\s*(?::=|=>?|:|\bis\b)\s*[\"'`]?([\w+/=.~!@#$%^&*-]{12,})"
)
BARE_TOKEN = re.compile(r"(?!sha\d{3}-)(?<![\w+/=.:@%&?#-])[A-Za-z0-9+_-]{32,}={0,2}(?![\w+/=.@%-])")


def find_personal_data(text: str) -> list[tuple[str, str]]:
    """(kind, value) of each piece, once: kind is "email", "phone", "address" or "key"; phones are digits (+ and country
    if given)."""
    found: list[tuple[str, str]] = []

    def take(kind, value, match):
        found.append((kind, value))
        return "\n" * len(match[0])  # what is one thing is no other

    text = KEYS.sub(lambda m: take("key", m[0], m), text)
    for pattern, group in ((ASSIGNED, 1), (BARE_TOKEN, 0)):
        text = pattern.sub(
            lambda m, group=group: take("key", m[group], m) if _random(m[group], free=not group) else m[0], text
        )
    text = EMAIL.sub(lambda m: take("email", _email(m[0]), m) if _email(m[0]) else m[0], text)
    for pattern in ADDRESSES:
        text = pattern.sub(lambda m: take("address", " ".join(m[0].strip(" ,.").split()), m), text)
    found += [("phone", phone) for phone in _phones(text)]
    return list(dict.fromkeys(found))


def find_leaks(text: str, personal: set[str]) -> set[str]:
    """The values of `personal`, as `find_personal_data` gives them, that `text` holds, however they are spaced or
    capitalised there."""
    emails = {value for kind, value in find_personal_data(text) if kind == "email"}
    flat = _flat(text)
    runs = [re.sub(r"\D", "", run) for run in re.findall(r"[+(]{0,2}\d(?:[ ().-]{0,3}\d){5,}", text)]

    def stands(value: str) -> bool:
        if re.fullmatch(r"\+?\d{7,15}", value):
            return any(_same_phone(re.sub(r"\D", "", value), run) for run in runs)
        return (
            value in emails
            if re.fullmatch(r"[\w.+-]+@[\w.-]+\.[a-z]{2,24}", value)
            else bool(re.search(rf"(?<!\w){re.escape(_flat(value))}(?!\w)", flat))
        )

    return {value for value in personal if value and stands(value)}


def _email(written: str) -> str:
    """A plain address; empty for what only looks like one or is nobody's."""
    address = (
        re.sub(r"(?i) ?[(\[{] ?dot ?[)\]}] ?", ".", re.sub(r"(?i) ?[(\[{] ?at ?[)\]}] ?", "@", written))
        .lower()
        .strip(".")
    )
    return "" if address.rsplit(".", 1)[-1] in FILES or PLACEHOLDER_EMAIL.fullmatch(address) else address


def _phones(text: str) -> list[str]:
    """After a word like “tel”; else a valid number with its country code, or one grouped as its country groups them."""
    found = []

    def take(match):
        country = match[0].startswith(("+", "00"))
        if PHONE_CUE.search(text[max(0, match.start() - 40) : match.start()]) or (
            _abroad(match[0]) if country else _grouped(match[0])
        ):
            digits = re.sub(r"\D", "", match[0].replace("(0)", "") if country else match[0])
            found.append("+" + digits.removeprefix("00") if country else digits)
        return "\n" * len(match[0])

    NATIONAL_PHONE.sub(take, INTERNATIONAL_PHONE.sub(take, text))
    return found


def _abroad(written: str) -> bool:
    """With a country code: valid, or possible and written in groups (the numbers kept for films and examples are not
    valid)."""
    try:
        number = phonenumbers.parse("+" + re.sub(r"^00|[+]", "", written))
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(number) or (
        len(re.findall(r"[ ().-]+", written)) > 1 and phonenumbers.is_possible_number(number)
    )


def _grouped(written: str) -> bool:
    """A national number written in groups, valid somewhere. Digits in one piece may be anything."""
    if not re.search(r"\d[ ().-]+\d", written) or not re.match(r"\(?0|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}$", written):
        return False
    level = phonenumbers.Leniency.STRICT_GROUPING
    return any(
        m.raw_string == written
        for region in REGIONS
        for m in phonenumbers.PhoneNumberMatcher(written, region, leniency=level)
    )


def _same_phone(one: str, other: str) -> bool:
    """The same number, with the country's code or without: the shorter ends the longer, the leading 0 aside."""
    short, long = sorted((one.lstrip("0"), other.lstrip("0")), key=len)
    return len(short) >= 7 and long.endswith(short) and len(long) - len(short) <= 3


def _random(token: str, free: bool) -> bool:
    """As random as a key: letters and digits mixed, and more bits a character than words have. `free`: nothing around
    says that it is one."""
    if not (re.search(r"\d", token) and re.search(r"[A-Za-z]", token)):
        return False
    if free and not (
        re.search(r"[a-z]", token) and re.search(r"[A-Z]", token) and re.search(r"[A-Za-z0-9]{16}", token)
    ):  # a digest, a slug
        return False
    bits = -sum(n / len(token) * math.log2(n / len(token)) for n in Counter(token).values())
    return bits > (4.3 if free else 3.0)


def _flat(text: str) -> str:
    return " ".join(re.sub(r"[,\s]+", " ", text).casefold().split())
