"""Named entities of a text (people, places, things with a capital), found by rules without a dictionary.

A capital inside a sentence makes a name. At the start of a sentence any word has a capital, so a single word needs
more evidence: it is also capitalised inside another sentence, a verb for people follows, or its case is unusual (NASA,
GitHub, M8). The rules favour precision, in English: in German all nouns look like names, and scripts without capitals
have none.
"""

import re
import unicodedata

from blogtwin.text.stopwords import SENTENCE_OPENERS, word_set

WORD = re.compile(r"[^\W\d_](?:[^\W_]|['’&-](?=[^\W_]))*")
TITLES = word_set(
    "mr mrs ms miss mx dr prof professor sir dame lord lady st saint father mother sister brother uncle aunt captain"
    " king queen"
)
# A full stop after these does not end a sentence.
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


def extract_names(text: str, strict: bool = True) -> set[str]:
    """Names as `normalise_name` spells them.

    With `strict=False` also every capitalised word at the start of a sentence or in a heading.
    """
    runs = [run for line in text.split("\n") for run in _capitalised_runs(line)]
    certain_words = {word for words, is_certain, _ in runs if is_certain for word in words}
    names = set()
    for words, is_certain, next_word in runs:
        has_evidence = len(words) == 1 and (words[0] in certain_words or next_word in PERSON_VERBS)
        if not strict or is_certain or has_evidence:
            names.add(" ".join(words))
    return {name for name in names if set(name.split()) - TITLES}


def normalise_name(word: str) -> str:
    """A word for the comparison of names: case-folded, without accents and possessive, with straight apostrophes."""
    plain = unicodedata.normalize("NFKD", word.replace("’", "'")).casefold()
    plain = "".join(c for c in plain if not unicodedata.combining(c))
    return re.sub(r"(?:'s|')$", "", plain)


def significant_words(name: str) -> set[str]:
    """The words by which two names are compared: without titles and particles such as “of” and “van”."""
    words = set(name.split())
    return words - TITLES - NAME_PARTICLES or words


def _capitalised_runs(line: str) -> list[tuple[list[str], bool, str]]:
    """(normalised words, whether they are certainly a name, the next word) of each run of capitals in a line."""
    tokens = list(WORD.finditer(line))
    heading = _is_heading(line, [t[0] for t in tokens])
    runs, i = [], 0
    while i < len(tokens):
        end = _end(line, tokens, i)
        words = [normalise_name(t[0]) for t in tokens[i:end] if len(t[0]) > 1]
        if words:
            rest = line[tokens[end - 1].end() :]
            is_label = re.match(r"[*_ ]*(?::|$)|\*\*", rest) is not None  # or a signature
            is_weak = _starts_sentence(line, tokens, i) and (len(words) == 1 or is_label)
            is_certain = not heading and (not is_weak or any(_has_unusual_case(t[0]) for t in tokens[i:end]))
            next_word = tokens[end][0].lower() if rest.startswith(" ") and end < len(tokens) else ""
            runs.append((words, is_certain, next_word))
        i = max(end, i + 1)
    return runs


def _is_capitalised(word: str) -> bool:
    """Whether a word has a capital and is no sentence opener: Port, O'Brien and iPhone; not The, I'm or Friday."""
    return any(c.isupper() for c in word) and word.lower().replace("’", "'") not in SENTENCE_OPENERS


def _has_unusual_case(word: str) -> bool:
    """Whether a word has more than one capital, or a digit: NASA, GitHub, M8."""
    return sum(c.isupper() for c in word) > 1 or (len(word) > 1 and any(c.isdigit() for c in word))


def _end(line: str, tokens: list[re.Match[str]], i: int) -> int:
    """Index after the last token of the run of capitalised words that starts at token i; i if there is none.

    “of” and “van” belong to it where a capitalised word follows.
    """
    end = ahead = i
    while ahead < len(tokens):
        gap = line[tokens[ahead - 1].end() : tokens[ahead].start()] if ahead > i else " "
        if gap not in (" ", " & ") and not (gap in (". ", ".") and _is_abbreviation(tokens[ahead - 1][0])):
            break
        if _is_capitalised(tokens[ahead][0]):
            end = ahead + 1
        elif ahead == i or tokens[ahead][0] not in NAME_PARTICLES:
            break
        ahead += 1
    return end


def _starts_sentence(line: str, tokens: list[re.Match[str]], i: int) -> bool:
    """Whether any word would have a capital as token i: first in its line, or after a full stop, colon or quote."""
    if i == 0:
        return True
    gap = line[tokens[i - 1].end() : tokens[i].start()]
    return not (gap == ". " and _is_abbreviation(tokens[i - 1][0])) and bool(
        re.search(r"[.!?:;…|\"“„«(\[]|(?<!\w)['‘]", gap)
    )


def _is_abbreviation(word: str) -> bool:
    return word.lower() in ABBREVIATIONS or (len(word) == 1 and word.isupper())


def _is_heading(line: str, words: list[str]) -> bool:
    """Whether a line is a heading, or written in Title Case or CAPITALS, so that its capitals mean nothing."""
    long = [any(c.isupper() for c in w) for w in words if len(w) > 3]
    prose = re.search(r"[.!?][\"”’)*_]*(?:\s|$)", line)
    return bool(re.match(r"\s*#{1,6}\s", line)) or (
        not prose and len(long) >= 4 and words[0][0].isupper() and sum(long) >= 0.9 * len(long)
    )
