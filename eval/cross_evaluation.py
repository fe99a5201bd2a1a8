"""Several twins, each scored on every author's posts."""

from dataclasses import dataclass
from pathlib import Path

from blogtwin.config import Params, load_params
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl
from blogtwin.hints import make_command
from blogtwin.paths import GGUF_DIR, SPLIT_DIR
from blogtwin.sampling import SamplingParams


@dataclass(frozen=True)
class Twin:
    name: str
    gguf: Path
    params: Params
    asked: list[dict]  # held-out examples
    held_out: list[str]  # posts the twin was not trained on
    own: list[str]  # all of the author's posts


def load_twin(folder: Path) -> Twin:
    """What stands in a project folder in which a twin was made."""
    from corpus.examples import first_parts, join_parts

    for needed in (folder / GGUF_DIR / "twin.gguf", folder / SPLIT_DIR / "test.jsonl", folder / "params.yaml"):
        if not needed.is_file():
            raise UserError(
                f"{folder} holds no finished twin ({needed.relative_to(folder)} is missing): run"
                f" `{make_command('all', folder)}` there first."
            )
    params = load_params(folder / "params.yaml")
    splits = {name: read_jsonl(folder / SPLIT_DIR / f"{name}.jsonl") for name in ("train", "valid", "test")}
    asked = first_parts(splits["test"], params.eval.num_prompts)
    held_out = join_parts(splits["test"] + splits["valid"])
    return Twin(
        folder.resolve().name,
        folder / GGUF_DIR / "twin.gguf",
        params,
        asked,
        list(held_out.values()),
        [*join_parts(splits["train"]).values(), *held_out.values()],
    )


def load_twins(folders: list[Path]) -> list[Twin]:
    twins = [load_twin(f) for f in folders]
    bases = {t.params.train.base for t in twins}
    if len(twins) < 2 or len(bases) > 1:
        raise UserError(
            f"{len(twins)} twins on {' and '.join(sorted(bases))} were given: give at least two twins on the same base"
            " model."
        )
    return twins


def bits_per_byte(base, twins: list[Twin], track) -> dict[str, dict[str, float]]:
    """{twin or «base»: {author: bits per byte of the author's held-out posts, as raw text}}: no template or prompt
    helps anybody."""
    from blogtwin.models.gguf_export import quantised_base
    from blogtwin.models.llama_cpp import LlamaModel
    from eval import likelihood

    tokenizer, found = base.tokenizer(), {}
    precision = twins[0].params.export.quantization
    for name, gguf in [("base", quantised_base(base, precision)), *((t.name, t.gguf) for t in twins)]:
        with LlamaModel(gguf, n_ctx=likelihood.WINDOW_TOKENS + 8) as model:
            rows = {
                t.name: [
                    likelihood.score_raw(model, e["output"], tokenizer, t.params.eval.max_scored_tokens)
                    for e in track(t.asked, f"{name} reads {t.name}")
                ]
                for t in twins
            }
        found[name] = {author: round(likelihood.bits_per_byte(r), 4) for author, r in rows.items()}
    return found


def style_matrix(base, twins: list[Twin], counting) -> dict[str, dict[str, dict[str, float]]]:
    """{author: {twin: {masked, function and their intervals, of what the twin wrote to that author's prompts}}}."""
    from blogtwin.models import chat
    from blogtwin.models.llama_cpp import LlamaModel
    from eval import systems
    from eval.scorecard import VERIFIER_NAMES
    from eval.style import impostors, verification
    from eval.style.features import count_features

    tokenizer, found = base.tokenizer(), {}
    for author in twins:
        texts = {}
        voice = systems.System("twin", author.params.prepare.system)
        n_ctx = (
            max(len(chat.encode_prompt(tokenizer, voice.messages(e))) for e in author.asked)
            + author.params.eval.max_tokens
        )
        for twin in twins:
            with (
                LlamaModel(twin.gguf, n_ctx=n_ctx, sequences=min(systems.MAX_BATCH, len(author.asked))) as model,
                counting(f"{twin.name} writes as {author.name}", len(author.asked)) as wrote,
            ):
                texts[twin.name] = [
                    a["text"]
                    for a in systems.generate_posts(
                        model,
                        twin.gguf,
                        voice,
                        author.asked,
                        tokenizer,
                        SamplingParams.from_params(author.params.eval),
                        wrote,
                    )
                ]
        everybody = impostors.load_impostors()
        others = everybody.without(everybody.same_as(author.own))
        counted, held_out = {name: count_features(t) for name, t in texts.items()}, count_features(author.held_out)
        rows = found[author.name] = {name: {} for name in texts}
        for family in VERIFIER_NAMES:
            scores = verification.style_scores(
                verification.cross_fit(family, held_out, others, counted), others.author, author.params.eval.seed
            )
            for name in texts:
                low, high = scores.interval(name)
                rows[name] |= {
                    family: round(scores.mean[name], 4),
                    f"{family}_lo": round(low, 4),
                    f"{family}_hi": round(high, 4),
                }
                if name != author.name:
                    mean, low, high = scores.difference(author.name, name)
                    rows[name] |= {
                        f"own_less_this_{family}": round(mean, 4),
                        f"own_less_this_{family}_lo": round(low, 4),
                        f"own_less_this_{family}_hi": round(high, 4),
                    }
    return found


def own_twin_wins(matrix: dict) -> dict[str, int]:
    """{author: 1 where his own twin finds his posts likeliest, of all twins and the base}."""
    authors = matrix["base"]
    return {a: int(min(matrix, key=lambda voice: matrix[voice][a]) == a) for a in authors}


def print_matrix(found: dict) -> None:
    from rich.console import Console
    from rich.table import Table

    authors = list(found["own_lowest"])
    table = Table(title="bits per byte of everybody's held-out posts (raw text; lower is better)", title_justify="left")
    for head in ("read by", *authors):
        table.add_column(head, justify="left" if head == "read by" else "right")
    for voice, row in found["bits_per_byte"].items():
        table.add_row(voice, *(f"{row[a]:.3f}{' *' if voice == a else ''}" for a in authors))
    Console().print(table)
    table = Table(
        title="style: 0 other bloggers, 1 the author; masked characters / function words", title_justify="left"
    )
    for head in ("written by", *(f"as {a}" for a in authors)):
        table.add_column(head, justify="left" if head == "written by" else "right")
    for twin in authors:
        table.add_row(
            twin,
            *(
                f"{found['style'][a][twin]['masked']:.2f} /"
                f" {found['style'][a][twin]['function']:.2f}{' *' if twin == a else ''}"
                for a in authors
            ),
        )
    Console().print(table)
