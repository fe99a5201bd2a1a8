"""Names in a text: people, places, things with a capital, found without a dictionary.

A capital inside a sentence makes a name. At the start of a sentence it may be any word, so a single one counts there
only with a second sign: the name stands inside another sentence too, a verb of people follows, or it is written as no
common word is (NASA, GitHub, M8). Made for precision in English; German nouns all look like names, and scripts without
capitals have none.
"""

import re
import unicodedata

from blogtwin.text.stopwords import SENTENCE_OPENERS, word_set

WORD = re.compile(r"[^\W\d_](?:[^\W_]|['’&-](?=[^\W_]))*")
TITLES = word_set(
    "mr mrs ms miss mx dr prof professor sir dame lord lady st saint father mother sister brother uncle aunt captain"
    " king queen"
)
# A full stop after these ends no sentence.
ABBREVIATIONS = {"mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "rev", "capt", "vs", "mt", "ft"}
NAME_PARTICLES = {
    "of",
    "de",
    "da",
    "di",
    "du",
    "del",
    "della",
    "des",
    "der",
    "den",
    "van",
    "von",
    "zu",
    "la",
    "le",
    "el",
    "al",
    "bin",
    "ibn",
}
PERSON_VERBS = word_set("""
    said says asked asks told tells thought thinks knew knows wrote writes rang called calls came comes went goes gave
    gives took takes had has bought sold made makes lives lived works worked plays played loves loved likes liked wants
    wanted walked ran sat stood looked smiled laughed cried died married founded invented opened closed mended built
    kept left lost found met won put
""")


def extract_names(text: str, sure: bool = True) -> set[str]:
    """Names as `normalise_name` spells them; with `sure=False` also every capitalised word that opens a sentence, a
    line or a heading."""
    runs = [run for line in text.split("\n") for run in _capitalised_runs(line)]
    inside = {word for words, certain, _ in runs if certain for word in words}
    found = set()
    for words, certain, follower in runs:
        if not sure or certain or (len(words) == 1 and (words[0] in inside or follower in PERSON_VERBS)):
            found.add(" ".join(words))
    return {name for name in found if set(name.split()) - TITLES}


def normalise_name(word: str) -> str:
    """A word as names are compared: no case, accents or possessive, straight apostrophes."""
    plain = unicodedata.normalize("NFKD", word.replace("’", "'")).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(r"(?:'s|')$", "", plain)


def significant_words(name: str) -> set[str]:
    """The words of a name that must be the same: titles and “of” and “van” may differ."""
    words = set(name.split())
    return words - TITLES - NAME_PARTICLES or words


def _capitalised_runs(line: str) -> list[tuple[list[str], bool, str]]:
    """(folded words, whether they are a name for certain, the word that follows) for each run of capitals in a line."""
    tokens = list(WORD.finditer(line))
    heading = _heading(line, [t[0] for t in tokens])
    runs, i = [], 0
    while i < len(tokens):
        end = _end(line, tokens, i)
        words = [normalise_name(t[0]) for t in tokens[i:end] if len(t[0]) > 1]
        if words:
            rest = line[tokens[end - 1].end() :]
            weak = _starts_sentence(line, tokens, i) and (
                len(words) == 1 or re.match(r"[*_ ]*(?::|$)|\*\*", rest)
            )  # a label, a signature
            follower = tokens[end][0].lower() if rest.startswith(" ") and end < len(tokens) else ""
            runs.append(
                (words, not heading and (not weak or any(_has_unusual_case(t[0]) for t in tokens[i:end])), follower)
            )
        i = max(end, i + 1)
    return runs


def _is_capitalised(word: str) -> bool:
    """Port, O'Brien and iPhone; not The, I'm or Friday."""
    return any(c.isupper() for c in word) and word.lower().replace("’", "'") not in SENTENCE_OPENERS


def _has_unusual_case(word: str) -> bool:
    """Written as no common word is, wherever it stands: NASA, GitHub, M8."""
    return sum(c.isupper() for c in word) > 1 or (len(word) > 1 and any(c.isdigit() for c in word))


def _end(line: str, tokens: list, i: int) -> int:
    """Where the run of capitals that begins at token i ends (i: there is none); “of” and “van” belong to it before a
    capital."""
    end = ahead = i
    while ahead < len(tokens):
        gap = line[tokens[ahead - 1].end() : tokens[ahead].start()] if ahead > i else " "
        if gap not in (" ", " & ") and not (gap in (". ", ".") and _shortened(tokens[ahead - 1][0])):
            break
        if _is_capitalised(tokens[ahead][0]):
            end = ahead + 1
        elif ahead == i or tokens[ahead][0] not in NAME_PARTICLES:
            break
        ahead += 1
    return end


def _starts_sentence(line: str, tokens: list, i: int) -> bool:
    """Whether token i stands where any word has a capital: first in its line, or after a full stop, a colon or an
    opening quote."""
    if i == 0:
        return True
    gap = line[tokens[i - 1].end() : tokens[i].start()]
    return not (gap == ". " and _shortened(tokens[i - 1][0])) and bool(re.search(r"[.!?:;…|\"“„«(\[]|(?<!\w)['‘]", gap))


def _shortened(word: str) -> bool:
    return word.lower() in ABBREVIATIONS or (len(word) == 1 and word.isupper())


def _heading(line: str, words: list[str]) -> bool:
    """A heading, or a line in Capitals Like a Title, or SHOUTED: its capitals say nothing."""
    long = [any(c.isupper() for c in w) for w in words if len(w) > 3]
    prose = re.search(r"[.!?][\"”’)*_]*(?:\s|$)", line)
    return bool(re.match(r"\s*#{1,6}\s", line)) or (
        not prose and len(long) >= 4 and words[0][0].isupper() and sum(long) >= 0.9 * len(long)
    )
