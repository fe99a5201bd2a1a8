"""Personal data masked: [email], [phone], [address], [key] in its place."""

import re


def redact(text: str) -> str:
    """`text` without the personal data that blogtwin/text/pii.py finds in it; other words stay as they are."""
    from blogtwin.text.pii import find_personal_data  # imported here: it brings the tables of the world's phone numbers

    for kind, value in sorted(find_personal_data(text), key=lambda found: -len(found[1])):
        text = _pattern(kind, value).sub(f"[{kind}]", text)
    return text


def _pattern(kind: str, value: str) -> re.Pattern:
    """Where a value stands, however it was spaced or written: personal_data gives it normalised."""
    if kind == "phone":
        digits = re.sub(r"\D", "", value)
        national = r"[ ().-]{0,3}".join(digits)
        return re.compile(rf"(?<!\d)(?:\+|00)?[(]?{national}(?!\d)")
    if kind == "email":
        at, dot = r"(?:@|[ ]?[(\[{][ ]?at[ ]?[)\]}][ ]?)", r"(?:\.|[ ]?[(\[{][ ]?dot[ ]?[)\]}][ ]?)"
        return re.compile("(?i)" + "".join(at if c == "@" else dot if c == "." else re.escape(c) for c in value))
    return re.compile(r"\s+".join(map(re.escape, value.split())))
