"""More ways to ask for what the author wrote: from notes, a brief, an outline, a flat draft, or by a question.

What is answered is a passage of the author's, word for word. What asks for it is made here out of that passage, by rules; a
model may make it instead (corpus/instruct.py). Notes and flat drafts keep every number and name of their passage: a twin that
is taught to write more than its notes say is taught to invent.
"""

import math
import random
import re
from collections import Counter
from dataclasses import dataclass, replace

from corpus.clean import headings, paragraphs
from corpus.examples import PROMPT_RESERVE, cut, short
from corpus.similar import words
from eval import names, numbers
from eval.prose import prose
from eval.sentences import sentences


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


KINDS = ("notes", "brief", "outline", "rewrite", "answer")
ASK = {
    "notes": ["Write this up for the blog, from my notes:", "Turn these notes into a passage of a post:", "Here are my notes for “{title}”. Write them out:", "Write the passage that these notes are for:"],
    "brief": ["{made}"],
    "outline": ["Write this part of “{title}” from its outline:", "Here is the outline of a passage. Write it:", "Follow this outline:"],
    "rewrite": ["Rewrite this in my voice:", "Here is a flat draft. Make it sound like me:", "Say this as I would, for “{title}”:"],
    "answer": ["{made}"],
}
BRIEF = ["Write a passage about {terms}.", "For “{title}”: a passage on {terms}.", "I need a few paragraphs about {terms}.", "Write about {terms}."]
QUESTION = ["What is there to say about {first}?", "Tell me about {terms}.", "What about {first}?", "Can you write something on {terms}?"]
MARKS = ["- ", "* ", "• ", ""]

PASSAGE = 240  # tokens of a passage: about what a person writes notes for at a time
FEWEST_WORDS = 30
ENOUGH, PASSAGE_WORDS = 30_000, 150  # words from which on an author's posts teach by themselves; of a passage, about
AUTO = {"notes": 0.4, "rewrite": 0.3, "brief": 0.1, "outline": 0.1, "answer": 0.1}  # of the passages of a small blog
MOSTLY = 0.8  # of a passage's words must be prose: code and tables can't be told from notes
RUN = 6  # words in a row that are never the passage's own
STRIP = "*_#>“”\"‘’'()[]{}.,;:!?…"
PLAIN = _words("""
    a an the this that these those there here i you he she it we they me him us them my your his her its our their mine yours
    and but or nor so yet for if then than when while as because since until unless although though whether in on at by to of from
    with into onto over under after before about between through up down out off is are was were be been being am do does did doing
    has have had having can could will would shall should may might must it's i'm i've i'll i'd you're you've you'll he's she's we're
    we've we'll they're they've that's there's here's what's which who whom whose what how why where also just only even too very
    still already again such some any each both either all own same other another more most much many like get got
""")
WITH_FACTS = 15.0  # the weight of what a number or a denial makes no sense without: its unit, what is denied
DENIES = _words("not no never none without nobody nothing neither nowhere hardly")
UNTOLD = DENIES | {*numbers.MONTHS, *numbers.DAYS}  # never what a passage is about
HEDGES = _words("very just really quite rather perhaps maybe actually simply indeed anyway somehow almost nearly even still already well now oh")
SPELT_OUT = [(r"(?i)\bcan't\b", "cannot"), (r"(?i)\bwon't\b", "will not"), (r"n't\b", " not"), (r"'re\b", " are"), (r"'ve\b", " have"), (r"'ll\b", " will"), (r"\b(I)'m\b", r"\1 am"), (r"(?i)\b(it|that|there|he|she|what|here)'s\b", r"\1 is")]


def shares(asked: dict[str, float | str], n_words: int, posts: int, per_post: int) -> dict[str, float]:
    """`asked` (of a post, by kind) with a number wherever it says `auto`: together as many passages as the author's words lack to ENOUGH.

    Ten short posts are learnt by heart in a few steps, and say little of how their author would put anything else: what else there
    is to learn from is the same words asked for in other ways. Many posts are worth more than that, and training has its limit.
    """
    lacking = min(per_post, max(0, ENOUGH - n_words) / PASSAGE_WORDS / posts)
    return {kind: round(AUTO[kind] * lacking, 2) if share == "auto" else share for kind, share in asked.items()}


