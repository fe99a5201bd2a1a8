"""Posts → training examples: cleaned, cut, and asked for in other ways."""

import random
import textwrap

from blogtwin.console import say

WIDTH = 100  # characters of a line of the preview
BLOCKS = ("code", "quotes", "tables", "embeds")


def prepare(posts: list[dict], params, count, only: int = 0, remembered=None) -> list[dict]:
    """Examples of all posts, or `only` so many to look at. `count(text)` gives tokens; a `Count` is quicker where posts are long."""
    kept = cut_up(posts, params, count, remembered)
    asked = asked_otherwise(kept, params, count)
    rows = [row for _, some in kept for row in some] + [row for _, row in asked] + of_persona(params, count)
    rows = chosen(rows, only) if only else rows
    how, seed = params.prepare.instructions, params.prepare.seed
    by = {"heuristic": 0.0, "both": 0.5, "model": 1.0}[how]
    told = {one.id: one for one, _ in asked if random.Random(f"{seed}:{one.id}").random() < by}
    return by_model(rows, told, params, count) if told else rows


def cut_up(posts: list[dict], params, count, remembered=None) -> list[tuple[dict, list[dict]]]:
    """Each post, cleaned, with the examples that it is cut into. `remembered` knows posts that were cut before."""
    from rich.progress import track

    from corpus.cleaning import clean, paragraphs
    from corpus.examples import examples
    from corpus.redaction import redact

    blocks = {kind: getattr(params.prepare, kind) for kind in BLOCKS}
    together = getattr(count, "together", lambda texts: None)

    def cut(post: dict) -> tuple[dict, list[dict]]:
        text = clean(post["text"], params.prepare.links, blocks)
        if params.prepare.redact:
            post, text = {**post, "title": redact(post["title"]), "tags": [redact(t) for t in post["tags"]]}, redact(text)
        together(paragraphs(text))
        return post, examples(post, text, count, params.train.max_length, params.prepare.context_tokens, params.prepare.seed)

    followed = track(posts, "preparing examples", transient=True)
    return [tuple(remembered.get(post, lambda post=post: cut(post))) if remembered else cut(post) for post in followed]


def decides(params, base) -> list:
    """What the cutting of every post depends on."""
    return [base.digest, params.train.max_length, *(getattr(params.prepare, name) for name in ("seed", "links", "redact", "context_tokens", *BLOCKS))]


def asked_otherwise(kept: list[tuple[dict, list[dict]]], params, count) -> list[tuple]:
    """(Wanted, example made by rule): passages asked for from notes, a brief, an outline, a flat draft or by a question."""
    from blogtwin.text import keyphrases
    from corpus import augmentation

    seed, length = params.prepare.seed, params.train.max_length
    posts = [(post, [row["output"] for row in rows]) for post, rows in kept]
    knobs, n_words = params.prepare.tasks.model_dump(exclude={"persona"}), sum(len(text.split()) for _, parts in posts for text in parts)
    shares = augmentation.shares(knobs, n_words, max(1, len(posts)), params.prepare.per_post)
    if not any(shares.values()) or not params.prepare.per_post:
        return []
    if any(shares[kind] for kind, knob in knobs.items() if knob == "auto"):
        said = ", ".join(f"{share:g} {kind}" for kind, share in shares.items() if share)
        say(f"{n_words:,} words are a small blog: its passages are asked for once more, {said} a post (prepare.tasks)")
    from rich.progress import track

    asked = [one for post, parts in posts for one in augmentation.wanted(post, parts, count, length, shares, params.prepare.per_post, seed)]
    weights = keyphrases.Weights(["\n\n".join(parts) for _, parts in posts])
    made = {one.id: augmentation.by_rule(one, weights, count, seed) for one in track(asked, "making what asks for them", transient=True)}
    return [(one, augmentation.row(one, made[one.id], count, seed)) for one in asked if made[one.id]]


def by_model(rows: list[dict], asked: dict, params, count) -> list[dict]:
    """The rows, with what asks for a passage made by the model wherever it can."""
    from blogtwin.models.registry import resolve
    from corpus import augmentation, instruction_model

    wanted = [asked[row["id"]] for row in rows if row["id"] in asked]
    with instruction_model.Instructor(params.prepare.instructor, resolve(params.train.base)) as instructor:
        if wanted and params.prepare.instructor:
            say(f"asking {instructor.name}: it reads the {len(wanted)} passages")
        made = instruction_model.made(wanted, instructor, count)
    return [augmentation.row(asked[row["id"]], made[row["id"]], count, params.prepare.seed) if row["id"] in made else row for row in rows]


def of_persona(params, count) -> list[dict]:
    """Dialogues about the author, none for an empty form."""
    from blogtwin.text import keyphrases
    from corpus import persona

    path = params.prepare.persona
    weights = keyphrases.Weights([])
    rows = persona.dialogues(persona.load(path), params.prepare.tasks.persona, lambda text: keyphrases.key_phrases(keyphrases.tokens(text, weights), 2), params.prepare.seed)
    persona.check_length(rows, path, count, params.train.max_length)
    return rows


def chosen(rows: list[dict], n: int) -> list[dict]:
    """`n` rows, each task in turn, from all over the blog."""
    by_task: dict[str, list[dict]] = {}
    for row in rows:
        by_task.setdefault(row["task"], []).append(row)
    spread = [some[:: max(1, len(some) // n)][:n] for some in by_task.values()]
    return [some[turn] for turn in range(n) for some in spread if turn < len(some)][:n]


def preview(rows: list[dict], titles: dict[str, str]) -> None:
    """Examples as a person reads them: who is asked what, and what the author wrote."""
    for number, row in enumerate(rows, 1):
        place = f", part {row['part']} of {row['parts']}" if row["parts"] > 1 else ""
        say(f"── {number} of {len(rows)}: {row['task']} ── “{titles.get(row['post_id'], 'persona')}”, {row['date'] or 'no date'}{place} ── {row['id']}\n")
        said = [("asked", row["instruction"]), *([("given", row["input"])] if row["input"] else []), ("wrote", row["output"])]
        for who, text in said:
            lines = [part for line in text.split("\n") for part in textwrap.wrap(line, WIDTH, break_long_words=False, break_on_hyphens=False) or [""]]
            say("\n".join(f"{who if i == 0 else '':7}{line}".rstrip() for i, line in enumerate(lines)) + "\n")
    say("nothing was written")
