"""Cross evaluation: several twins, each scored on every author's posts."""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blogtwin.config import Params, load_params
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl
from blogtwin.hints import make_command
from blogtwin.paths import GGUF_DIR, SPLIT_DIR
from blogtwin.sampling import SamplingParams
from eval.rounding import round_metric, with_interval

if TYPE_CHECKING:
    from blogtwin.models.registry import BaseModelFiles


@dataclass(frozen=True)
class Twin:
    """A twin, and its author's posts."""

    name: str  # the folder's, also of the author
    gguf: Path
    params: Params
    prompts: list[dict[str, Any]]  # held-out examples
    held_out: list[str]  # posts that the twin was not trained on
    own: list[str]  # all of the author's posts


def load_twin(folder: Path) -> Twin:
    """The twin of a project folder. Raises UserError where `make all` has not been run."""
    from corpus.examples import first_parts, join_parts

    for needed in (folder / GGUF_DIR / "twin.gguf", folder / SPLIT_DIR / "test.jsonl", folder / "params.yaml"):
        if not needed.is_file():
            raise UserError(
                f"{folder} holds no finished twin ({needed.relative_to(folder)} is missing): run"
                f" `{make_command('all', folder)}` there first."
            )
    params = load_params(folder / "params.yaml")
    splits = {name: read_jsonl(folder / SPLIT_DIR / f"{name}.jsonl") for name in ("train", "valid", "test")}
    prompts = first_parts(splits["test"], params.eval.num_prompts)
    held_out = join_parts(splits["test"] + splits["valid"])
    return Twin(
        folder.resolve().name,
        folder / GGUF_DIR / "twin.gguf",
        params,
        prompts,
        list(held_out.values()),
        [*join_parts(splits["train"]).values(), *held_out.values()],
    )


def load_twins(folders: list[Path]) -> list[Twin]:
    """The twins of several folders. Raises UserError unless there are two at least, all on one base model."""
    twins = [load_twin(f) for f in folders]
    bases = {t.params.train.base for t in twins}
    if len(twins) < 2 or len(bases) > 1:
        raise UserError(
            f"You gave {len(twins)} twins on {' and '.join(sorted(bases))}: give at least two on the same base model."
        )
    return twins


def bits_per_byte(
    base: "BaseModelFiles", twins: list[Twin], track: Callable[[list, str], Iterable]
) -> dict[str, dict[str, float]]:
    """{twin or "base": {author: bits per byte of the author's held-out posts}}, as raw text, so that no chat template
    or prompt helps any of them. `track(items, title)` shows progress."""
    from blogtwin.models.gguf_export import quantised_base
    from blogtwin.models.llama_cpp import LlamaModel
    from eval import likelihood

    tokenizer = base.tokenizer()
    models = {"base": quantised_base(base, twins[0].params.export.quantization)}
    models |= {twin.name: twin.gguf for twin in twins}
    matrix: dict[str, dict[str, float]] = {}
    for name, gguf in models.items():
        matrix[name] = {}
        with LlamaModel(gguf, n_ctx=likelihood.WINDOW_TOKENS + 8) as model:
            for author in twins:
                max_tokens = author.params.eval.max_scored_tokens
                rows = []
                for example in track(author.prompts, f"{name} scores {author.name}"):
                    rows.append(likelihood.score_raw(model, example["output"], tokenizer, max_tokens))
                matrix[name][author.name] = round_metric(likelihood.bits_per_byte(rows))
    return matrix


Counter = Callable[[str, int], AbstractContextManager[Callable[[int], object]]]


def style_matrix(
    base: "BaseModelFiles", twins: list[Twin], progress_counter: Counter
) -> dict[str, dict[str, dict[str, float]]]:
    """{author: {twin: style of what the twin writes on that author's prompts, with intervals}}; `own_less_this_…` is
    how much the author's own twin is ahead of it."""
    return {author.name: _style_row(base, author, twins, progress_counter) for author in twins}


def _style_row(
    base: "BaseModelFiles", author: Twin, twins: list[Twin], progress_counter: Counter
) -> dict[str, dict[str, float]]:
    from eval.style import impostors, verification
    from eval.style.features import count_features

    texts = {twin.name: _write_as(base, author, twin, progress_counter) for twin in twins}
    everybody = impostors.load_impostors()
    others = everybody.excluding(everybody.matching_authors(author.own))
    counts, held_out = {name: count_features(group) for name, group in texts.items()}, count_features(author.held_out)
    row: dict[str, dict[str, float]] = {name: {} for name in texts}
    for family in verification.VERIFIER_NAMES:
        decisions = verification.cross_fit(family, held_out, others, counts)
        scores = verification.style_scores(decisions, others.author, author.params.eval.seed)
        for name in texts:
            row[name] |= with_interval(family, scores.mean[name], *scores.interval(name))
            if name != author.name:
                row[name] |= with_interval(f"own_less_this_{family}", *scores.difference(author.name, name))
    return row


def _write_as(base: "BaseModelFiles", author: Twin, twin: Twin, progress_counter: Counter) -> list[str]:
    """What a twin writes on an author's prompts, with that author's sampling parameters."""
    from blogtwin.models import chat
    from blogtwin.models.llama_cpp import LlamaModel
    from eval import systems

    tokenizer, sampling = base.tokenizer(), SamplingParams.from_params(author.params.eval)
    system = systems.System("twin", author.params.prepare.system)
    lengths = [len(chat.encode_prompt(tokenizer, system.messages(example))) for example in author.prompts]
    sequences = min(systems.MAX_BATCH, len(author.prompts))
    with (
        LlamaModel(twin.gguf, n_ctx=max(lengths) + sampling.max_tokens, sequences=sequences) as model,
        progress_counter(f"{twin.name} writes as {author.name}", len(author.prompts)) as advance,
    ):
        answers = systems.generate_posts(model, twin.gguf, system, author.prompts, tokenizer, sampling, advance)
    return [answer["text"] for answer in answers]


def own_twin_wins(matrix: dict[str, dict[str, float]]) -> dict[str, int]:
    """{author: 1 if the author's own twin has the lowest bits per byte on the author's posts, of all twins and the
    base, else 0}."""
    import pandas as pd

    lowest = pd.DataFrame(matrix).idxmin(axis="columns")  # the model with the fewest bits per byte, by author
    return {author: int(lowest[author] == author) for author in lowest.index}


def print_matrix(found: dict[str, Any]) -> None:
    """Both matrices as tables; a star marks the author's own twin."""
    from rich.console import Console
    from rich.table import Table

    authors = list(found["own_lowest"])
    table = Table(title="bits per byte of each author's held-out posts (raw text; lower is better)")
    table.title_justify = "left"
    table.add_column("scored by")
    for author in authors:
        table.add_column(author, justify="right")
    for model, row in found["bits_per_byte"].items():
        table.add_row(model, *(f"{row[author]:.3f}{' *' if model == author else ''}" for author in authors))
    Console().print(table)
    table = Table(title="style: 0 other bloggers, 1 the author; masked characters / function words")
    table.title_justify = "left"
    table.add_column("written by")
    for author in authors:
        table.add_column(f"as {author}", justify="right")
    for twin in authors:
        cells = []
        for author in authors:
            score = found["style"][author][twin]
            cells.append(f"{score['masked']:.2f} / {score['function']:.2f}{' *' if twin == author else ''}")
        table.add_row(twin, *cells)
    Console().print(table)