@dataclass(frozen=True)
class Wanted:
    """A passage that is to be asked for in one of KINDS. What asks for it may take `room` tokens."""

    id: str
    post: dict
    part: int
    parts: int
    kind: str
    passage: str
    room: int


def wanted(post: dict, parts: list[str], count, max_length: int, shares: dict[str, float], per_post: int, seed: int) -> list[Wanted]:
    """What is asked of a post, cut into `parts`: so many of each kind as `shares` says on average, at most `per_post` in all."""
    choose = random.Random(f"{seed}:{post['id']}:tasks")
    kinds = [kind for kind in KINDS for _ in range(int(shares[kind]) + (choose.random() < shares[kind] % 1))]
    if not kinds:
        return []
    if len(kinds) > per_post:
        kinds = [kinds[i] for i in sorted(choose.sample(range(len(kinds)), per_post))]
    found = passages(parts, count, max_length)
    rows, deck, taken = [], [], set()
    for number, kind in enumerate(kinds, 1):
        deck = deck or choose.sample(found, len(found))
        if (place := next((p for p in deck if (kind, p) not in taken), None)) is None:
            continue  # there are fewer passages than this
        deck.remove(place)
        taken.add((kind, place))
        part, passage = place
        room = max_length - PROMPT_RESERVE - count(passage)
        rows.append(Wanted(f"{post['id']}-{part}-{kind}-{number}", post, part, len(parts), kind, passage, room))
    return rows


