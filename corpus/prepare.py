"""Posts → training examples: cleaned, cut, and asked for in other ways."""

import random
import textwrap

from blogtwin.console import echo

PREVIEW_WIDTH = 100  # characters of a line of the preview
BLOCK_TYPES = ("code", "quotes", "tables", "embeds")


def build_examples(posts: list[dict], params, count, only: int = 0, remembered=None) -> list[dict]:
    """Examples of all posts, or `only` so many to look at. `count(text)` gives tokens; a `Count` is quicker where posts
    are long."""
    kept = build_post_examples(posts, params, count, remembered)
    asked = build_augmented_examples(kept, params, count)
    rows = [row for _, some in kept for row in some] + [row for _, row in asked] + build_persona_examples(params, count)
    rows = sample_by_task(rows, only) if only else rows
    how, seed = params.prepare.instruction_source, params.prepare.seed
    by = {"heuristic": 0.0, "both": 0.5, "model": 1.0}[how]
    told = {one.id: one for one, _ in asked if random.Random(f"{seed}:{one.id}").random() < by}
    return replace_with_model_instructions(rows, told, params, count) if told else rows


def build_post_examples(posts: list[dict], params, count, remembered=None) -> list[tuple[dict, list[dict]]]:
    """Each post, cleaned, with the examples that it is cut into. `remembered` knows posts that were cut before."""
    from rich.progress import track

    from corpus.cleaning import clean_markdown, split_paragraphs
    from corpus.examples import build_examples
    from corpus.redaction import redact

    blocks = {kind: getattr(params.prepare, kind) for kind in BLOCK_TYPES}
    count_batch = getattr(count, "count_batch", lambda texts: None)

    def cut(post: dict) -> tuple[dict, list[dict]]:
        text = clean_markdown(post["text"], params.prepare.links, blocks)
        if params.prepare.redact:
            post, text = (
                {**post, "title": redact(post["title"]), "tags": [redact(t) for t in post["tags"]]},
                redact(text),
            )
        count_batch(split_paragraphs(text))
        return post, build_examples(
            post, text, count, params.train.max_length, params.prepare.context_tokens, params.prepare.seed
        )

    followed = track(posts, "preparing examples", transient=True)
    return [tuple(remembered.get(post, lambda post=post: cut(post))) if remembered else cut(post) for post in followed]


def cache_key(params, base) -> list:
    """What the cutting of every post depends on."""
    return [
        base.digest,
        params.train.max_length,
        *(getattr(params.prepare, name) for name in ("seed", "links", "redact", "context_tokens", *BLOCK_TYPES)),
    ]


def build_augmented_examples(kept: list[tuple[dict, list[dict]]], params, count) -> list[tuple]:
    """(Wanted, example made by rule): passages asked for from notes, a brief, an outline, a flat draft or by a
    question."""
    from blogtwin.text import keyphrases
    from corpus import augmentation

    seed, length = params.prepare.seed, params.train.max_length
    posts = [(post, [row["output"] for row in rows]) for post, rows in kept]
    knobs, n_words = (
        params.prepare.augmentation.model_dump(exclude={"persona"}),
        sum(len(text.split()) for _, parts in posts for text in parts),
    )
    shares = augmentation.augmentation_rates(
        knobs, n_words, max(1, len(posts)), params.prepare.max_augmentations_per_post
    )
    if not any(shares.values()) or not params.prepare.max_augmentations_per_post:
        return []
    if any(shares[kind] for kind, knob in knobs.items() if knob == "auto"):
        said = ", ".join(f"{share:g} {kind}" for kind, share in shares.items() if share)
        echo(
            f"{n_words:,} words are a small blog: its passages are asked for once more, {said} a post"
            " (prepare.augmentation)"
        )
    from rich.progress import track

    asked = [
        one
        for post, parts in posts
        for one in augmentation.sample_requests(
            post, parts, count, length, shares, params.prepare.max_augmentations_per_post, seed
        )
    ]
    weights = keyphrases.InverseDocumentFrequency(["\n\n".join(parts) for _, parts in posts])
    made = {
        one.id: augmentation.heuristic_prompt(one, weights, count, seed)
        for one in track(asked, "making what asks for them", transient=True)
    }
    return [(one, augmentation.to_example(one, made[one.id], count, seed)) for one in asked if made[one.id]]


def replace_with_model_instructions(rows: list[dict], asked: dict, params, count) -> list[dict]:
    """The rows, with what asks for a passage made by the model wherever it can."""
    from blogtwin.models.registry import resolve_base
    from corpus import augmentation, instruction_model

    wanted = [asked[row["id"]] for row in rows if row["id"] in asked]
    with instruction_model.InstructionModel(
        params.prepare.instruction_model, resolve_base(params.train.base)
    ) as instructor:
        if wanted and params.prepare.instruction_model:
            echo(f"asking {instructor.name}: it reads the {len(wanted)} passages")
        made = instruction_model.generate_instructions(wanted, instructor, count)
    return [
        (
            augmentation.to_example(asked[row["id"]], made[row["id"]], count, params.prepare.seed)
            if row["id"] in made
            else row
        )
        for row in rows
    ]


def build_persona_examples(params, count) -> list[dict]:
    """Dialogues about the author, none for an empty form."""
    from blogtwin.text import keyphrases
    from corpus import persona

    path = params.prepare.persona
    weights = keyphrases.InverseDocumentFrequency([])
    rows = persona.build_dialogues(
        persona.load_persona(path),
        params.prepare.augmentation.persona,
        lambda text: keyphrases.extract_key_phrases(keyphrases.tokenise(text, weights), 2),
        params.prepare.seed,
    )
    persona.check_length(rows, path, count, params.train.max_length)
    return rows


def sample_by_task(rows: list[dict], n: int) -> list[dict]:
    """`n` rows, each task in turn, from all over the blog."""
    by_task: dict[str, list[dict]] = {}
    for row in rows:
        by_task.setdefault(row["task"], []).append(row)
    spread = [some[:: max(1, len(some) // n)][:n] for some in by_task.values()]
    return [some[turn] for turn in range(n) for some in spread if turn < len(some)][:n]


def print_preview(rows: list[dict], titles: dict[str, str]) -> None:
    """Examples as a person reads them: who is asked what, and what the author wrote."""
    for number, row in enumerate(rows, 1):
        place = f", part {row['part']} of {row['parts']}" if row["parts"] > 1 else ""
        echo(
            f"── {number} of {len(rows)}: {row['task']} ── “{titles.get(row['post_id'], 'persona')}”,"
            f" {row['date'] or 'no date'}{place} ── {row['id']}\n"
        )
        said = [
            ("asked", row["instruction"]),
            *([("given", row["input"])] if row["input"] else []),
            ("wrote", row["output"]),
        ]
        for who, text in said:
            lines = [
                part
                for line in text.split("\n")
                for part in textwrap.wrap(line, PREVIEW_WIDTH, break_long_words=False, break_on_hyphens=False) or [""]
            ]
            echo("\n".join(f"{who if i == 0 else '':7}{line}".rstrip() for i, line in enumerate(lines)) + "\n")
    echo("nothing was written")
