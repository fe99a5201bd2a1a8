"""The project's own lists of stop words. They differ on purpose: a list decides what its user measures.
eval/relevance.py and eval/style/features.py measure with scikit-learn's ENGLISH_STOP_WORDS."""

from blogtwin.text.numbers import DAYS, MONTHS


def word_set(text: str) -> frozenset[str]:
    """The words of a text, separated by white space."""
    return frozenset(text.split())


# Capitalised words that are never part of a name: they open sentences.
SENTENCE_OPENERS = word_set("""
    a an the this that these those there here i i'm i've i'll i'd you he she it we they my your his her its our their me
    him us them you're you've you'll he's she's it's we're we've we'll they're they've that's there's here's let's
    what's who's today's and but or nor so yet for if then than when whenever while as because since until till unless
    although though once whether in on at by to of from with without into onto over under after before between about
    against during through above below near behind beside beyond within along across around among despite like off out
    up down past per via not no yes none nothing never who whom whose what which why how where is are was were be been
    am do does did has have had can could will would shall should may might must don't didn't isn't wasn't can't won't
    couldn't wouldn't all any both each every either neither some many much more most few several other another such
    same only just even also too very still already again always often sometimes usually perhaps maybe now today
    tomorrow yesterday tonight later soon early late recently finally first second third last next instead however
    therefore moreover meanwhile indeed besides otherwise nobody somebody everybody anybody someone everyone anyone
    something everything anything people one two three four five six seven eight nine ten twelve hundred dozen new old
    good great little big dear hello hi thanks thank please sorry sure certainly ok okay well oh ah yours kind best
    regards sincerely love ps nb am pm etc note write welcome congratulations looking based according given thus hence
    else ever let see look ask take make get go come
""")
SENTENCE_OPENERS |= {*MONTHS, *DAYS, *(f"{day}s" for day in DAYS)} | word_set(
    "jan feb mar apr jun jul aug sep sept oct nov dec"
)
# Words that say nothing about the topic of a passage: key phrases and notes leave them out.
STOP_WORDS = word_set("""
    a an the this that these those there here i you he she it we they me him us them my your his her its our their mine
    yours and but or nor so yet for if then than when while as because since until unless although though whether in on
    at by to of from with into onto over under after before about between through up down out off is are was were be
    been being am do does did doing has have had having can could will would shall should may might must it's i'm i've
    i'll i'd you're you've you'll he's she's we're we've we'll they're they've that's there's here's what's which who
    whom whose what how why where also just only even too very still already again such some any each both either all
    own same other another more most much many like get got
""")
# Negations: a note that loses one says the opposite.
NEGATIONS = word_set("not no never none without nobody nothing neither nowhere hardly")
# Left out of the topics in the corpus report.
REPORT_STOP_WORDS = {
    "the",
    "and",
    "that",
    "with",
    "for",
    "this",
    "from",
    "have",
    "was",
    "were",
    "are",
    "but",
    "not",
    "you",
    "your",
    "they",
    "there",
    "their",
    "what",
    "when",
    "which",
    "will",
    "would",
    "could",
    "about",
    "into",
    "than",
    "then",
    "them",
    "some",
    "more",
    "just",
    "like",
    "can",
    "all",
    "one",
    "out",
    "has",
    "had",
    "its",
    "it's",
    "don't",
    "because",
    "been",
    "how",
    "who",
    "our",
    "his",
    "her",
    "she",
    "him",
    "also",
    "where",
    "here",
    "over",
    "only",
    "very",
    "other",
    "make",
}
# Beside scikit-learn's English stop words: the function words of the style verifier, on which the shipped figures of
# other authors rest.
CONTRACTIONS = frozenset(
    [
        "i'm",
        "i've",
        "i'll",
        "i'd",
        "you're",
        "you've",
        "you'll",
        "you'd",
        "he's",
        "she's",
        "it's",
        "it'll",
        "it'd",
        "we're",
        "we've",
        "we'll",
        "we'd",
        "they're",
        "they've",
        "they'll",
        "they'd",
        "that's",
        "that'll",
        "there's",
        "here's",
        "what's",
        "who's",
        "where's",
        "how's",
        "let's",
        "isn't",
        "aren't",
        "wasn't",
        "weren't",
        "don't",
        "doesn't",
        "didn't",
        "haven't",
        "hasn't",
        "hadn't",
        "can't",
        "couldn't",
        "won't",
        "wouldn't",
        "shouldn't",
        "mustn't",
        "needn't",
        "ain't",
        "y'all",
    ]
)