def passages(parts: list[str], count, max_length: int) -> list[tuple[int, str]]:
    """(number of the part, passage): stretches of whole paragraphs that are mostly prose and leave half a row for what asks for them."""
    limit = min(PASSAGE, (max_length - PROMPT_RESERVE) // 2)
    return [(number, text) for number, part in enumerate(parts, 1) for text in cut(paragraphs(part), count, limit, limit) if mostly_prose(text)]


def mostly_prose(text: str) -> bool:
    own = len(prose(text).split())
    return own >= FEWEST_WORDS and own >= MOSTLY * len(text.split())


def row(asked: Wanted, made: str, count, seed: int) -> dict:
    """The example, from what asks for the passage."""
    phrase = random.Random(f"{seed}:{asked.id}").choice(ASK[asked.kind])
    filled = {"{title}": short(asked.post["title"], count), "{made}": made}
    return {
        "id": asked.id,
        "post_id": asked.post["id"],
        "part": asked.part,
        "parts": asked.parts,
        "task": asked.kind,
        "instruction": re.sub(r"\{title\}|\{made\}", lambda m: filled[m[0]], phrase),
        "input": "" if "{made}" in phrase else made,
        "output": asked.passage,
        "date": asked.post["date"],
    }


# --- made by rules ----------------------------------------------------------------------------------------------------


class Weights:
    """How much a word tells: its rarity among the author's posts (idf); 0 where it tells nothing."""

    def __init__(self, texts: list[str]):
        self.n = len(texts)
        self.found = Counter(word for text in texts for word in set(words(text)))

    def __call__(self, word: str) -> float:
        often = self.n >= 8 and self.found[word] > 0.6 * self.n  # in any language, the words that are in most posts
        return 0.0 if word in PLAIN or often else 1 + math.log((1 + self.n) / (1 + self.found[word]))


@dataclass(frozen=True)
class Token:
    shown: str
    sentence: int
    size: int  # words
    rarity: float  # what it tells by itself
    weight: float  # the same where it stands; inf for a number or a name
    comma: bool  # whether one follows


def by_rule(asked: Wanted, weights: Weights, count, seed: int) -> str:
    """What asks for the passage; empty where the rules can't make it, or it takes more room than there is."""
    choose = random.Random(f"{seed}:{asked.id}:made")
    make = {"notes": notes, "brief": brief, "outline": outline, "rewrite": flat, "answer": question}[asked.kind]
    found = tokens(asked.passage, weights)
    for most in (choose.randint(5, 8), 4, 2, 0):
        made = make(asked, found, choose, most)
        if count(made) <= asked.room:
            return made
    return ""


def notes(asked: Wanted, found: list[Token], choose: random.Random, most: int) -> str:
    """A line for each sentence: its numbers and names, and what else tells most, up to `most` words; very short ones share a line."""
    kept = thinned(found, [i for one in by_sentence(found) for i in telling(found, one, most)])
    lines: list[str] = []
    for one in by_sentence(found, kept):
        line = shown(found, one)
        if lines and (len(one) < 3 or len(lines[-1].split()) < 3):
            lines[-1] += f"; {line}"
        else:
            lines.append(line)
    mark = choose.choice(MARKS)
    return "\n".join(mark + line for line in lines)


def outline(asked: Wanted, found: list[Token], choose: random.Random, most: int) -> str:
    """The headings where there are some, else what each paragraph begins with; empty for a single paragraph."""
    lines = headings(asked.passage)
    if len(lines) < 2:
        place, starts = 0, set()
        for paragraph in paragraphs(asked.passage):
            starts.add(place)
            place += len(sentences(paragraph))
        firsts = [one for one in by_sentence(found) if found[one[0]].sentence in starts]
        kept = thinned(found, [i for one in firsts for i in telling(found, one, most)])
        lines = [shown(found, one) for one in by_sentence(found, kept) if len(one) > 1]
    return "\n".join(f"{n}. {line}" for n, line in enumerate(lines, 1)) if len(lines) > 1 else ""


def flat(asked: Wanted, found: list[Token], choose: random.Random, most: int) -> str:
    """All that is said, in plain sentences: without hedges and brackets, and without a word of each six that would be the author's own."""
    kept = [i for i, t in enumerate(found) if t.weight == math.inf or not (t.shown.lower() in HEDGES or re.fullmatch(r"[a-z]{4,}ly", t.shown))]
    text = " ".join(shown(found, one) + "." for one in by_sentence(found, thinned(found, kept)))
    for pattern, plain in SPELT_OUT:
        text = re.sub(pattern, plain, text.replace("’", "'"))
    return re.sub(r"(?:^|(?<=\. ))[a-z]", lambda m: m[0].upper(), text)


def brief(asked: Wanted, found: list[Token], choose: random.Random, most: int) -> str:
    terms = key_phrases(found, 4)
    phrase = choose.choice(BRIEF) + choose.choice(["", f" About {round(len(asked.passage.split()), -1)} words."])
    filled = {"{terms}": listed(terms), "{title}": " ".join(asked.post["title"].split())[:80]}
    return re.sub(r"\{terms\}|\{title\}", lambda m: filled[m[0]], phrase) if terms else ""


def question(asked: Wanted, found: list[Token], choose: random.Random, most: int) -> str:
    """A heading that asks, else a question after what the passage speaks of most."""
    asking = [h for h in headings(asked.passage) if h.endswith("?")]
    terms = key_phrases(found, 2)
    if asking or not terms:
        return asking[0] if asking else ""
    filled = {"{first}": terms[0], "{terms}": listed(terms)}
    return re.sub(r"\{first\}|\{terms\}", lambda m: filled[m[0]], choose.choice(QUESTION))


def key_phrases(found: list[Token], most: int) -> list[str]:
    """Runs of up to three telling words that stand together, the most telling first (TF-IDF), no word twice."""
    times = Counter(t.shown.lower() for t in found)
    runs: list[list[Token]] = []
    before = -2
    for i, token in enumerate(found):
        if token.rarity and token.shown.lower() not in UNTOLD and not re.fullmatch(r"[\W\d]+", token.shown):
            if before == i - 1 and runs[-1][-1].sentence == token.sentence and not runs[-1][-1].comma and len(runs[-1]) < 3:
                runs[-1].append(token)
            else:
                runs.append([token])
            before = i
    ranked = sorted(runs, key=lambda run: -sum((t.rarity + (t.weight == math.inf)) * (1 + math.log(times[t.shown.lower()])) for t in run) / len(run) ** 0.7)
    chosen, seen = [], set()
    for run in ranked:
        own = {t.shown.lower() for t in run}
        if not own & seen and len(chosen) < most:
            chosen.append(" ".join(t.shown for t in run))
            seen |= own
    return chosen


def listed(terms: list[str]) -> str:
    return terms[0] if len(terms) == 1 else f"{', '.join(terms[:-1])} and {terms[-1]}"


# --- words of a passage -----------------------------------------------------------------------------------------------


def tokens(passage: str, weights: Weights) -> list[Token]:
    """The words of a passage's sentences with what they tell; marks and punctuation around them are gone."""
    known = {word for name in names.names(passage) for word in name.split()}
    found = []
    for number, sentence in enumerate(sentences(passage)):
        written = [(w, bool(re.search(r"[,;:][\"”’)*_]*$", raw))) for raw in re.split(r"\s+|—|--|(?<=\w)–(?=[^\W\d])", sentence) if (w := raw.strip(STRIP)) and words(w)]
        for place, (word, comma) in enumerate(written):
            follower = written[place + 1][0] if place + 1 < len(written) else ""
            fact = is_fact(word, follower, known)
            plain = word if place or fact or not word.istitle() else word.lower()
            rarity = max(map(weights, words(word.replace("’", "'"))), default=0.0)
            found.append(Token(plain, number, len(words(word)), rarity, math.inf if fact else rarity, comma))
    return [in_place(found, i) for i in range(len(found))]


def in_place(found: list[Token], i: int) -> Token:
    """The token with the weight it has after its neighbours: “4 mm” is no fact without its unit, “not” none without what is denied."""
    before, here, after = (found[j] if 0 <= j < len(found) and found[j].sentence == found[i].sentence else None for j in (i - 1, i, i + 1))
    if here.weight == math.inf:
        return here
    unit = is_number(before) and (here.rarity > 0 or is_number(after))  # 4 mm, 7 of 9, 10 to 11
    denied = before and denies(before) and here.rarity > 0
    return replace(here, weight=WITH_FACTS) if unit or denied or denies(here) else here


def is_number(token: Token | None) -> bool:
    return token is not None and token.weight == math.inf and not token.shown[0].isupper()


def denies(token: Token) -> bool:
    """What is left of “it has not stopped” must not say that it has."""
    low = token.shown.lower().replace("’", "'")
    return low in DENIES or low.endswith("n't")


def is_fact(word: str, follower: str, known: set[str]) -> bool:
    """A number in digits or words, a day or a month, or part of a name."""
    low = word.lower()
    pieces = low.split("-")
    counted = numbers.UNITS.keys() | numbers.TENS.keys() | numbers.SCALES.keys()
    if low in ("a", "an"):
        return follower.lower() in numbers.SCALES  # “a hundred” is a number, “hundred” none
    if any(c.isdigit() for c in word) or any(p in counted - {"one"} for p in pieces):
        return True
    if word[0].isupper() and low.rstrip("s") in {*numbers.MONTHS, *numbers.DAYS}:
        return True
    return any(c.isupper() for c in word) and any(names.folded(w) in known for w in names.WORD.findall(word))


def by_sentence(found: list[Token], kept: list[int] | None = None) -> list[list[int]]:
    """The numbers of the tokens (of those `kept`), a list a sentence; none is empty."""
    groups: dict[int, list[int]] = {}
    for i in range(len(found)) if kept is None else kept:
        groups.setdefault(found[i].sentence, []).append(i)
    return list(groups.values())


def telling(found: list[Token], sentence: list[int], most: int) -> list[int]:
    """All facts of a sentence with what belongs to them, and its most telling words while they are fewer than `most`."""
    ranked = sorted((i for i in sentence if found[i].weight > 0), key=lambda i: -found[i].weight)
    return sorted(i for place, i in enumerate(ranked) if place < most or found[i].weight >= WITH_FACTS)


def thinned(found: list[Token], kept: list[int]) -> list[int]:
    """Without the least telling of each RUN words that stand in a row in the passage; facts stay."""
    out: list[int] = []
    row: list[int] = []  # the tokens at the end of `out` that follow each other in the passage
    for i in kept:
        if row and i != row[-1] + 1:
            row = []
        row.append(i)
        out.append(i)
        if sum(found[j].size for j in row) >= RUN and found[least := min(row, key=lambda j: (found[j].weight == math.inf, doubled(found, j), found[j].weight, -j))].weight < math.inf:
            out.remove(least)
            row = row[row.index(least) + 1 :]
    return out


def doubled(found: list[Token], i: int) -> bool:
    """Whether the word before or after is the same: without one of the two, the row would stand as it stood."""
    return any(0 <= j < len(found) and found[j].shown.lower() == found[i].shown.lower() for j in (i - 1, i + 1))


def shown(found: list[Token], some: list[int]) -> str:
    return " ".join(found[i].shown + ("," if found[i].comma and i != some[-1] else "") for i in some)
