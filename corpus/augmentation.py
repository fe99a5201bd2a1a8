"""More training prompts per passage (data augmentation): notes, a brief, an outline, a plain draft, or a question.

The output is always a passage of the author's, word for word. Only its prompt is generated: here by rules, or by a
model (corpus/instruction_model.py). Notes and drafts keep every number and name of their passage: a twin that is
trained to write more than its notes say learns to invent facts.
"""

import math
import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
from blogtwin.text.sentences import ITEM, split_evenly, split_sentences
from corpus.chunking import TokenCount, chunk
from corpus.cleaning import extract_headings, split_paragraphs
from corpus.examples import PROMPT_RESERVE_TOKENS, Example, truncate
from corpus.note_lines import HEDGES, NoteStyle, join_short_lines, jot_down
from corpus.post import PostRow

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
PASSAGE_TOKENS = 240  # at most, of a passage: about what a person writes notes for at a time
MIN_PASSAGE_WORDS = 30
SENTENCES_PER_UNIT = 2.5  # of what notes are written for: about as many as a draft asks for at a time
MIN_UNIT_WORDS = 5
SUFFICIENT_WORDS = 30_000  # from this size of a blog on `auto` adds nothing (docs/training-data.md has the runs)
PASSAGE_WORDS = 150  # of a passage, about
# How `auto` divides the passages of a small blog, besides those with notes.
AUTO_RATES = {"rewrite": 0.3, "brief": 0.1, "outline": 0.1, "answer": 0.1}
NOTES_PER_POST, MAX_NOTES_PASSAGES = 1.5, 400
MIN_PROSE_FRACTION = 0.8  # of a passage's words: nobody can write code and tables from notes
NOTES_WORDS = (5, 8)  # of a sentence, besides its numbers and names
FEWER_NOTES_WORDS = (4, 2, 0)  # where the prompt is too long
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


def augmentation_rates(
    rates: Mapping[str, float | str], num_words: int, num_posts: int, max_per_post: int
) -> dict[str, float]:
    """`rates` (extra examples per post, by kind) with a number in place of each "auto".

    `auto` adds as many passages as bring the author's words up to SUFFICIENT_WORDS: a few short posts are memorised in
    a few steps and teach little of how their author would write anything else, and the same words with other prompts
    teach more. With many posts it adds none: they are worth more, and training has its limit.

    Notes have a budget of their own in training (train/budget.py), so that `auto` is NOTES_PER_POST of them for every
    blog, up to MAX_NOTES_PASSAGES, which is several times what that budget holds.
    """
    missing_passages = max(0, SUFFICIENT_WORDS - num_words) / PASSAGE_WORDS
    per_post = min(max_per_post, missing_passages / num_posts)
    auto = {kind: round(share * per_post, 2) for kind, share in AUTO_RATES.items()}
    auto["notes"] = round(min(NOTES_PER_POST, MAX_NOTES_PASSAGES / num_posts), 2)
    return {kind: auto[kind] if rate == "auto" else float(rate) for kind, rate in rates.items()}


@dataclass(frozen=True)
class AugmentationRequest:
    """A passage that needs a prompt."""

    id: str
    post: Mapping[str, Any]  # a `PostRow`, of which the title is used
    part: int  # of the post, from 1
    parts: int
    kind: str  # one of TASK_TYPES
    passage: str
    max_prompt_tokens: int  # what the passage leaves free in a training row


