"""The benchmark: what a recipe makes of a blog, beside what one gets without training. Like for like: the same prompts,
seeds, engine and precision for all.

from a title   five_shot   the base model, shown five posts
               retrieval   the base model, shown the passages nearest to the prompt (eval/retrieval.py)
               twin        the recipe's twin
from notes     the same three, and `verified`: the twin's verified drafting
"""

from typing import TYPE_CHECKING, Any

from blogtwin.config import Params
from blogtwin.console import track
from blogtwin.files import read_jsonl
from blogtwin.models import chat
from blogtwin.paths import EVAL_DIR
from corpus.examples import join_parts
from eval import run
from eval.collect import OutputCollector
from eval.drafting_run import DraftingModels
from eval.results_tables import format_cell
from eval.retrieval import PassageIndex, RetrievalSystem

if TYPE_CHECKING:
    from blogtwin.models.registry import BaseModelFiles

LABELS = {
    "five_shot": "base, shown 5 posts",
    "retrieval": "base, shown the nearest passages",
    "twin": "twin",
    "verified": "twin, with verified drafting",
    "author": "the author",
}
CANDIDATES = 8  # of each round of the search: a number and not a time, so that every machine drafts the same
SPAN = ("", "_lo", "_hi")
# (head of the column, family and metric, format, whether it has an interval)
COLUMNS = (
    ("bits per byte", "likelihood", "bits_per_byte", "decimal3", False),
    ("style, masked", "style", "masked", "decimal2", True),
    ("style, function words", "style", "function", "decimal2", True),
    ("longest copy, words", "copying", "longest_copy_max", "integer", False),
    ("notes: facts told", "notes", "fact_recall", "percent", True),
    ("in role", "notes", "role_accuracy", "percent", True),
    ("beyond the notes", "notes", "unsupported_rate_second", "percent", True),
)
Row = dict[str, Any]


def collect(params: Params, base: "BaseModelFiles") -> dict[str, dict[str, Any]]:
    """{system: metrics} of all systems of the project in this folder, whose scorecard has been made. The rows of base
    and twin come from there, and from the cache of answers."""
    rows = read_jsonl(EVAL_DIR / "base.jsonl") + run.collect_twins(params, base)
    rows += collect_retrieval(params, base) + collect_verified(params, base)
    return run.make_scorecard(params, base, rows).metrics


def collect_retrieval(params: Params, base: "BaseModelFiles") -> list[Row]:
    """What the base model writes and scores with the nearest passages in its prompt."""
    from blogtwin.models.gguf_export import quantised_base

    tokenizer = base.tokenizer()
    posts = list(join_parts(run.read_split("train")).values())
    index = PassageIndex(posts, lambda text: len(chat.encode(tokenizer, text)))
    system = RetrievalSystem("retrieval", params.prepare.system, index=index)
    collector = OutputCollector(quantised_base(base, params.export.quantization), base, params)
    rows = collector.collect([system], run.test_prompts(params.eval.num_prompts), [], {system.name})
    return rows + collector.collect_notes([system], _cases(params, base))


def collect_verified(params: Params, base: "BaseModelFiles") -> list[Row]:
    """What the twin writes from notes under verified drafting."""
    rows = []
    with DraftingModels(params) as models:
        for case in track(_cases(params, base), "verified drafting"):
            drafter = models.twin.drafter("", case["given"], params.eval.seed, CANDIDATES)
            text = "\n\n".join(paragraph.text for paragraph in drafter.paragraphs())
            rows.append({"system": "verified", "notes": case, "text": text, "end": "stop"})
    return rows


def _cases(params: Params, base: "BaseModelFiles") -> list[Row]:
    return run.notes_cases(params, base.tokenizer(), "test", params.eval.num_notes_prompts)


def benchmark_lines(blogs: dict[str, dict[str, dict[str, Any]]]) -> tuple[list[str], list[list[str]]]:
    """(heads, lines) of the table of all blogs; `blogs`: the metrics of each, as `collect` gives them."""
    lines = []
    for blog, metrics in blogs.items():
        for name, label in LABELS.items():
            cells = [_cell(metrics.get(name, {}), *column[1:]) for column in COLUMNS]
            if any(cells):
                lines.append([blog, label, *cells])
    return ["blog", "who writes", *(column[0] for column in COLUMNS)], lines


def _cell(metrics: dict[str, Any], family: str, metric: str, shown: str, has_interval: bool) -> str:
    """A figure as text; empty where it was not measured."""
    values = [metrics.get(family, {}).get(metric + end) for end in (SPAN if has_interval else SPAN[:1])]
    if values[0] is None:
        return ""
    return format_cell(values if None not in values and has_interval else values[0], shown)
