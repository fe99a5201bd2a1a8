"""Which language a text is in."""

import functools
from typing import Any

MIN_CONFIDENCE = 0.5  # of a language by py3langid; three words of notes are often less sure


@functools.cache
def _identifier() -> Any:
    from py3langid import langid

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)


def detect_language(text: str) -> str:
    """ISO 639-1 code, or nothing where the text is too short to tell."""
    if not text.strip():
        return ""
    code, confidence = _identifier().classify(text)
    return str(code) if confidence >= MIN_CONFIDENCE else ""