def sample_requests(
    post: PostRow,
    parts: list[str],
    count_tokens: TokenCount,
    max_length: int,
    rates: Mapping[str, float],
    max_per_post: int,
    seed: int,
) -> list[AugmentationRequest]:
    """Requests for passages of a post in `parts`: `rates` of each kind on average, at most `max_per_post` in all.

    No passage is requested twice for the same kind, so a short post may get fewer.
    """
    rng = random.Random(f"{seed}:{post['id']}:tasks")
    kinds = []
    for kind in TASK_TYPES:
        kinds += [kind] * (int(rates[kind]) + (rng.random() < rates[kind] % 1))
    if not kinds:
        return []
    if len(kinds) > max_per_post:
        kinds = [kinds[i] for i in sorted(rng.sample(range(len(kinds)), max_per_post))]
    passages = extract_passages(parts, count_tokens, max_length)
    requests = []
    shuffled: list[tuple[int, str]] = []  # passages still to be used before any is used again
    used: set[tuple[str, tuple[int, str]]] = set()
    for number, kind in enumerate(kinds, 1):
        shuffled = shuffled or rng.sample(passages, len(passages))
        choice = next((passage for passage in shuffled if (kind, passage) not in used), None)
        if choice is None:
            continue
        shuffled.remove(choice)
        used.add((kind, choice))
        part, passage = choice
        units = split_into_units(passage) if kind == "notes" else [passage]
        for index, unit in enumerate(units):
            max_prompt_tokens = max_length - PROMPT_RESERVE_TOKENS - count_tokens(unit)
            request_id = f"{post['id']}-{part}-{kind}-{number}" + (f".{index + 1}" if kind == "notes" else "")
            requests.append(AugmentationRequest(request_id, post, part, len(parts), kind, unit, max_prompt_tokens))
    return requests


