"""Posts → training examples: cleaned, cut into parts, and repeated with other prompts."""

import functools
import random
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blogtwin.cache import JsonCache
from blogtwin.config import Params
from blogtwin.console import echo
from corpus.augmentation import AugmentationRequest
from corpus.chunking import TokenCount
from corpus.examples import Example, join_parts
from corpus.post import PostRow

if TYPE_CHECKING:
    from blogtwin.models.registry import BaseModelFiles

PREVIEW_WIDTH = 100  # characters of a line of the preview
BLOCK_TYPES = ("code", "quotes", "tables", "embeds")
MODEL_FRACTION = {"heuristic": 0.0, "both": 0.5, "model": 1.0}  # of the requests, by prepare.instruction_source


def build_examples(
    posts: list[PostRow], params: Params, count: TokenCount, limit: int = 0, cache: JsonCache | None = None
) -> list[Example]:
    """Examples of all posts; with a `limit` at most that number, of every task.

    count: tokens of a text; a `TokenCounter` is faster on long posts. cache: holds posts that were cut before.
    Raises UserError for a persona that can't be read or is too long, and for a model that can't be asked.
    """
    cut_posts = build_post_examples(posts, params, count, cache)
    augmented = build_augmented_examples(cut_posts, params, count)
    examples = [example for _, post_examples in cut_posts for example in post_examples]
    examples += [example for _, example in augmented]
    examples += build_persona_examples(params, count)
    if limit:
        examples = sample_by_task(examples, limit)
    fraction, seed = MODEL_FRACTION[params.prepare.instruction_source], params.prepare.seed
    for_model = {
        request.id: request for request, _ in augmented if random.Random(f"{seed}:{request.id}").random() < fraction
    }
    return replace_with_model_instructions(examples, for_model, params, count) if for_model else examples


def build_post_examples(
    posts: list[PostRow], params: Params, count: TokenCount, cache: JsonCache | None = None
) -> list[tuple[PostRow, list[Example]]]:
    """Each post, redacted if params say so, with the examples that it is cut into."""
    from rich.progress import track

    from corpus.cleaning import clean_markdown, split_paragraphs
    from corpus.examples import build_examples
    from corpus.redaction import redact

    blocks = {kind: getattr(params.prepare, kind) for kind in BLOCK_TYPES}
    count_batch = getattr(count, "count_batch", lambda texts: None)

    def cut(post: PostRow) -> tuple[PostRow, list[Example]]:
        text = clean_markdown(post["text"], params.prepare.links, blocks)
        if params.prepare.redact:
            post = {**post, "title": redact(post["title"]), "tags": [redact(tag) for tag in post["tags"]]}
            text = redact(text)
        count_batch(split_paragraphs(text))
        return post, build_examples(
            post, text, count, params.train.max_length, params.prepare.context_tokens, params.prepare.seed
        )

    cut_posts = []
    for post in track(posts, "preparing examples", transient=True):
        if cache is None:
            cut_posts.append(cut(post))
        else:
            row, examples = cache.get(post, functools.partial(cut, post))
            cut_posts.append((row, examples))
    return cut_posts


def cache_key(params: Params, base: "BaseModelFiles") -> list[Any]:
    """Everything besides a post and the code that its examples depend on."""
    names = ("seed", "links", "redact", "context_tokens", *BLOCK_TYPES)
    return [base.digest, params.train.max_length, *(getattr(params.prepare, name) for name in names)]


def build_augmented_examples(
    cut_posts: list[tuple[PostRow, list[Example]]], params: Params, count: TokenCount
) -> list[tuple[AugmentationRequest, Example]]:
    """(request, its example with a prompt by rules) for passages of the posts; none where the rules find no prompt."""
    from rich.progress import track

    from blogtwin.text.keyphrases import InverseDocumentFrequency
    from corpus import augmentation

    seed, max_per_post = params.prepare.seed, params.prepare.max_augmentations_per_post
    posts = [(post, [example["output"] for example in examples]) for post, examples in cut_posts]
    num_words = sum(len(text.split()) for _, parts in posts for text in parts)
    configured = params.prepare.augmentation.model_dump(exclude={"persona"})
    rates = augmentation.augmentation_rates(configured, num_words, max(1, len(posts)), max_per_post)
    if not any(rates.values()) or not max_per_post:
        return []
    if any(rates[kind] for kind, rate in configured.items() if rate == "auto" and kind != "notes"):
        extra = ", ".join(f"{rate:g} {kind}" for kind, rate in rates.items() if rate)
        echo(f"small corpus ({num_words:,} words): adding examples per post: {extra} (see prepare.augmentation)")
    requests: list[AugmentationRequest] = []
    for post, parts in posts:
        requests += augmentation.sample_requests(post, parts, count, params.train.max_length, rates, max_per_post, seed)
    weights = InverseDocumentFrequency(["\n\n".join(parts) for _, parts in posts])
    examples = []
    for request in track(requests, "generating prompts", transient=True):
        prompt = augmentation.heuristic_prompt(request, weights, count, seed)
        if prompt:
            examples.append((request, augmentation.to_example(request, prompt, count, seed)))
    return examples


