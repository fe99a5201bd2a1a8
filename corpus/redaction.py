"""Personal data replaced by its kind: [email], [phone], [address], [key]."""

import re


def redact(text: str) -> str:
    """`text` with the personal data that blogtwin/text/pii.py finds in it masked; other words stay as they are."""
    from blogtwin.text.pii import find_personal_data  # here: it imports the phone number tables of the whole world

    # the longest first: a shorter value may be part of a longer one
    for kind, value in sorted(find_personal_data(text), key=lambda item: -len(item[1])):
        text = _pattern(kind, value).sub(f"[{kind}]", text)
    return text


def _pattern(kind: str, value: str) -> re.Pattern:
    """A pattern of a value however it was spaced or written: `find_personal_data` returns it normalised."""
    if kind == "phone":
        digits = re.sub(r"\D", "", value)
        national = r"[ ().-]{0,3}".join(digits)
        return re.compile(rf"(?<!\d)(?:\+|00)?[(]?{national}(?!\d)")
    if kind == "email":
        at, dot = r"(?:@|[ ]?[(\[{][ ]?at[ ]?[)\]}][ ]?)", r"(?:\.|[ ]?[(\[{][ ]?dot[ ]?[)\]}][ ]?)"
        parts = {"@": at, ".": dot}
        return re.compile("(?i)" + "".join(parts.get(c) or re.escape(c) for c in value))
    return re.compile(r"\s+".join(map(re.escape, value.split())))