def extract_passages(parts: list[str], count_tokens: TokenCount, max_length: int) -> list[tuple[int, str]]:
    """(number of the part, passage): whole paragraphs, mostly prose, that leave half of a row for their prompt."""
    limit = min(PASSAGE_TOKENS, (max_length - PROMPT_RESERVE_TOKENS) // 2)
    passages = []
    for number, part in enumerate(parts, 1):
        for passage in chunk(split_paragraphs(part), count_tokens, limit, limit):
            if is_mostly_prose(passage):
                passages.append((number, passage))
    return passages


def split_into_units(passage: str) -> list[str]:
    """The passage in the units that drafts are asked for in: one to three sentences of a paragraph."""
    units: list[str] = []
    for paragraph in split_paragraphs(passage):
        if ITEM.match(paragraph) or not extract_prose(paragraph).strip():
            continue
        sentences = split_sentences(" ".join(paragraph.split()))
        count = max(1, round(len(sentences) / SENTENCES_PER_UNIT))
        units += [" ".join(group) for group in split_evenly(sentences, count)]
    return [unit for unit in units if len(unit.split()) >= MIN_UNIT_WORDS]


def is_mostly_prose(text: str) -> bool:
    """True for at least MIN_PASSAGE_WORDS words of running prose that are MIN_PROSE_FRACTION of all words."""
    prose_words = len(extract_prose(text).split())
    return prose_words >= MIN_PASSAGE_WORDS and prose_words >= MIN_PROSE_FRACTION * len(text.split())


def to_example(request: AugmentationRequest, prompt: str, count_tokens: TokenCount, seed: int) -> Example:
    """The training example of a request whose prompt was generated."""
    template = random.Random(f"{seed}:{request.id}").choice(TEMPLATES[request.kind])
    values = {"{title}": truncate(request.post["title"], count_tokens), "{made}": prompt}
    return {
        "id": request.id,
        "post_id": request.post["id"],
        "part": request.part,
        "parts": request.parts,
        "task": request.kind,
        "instruction": _fill(template, values),
        "input": "" if "{made}" in template else prompt,
        "output": request.passage,
        "date": request.post["date"],
    }


def _fill(template: str, values: dict[str, str]) -> str:
    """`template` with its placeholders replaced in one pass: a title that contains "{made}" stays as it is."""
    return re.sub("|".join(map(re.escape, values)), lambda match: values[match[0]], template)


def heuristic_prompt(
    request: AugmentationRequest, weights: InverseDocumentFrequency, count_tokens: TokenCount, seed: int
) -> str:
    """The prompt of a passage, by rules; empty where they find nothing, or it does not fit the request's limit."""
    make_prompt = {
        "notes": make_notes,
        "brief": make_brief,
        "outline": make_outline,
        "rewrite": make_plain_draft,
        "answer": make_question,
    }[request.kind]
    rng = random.Random(f"{seed}:{request.id}:made")
    tokens = tokenise(request.passage, weights)
    for max_words in (rng.randint(*NOTES_WORDS), *FEWER_NOTES_WORDS):
        prompt = make_prompt(request, tokens, rng, max_words)
        if count_tokens(prompt) <= request.max_prompt_tokens:
            return prompt
    return ""


def make_notes(request: AugmentationRequest, tokens: list[Token], rng: random.Random, max_words: int) -> str:
    """The passage as a person jots it down, a line or two for each sentence; where that is too long (`max_words` under
    NOTES_WORDS), a line per sentence with its numbers, its names and up to `max_words` of its most telling words."""
    if max_words >= NOTES_WORDS[0]:
        lines = _jot_down_sentences(tokens, NoteStyle(rng))
    else:
        salient = _salient_indices(tokens, group_by_sentence(tokens), max_words)
        lines = join_short_lines([render_tokens(tokens, sentence) for sentence in group_by_sentence(tokens, salient)])
    bullet = rng.choice(BULLET_MARKS)
    return "\n".join(bullet + line for line in lines)


def jot_down_passage(passage: str, seed: str) -> list[str]:
    """The lines of notes of a passage by the same rules; the same seed gives the same lines."""
    return _jot_down_sentences(tokenise(passage, InverseDocumentFrequency([])), NoteStyle(random.Random(seed)))


def _jot_down_sentences(tokens: list[Token], style: NoteStyle) -> list[str]:
    return join_short_lines([line for one in group_by_sentence(tokens) for line in jot_down(tokens, one, style)])


def _salient_indices(tokens: list[Token], sentences: list[list[int]], max_words: int) -> list[int]:
    """Indices of the salient tokens of these sentences, without long runs of the passage's own words."""
    indices = []
    for sentence in sentences:
        indices += salient_tokens(tokens, sentence, max_words)
    return break_verbatim_runs(tokens, indices)


def make_outline(request: AugmentationRequest, tokens: list[Token], rng: random.Random, max_words: int) -> str:
    """The headings if there are two, else the start of each paragraph; empty for a single paragraph."""
    lines = extract_headings(request.passage)
    if len(lines) < 2:
        starts, position = set(), 0  # numbers of the sentences that begin a paragraph
        for paragraph in split_paragraphs(request.passage):
            starts.add(position)
            position += len(split_sentences(paragraph))
        firsts = [sentence for sentence in group_by_sentence(tokens) if tokens[sentence[0]].sentence in starts]
        sentences = group_by_sentence(tokens, _salient_indices(tokens, firsts, max_words))
        lines = [render_tokens(tokens, sentence) for sentence in sentences if len(sentence) > 1]
    return "\n".join(f"{n}. {line}" for n, line in enumerate(lines, 1)) if len(lines) > 1 else ""


def make_plain_draft(request: AugmentationRequest, tokens: list[Token], rng: random.Random, max_words: int) -> str:
    """The passage in plain sentences: without hedges, adverbs and brackets, and no long run of the author's words."""
    indices = [i for i, token in enumerate(tokens) if token.weight == math.inf or not _is_ornament(token.shown)]
    sentences = group_by_sentence(tokens, break_verbatim_runs(tokens, indices))
    text = " ".join(render_tokens(tokens, sentence) + "." for sentence in sentences)
    for pattern, expansion in CONTRACTION_EXPANSIONS:
        text = re.sub(pattern, expansion, text.replace("’", "'"))
    return re.sub(r"(?:^|(?<=\. ))[a-z]", lambda match: match[0].upper(), text)


def _is_ornament(word: str) -> bool:
    return word.lower() in HEDGES or bool(re.fullmatch(r"[a-z]{4,}ly", word))


def make_brief(request: AugmentationRequest, tokens: list[Token], rng: random.Random, max_words: int) -> str:
    """A request to write about the passage's key phrases; empty where it has none."""
    terms = extract_key_phrases(tokens, 4)
    length = f" About {round(len(request.passage.split()), -1)} words."
    template = rng.choice(BRIEF_TEMPLATES) + rng.choice(["", length])
    if not terms:
        return ""
    return _fill(template, {"{terms}": join_terms(terms), "{title}": " ".join(request.post["title"].split())[:80]})


def make_question(request: AugmentationRequest, tokens: list[Token], rng: random.Random, max_words: int) -> str:
    """A heading that is a question, else a question about the passage's key phrases; empty where it has none."""
    questions = [heading for heading in extract_headings(request.passage) if heading.endswith("?")]
    if questions:
        return questions[0]
    terms = extract_key_phrases(tokens, 2)
    if not terms:
        return ""
    return _fill(rng.choice(QUESTION_TEMPLATES), {"{first}": terms[0], "{terms}": join_terms(terms)})