def replace_with_model_instructions(
    examples: list[Example], requests: dict[str, AugmentationRequest], params: Params, count: TokenCount
) -> list[Example]:
    """The examples, with the model's prompt for those in `requests` (by id) wherever it generates a valid one."""
    from blogtwin.models.registry import resolve_base
    from corpus import augmentation, instruction_model

    needed = [requests[example["id"]] for example in examples if example["id"] in requests]
    base = resolve_base(params.train.base)
    with instruction_model.InstructionModel(params.prepare.instruction_model, base) as model:
        if needed and params.prepare.instruction_model:
            echo(f"sending {len(needed)} passages of your posts to {model.name}")
        prompts = instruction_model.generate_instructions(needed, model, count)
    return [
        augmentation.to_example(requests[example["id"]], prompts[example["id"]], count, params.prepare.seed)
        if example["id"] in prompts
        else example
        for example in examples
    ]


def build_persona_examples(params: Params, count: TokenCount) -> list[Example]:
    """Dialogues about the author from the file prepare.persona; none for an empty form."""
    from blogtwin.text import keyphrases
    from corpus import persona

    weights = keyphrases.InverseDocumentFrequency([])

    def key_phrases(text: str) -> list[str]:
        return keyphrases.extract_key_phrases(keyphrases.tokenise(text, weights), 2)

    path = params.prepare.persona
    examples = persona.build_dialogues(
        persona.load_persona(path), params.prepare.augmentation.persona, key_phrases, params.prepare.seed
    )
    persona.check_length(examples, path, count, params.train.max_length)
    return examples


def sample_by_task(examples: list[Example], n: int) -> list[Example]:
    """`n` examples: each task in turn, evenly spaced over the blog."""
    by_task: dict[str, list[Example]] = {}
    for example in examples:
        by_task.setdefault(example["task"], []).append(example)
    spaced = [group[:: max(1, len(group) // n)][:n] for group in by_task.values()]
    in_turn = [group[turn] for turn in range(n) for group in spaced if turn < len(group)]
    return in_turn[:n]


def print_preview(examples: list[Example], titles: dict[str, str]) -> None:
    """Print examples as a person reads them; `titles` are those of the posts, by id."""
    for number, example in enumerate(examples, 1):
        part = f", part {example['part']} of {example['parts']}" if example["parts"] > 1 else ""
        echo(
            f"── {number} of {len(examples)}: {example['task']} ── “{titles.get(example['post_id'], 'persona')}”,"
            f" {example['date'] or 'no date'}{part} ── {example['id']}\n"
        )
        _print_labelled("prompt", example["instruction"])
        if example["input"]:
            _print_labelled("input", example["input"])
        _print_labelled("output", example["output"])
    echo("nothing was written")


def _print_labelled(label: str, text: str) -> None:
    """Print a text, wrapped, with a label before its first line."""
    lines = []
    for line in text.split("\n"):
        lines += textwrap.wrap(line, PREVIEW_WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
    labelled = [f"{label if i == 0 else '':8}{line}".rstrip() for i, line in enumerate(lines)]
    echo("\n".join(labelled) + "\n")


def print_summary(examples: list[Example], num_posts: int, path: Path) -> None:
    """Print how many examples `path` holds, by task, and how many of the `num_posts` posts have none."""
    tasks = Counter(example["task"] for example in examples)
    counts = ", ".join(f"{n} {task}" for task, n in tasks.most_common())
    num_used = len(join_parts(examples))
    if num_posts > num_used:
        echo(f"skipped {num_posts - num_used} posts that have no words left after cleaning")
    echo(f"wrote {path}: {len(examples)} examples ({counts}) of {num_used} posts")
