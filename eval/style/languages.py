"""Which languages a style can be measured in: function words and enough other bloggers are needed for each."""

from collections import Counter
from collections.abc import Sequence

from blogtwin.text.language import detect_language
from blogtwin.text.markdown import extract_prose

MEASURABLE = ("en",)  # of eval/style/features.py and eval/style/impostors.npz
NAMES = {
    "da": "Danish", "de": "German", "es": "Spanish", "fi": "Finnish", "fr": "French", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "nb": "Norwegian", "nl": "Dutch", "no": "Norwegian", "pl": "Polish",
    "pt": "Portuguese", "ru": "Russian", "sv": "Swedish", "tr": "Turkish", "uk": "Ukrainian", "zh": "Chinese",
}  # fmt: skip
DETECTED_CHARACTERS = 2000  # of a post


def unmeasurable_language(posts: Sequence[str]) -> str:
    """Why a style can't be measured in the language that most of the posts are in; empty when it can, and where the
    language can't be told."""
    codes = Counter(detect_language(extract_prose(post)[:DETECTED_CHARACTERS]) for post in posts)
    del codes[""]
    if not codes:
        return ""
    code = codes.most_common(1)[0][0]
    if code in MEASURABLE:
        return ""
    return (
        f"your posts are in {NAMES.get(code, code)}, and the function words and other bloggers that a style is measured"
        " by are English"
    )
