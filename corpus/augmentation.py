"""More ways to ask for what the author wrote: from notes, a brief, an outline, a flat draft, or by a question.

What is answered is a passage of the author's, word for word. What asks for it is made here out of that passage, by
rules; a model may make it instead (corpus/instruction_model.py). Notes and flat drafts keep every number and name of
their passage: a twin that is taught to write more than its notes say is taught to invent.
"""

import math
import random
import re
from dataclasses import dataclass

from blogtwin.text.keyphrases import (
    InverseDocumentFrequency,
    Token,
    break_verbatim_runs,
    extract_key_phrases,
    group_by_sentence,
    join_terms,
    render_tokens,
    salient_tokens,
    tokenise,
)
from blogtwin.text.markdown import extract_prose
from blogtwin.text.sentences import split_sentences
from blogtwin.text.stopwords import word_set
from corpus.chunking import chunk
from corpus.cleaning import extract_headings, split_paragraphs
from corpus.examples import PROMPT_RESERVE_TOKENS, truncate

TASK_TYPES = ("notes", "brief", "outline", "rewrite", "answer")
TEMPLATES = {
    "notes": [
        "Write this up for the blog, from my notes:",
        "Turn these notes into a passage of a post:",
        "Here are my notes for “{title}”. Write them out:",
        "Write the passage that these notes are for:",
    ],
    "brief": ["{made}"],
    "outline": [
        "Write this part of “{title}” from its outline:",
        "Here is the outline of a passage. Write it:",
        "Follow this outline:",
    ],
    "rewrite": [
        "Rewrite this in my voice:",
        "Here is a flat draft. Make it sound like me:",
        "Say this as I would, for “{title}”:",
    ],
    "answer": ["{made}"],
}
BRIEF_TEMPLATES = [
    "Write a passage about {terms}.",
    "For “{title}”: a passage on {terms}.",
    "I need a few paragraphs about {terms}.",
    "Write about {terms}.",
]
QUESTION_TEMPLATES = [
    "What is there to say about {first}?",
    "Tell me about {terms}.",
    "What about {first}?",
    "Can you write something on {terms}?",
]
BULLET_MARKS = ["- ", "* ", "• ", ""]
PASSAGE_TOKENS = 240  # tokens of a passage: about what a person writes notes for at a time
MIN_PASSAGE_WORDS = 30
SUFFICIENT_WORDS, PASSAGE_WORDS = (
    30_000,
    150,
)  # words from which on an author's posts teach by themselves; of a passage, about
AUTO_RATES = {
    "notes": 0.4,
    "rewrite": 0.3,
    "brief": 0.1,
    "outline": 0.1,
    "answer": 0.1,
}  # of the passages of a small blog
MIN_PROSE_FRACTION = 0.8  # of a passage's words must be prose: code and tables can't be told from notes
HEDGES = word_set(
    "very just really quite rather perhaps maybe actually simply indeed anyway somehow almost nearly even still already"
    " well now oh"
)
CONTRACTION_EXPANSIONS = [
    (r"(?i)\bcan't\b", "cannot"),
    (r"(?i)\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"'re\b", " are"),
    (r"'ve\b", " have"),
    (r"'ll\b", " will"),
    (r"\b(I)'m\b", r"\1 am"),
    (r"(?i)\b(it|that|there|he|she|what|here)'s\b", r"\1 is"),
]


def augmentation_rates(asked: dict[str, float | str], n_words: int, posts: int, per_post: int) -> dict[str, float]:
    """`asked` (of a post, by kind) with a number wherever it says `auto`: together as many passages as the author's
    words lack to ENOUGH.

    Ten short posts are learnt by heart in a few steps, and say little of how their author would put anything else: what
    else there is to learn from is the same words asked for in other ways. Many posts are worth more than that, and
    training has its limit.
    """
    lacking = min(per_post, max(0, SUFFICIENT_WORDS - n_words) / PASSAGE_WORDS / posts)
    return {kind: round(AUTO_RATES[kind] * lacking, 2) if share == "auto" else share for kind, share in asked.items()}


@dataclass(frozen=True)
class AugmentationRequest:
    """A passage that is to be asked for in one of KINDS. What asks for it may take `room` tokens."""

    id: str
    post: dict
    part: int
    parts: int
    kind: str
    passage: str
    room: int


def sample_requests(
    post: dict, parts: list[str], count, max_length: int, shares: dict[str, float], per_post: int, seed: int
) -> list[AugmentationRequest]:
    """What is asked of a post, cut into `parts`: so many of each kind as `augmentation_rates` says on average, at most
    `per_post` in all."""
    choose = random.Random(f"{seed}:{post['id']}:tasks")
    kinds = [kind for kind in TASK_TYPES for _ in range(int(shares[kind]) + (choose.random() < shares[kind] % 1))]
    if not kinds:
        return []
    if len(kinds) > per_post:
        kinds = [kinds[i] for i in sorted(choose.sample(range(len(kinds)), per_post))]
    found = extract_passages(parts, count, max_length)
    rows, deck, taken = [], [], set()
    for number, kind in enumerate(kinds, 1):
        deck = deck or choose.sample(found, len(found))
        if (place := next((p for p in deck if (kind, p) not in taken), None)) is None:
            continue  # there are fewer passages than this
        deck.remove(place)
        taken.add((kind, place))
        part, passage = place
        room = max_length - PROMPT_RESERVE_TOKENS - count(passage)
        rows.append(
            AugmentationRequest(f"{post['id']}-{part}-{kind}-{number}", post, part, len(parts), kind, passage, room)
        )
    return rows


def extract_passages(parts: list[str], count, max_length: int) -> list[tuple[int, str]]:
    """(number of the part, passage): stretches of whole paragraphs that are mostly prose and leave half a row for what
    asks for them."""
    limit = min(PASSAGE_TOKENS, (max_length - PROMPT_RESERVE_TOKENS) // 2)
    return [
        (number, text)
        for number, part in enumerate(parts, 1)
        for text in chunk(split_paragraphs(part), count, limit, limit)
        if is_mostly_prose(text)
    ]


def is_mostly_prose(text: str) -> bool:
    own = len(extract_prose(text).split())
    return own >= MIN_PASSAGE_WORDS and own >= MIN_PROSE_FRACTION * len(text.split())


def to_example(asked: AugmentationRequest, made: str, count, seed: int) -> dict:
    """The example, from what asks for the passage."""
    phrase = random.Random(f"{seed}:{asked.id}").choice(TEMPLATES[asked.kind])
    filled = {"{title}": truncate(asked.post["title"], count), "{made}": made}
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


def heuristic_prompt(asked: AugmentationRequest, weights: InverseDocumentFrequency, count, seed: int) -> str:
    """What asks for the passage; empty where the rules can't make it, or it takes more room than there is."""
    choose = random.Random(f"{seed}:{asked.id}:made")
    make = {
        "notes": make_notes,
        "brief": make_brief,
        "outline": make_outline,
        "rewrite": make_plain_draft,
        "answer": make_question,
    }[asked.kind]
    found = tokenise(asked.passage, weights)
    for most in (choose.randint(5, 8), 4, 2, 0):
        made = make(asked, found, choose, most)
        if count(made) <= asked.room:
            return made
    return ""


def make_notes(asked: AugmentationRequest, found: list[Token], choose: random.Random, most: int) -> str:
    """A line for each sentence: its numbers and names, and what else tells most, up to `most` words; very short ones
    share a line."""
    kept = break_verbatim_runs(found, [i for one in group_by_sentence(found) for i in salient_tokens(found, one, most)])
    lines: list[str] = []
    for one in group_by_sentence(found, kept):
        line = render_tokens(found, one)
        if lines and (len(one) < 3 or len(lines[-1].split()) < 3):
            lines[-1] += f"; {line}"
        else:
            lines.append(line)
    mark = choose.choice(BULLET_MARKS)
    return "\n".join(mark + line for line in lines)


def make_outline(asked: AugmentationRequest, found: list[Token], choose: random.Random, most: int) -> str:
    """The headings where there are some, else what each paragraph begins with; empty for a single paragraph."""
    lines = extract_headings(asked.passage)
    if len(lines) < 2:
        place, starts = 0, set()
        for paragraph in split_paragraphs(asked.passage):
            starts.add(place)
            place += len(split_sentences(paragraph))
        firsts = [one for one in group_by_sentence(found) if found[one[0]].sentence in starts]
        kept = break_verbatim_runs(found, [i for one in firsts for i in salient_tokens(found, one, most)])
        lines = [render_tokens(found, one) for one in group_by_sentence(found, kept) if len(one) > 1]
    return "\n".join(f"{n}. {line}" for n, line in enumerate(lines, 1)) if len(lines) > 1 else ""


def make_plain_draft(asked: AugmentationRequest, found: list[Token], choose: random.Random, most: int) -> str:
    """All that is said, in plain sentences: without hedges and brackets, and without a word of each six that would be
    the author's own."""
    kept = [
        i
        for i, t in enumerate(found)
        if t.weight == math.inf or not (t.shown.lower() in HEDGES or re.fullmatch(r"[a-z]{4,}ly", t.shown))
    ]
    text = " ".join(
        render_tokens(found, one) + "." for one in group_by_sentence(found, break_verbatim_runs(found, kept))
    )
    for pattern, plain in CONTRACTION_EXPANSIONS:
        text = re.sub(pattern, plain, text.replace("’", "'"))
    return re.sub(r"(?:^|(?<=\. ))[a-z]", lambda m: m[0].upper(), text)


def make_brief(asked: AugmentationRequest, found: list[Token], choose: random.Random, most: int) -> str:
    terms = extract_key_phrases(found, 4)
    phrase = choose.choice(BRIEF_TEMPLATES) + choose.choice(
        ["", f" About {round(len(asked.passage.split()), -1)} words."]
    )
    filled = {"{terms}": join_terms(terms), "{title}": " ".join(asked.post["title"].split())[:80]}
    return re.sub(r"\{terms\}|\{title\}", lambda m: filled[m[0]], phrase) if terms else ""


def make_question(asked: AugmentationRequest, found: list[Token], choose: random.Random, most: int) -> str:
    """A heading that asks, else a question after what the passage speaks of most."""
    asking = [h for h in extract_headings(asked.passage) if h.endswith("?")]
    terms = extract_key_phrases(found, 2)
    if asking or not terms:
        return asking[0] if asking else ""
    filled = {"{first}": terms[0], "{terms}": join_terms(terms)}
    return re.sub(r"\{first\}|\{terms\}", lambda m: filled[m[0]], choose.choice(QUESTION_TEMPLATES))
