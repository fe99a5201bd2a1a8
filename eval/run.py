"""Stage 07: collect what base and twin write and score, and make the scorecard of it."""

import contextlib
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blogtwin.config import Params
from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import nan_to_none, read_jsonl, to_jsonl, write_files
from blogtwin.hints import make_command
from blogtwin.paths import EVAL_DIR, GGUF_DIR, RAW_DIR, SPLIT_DIR

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from blogtwin.models.registry import BaseModelFiles
    from eval.scorecard import CorpusTexts, Scorecard
    from eval.style.impostors import Impostors

CONTROL_DIR = Path("data/sample")  # posts by somebody else, unless the author's own are there
NUM_CONTROLS = 12
MAX_CONTROL_BYTES = 5e7
MARKS = {None: "–", True: "✓", False: "✗"}  # of a check: does not apply, passed, failed
Row = dict[str, Any]


def read_split(*names: str) -> list[Row]:
    """The examples of these splits, one after the other."""
    return [row for name in names for row in read_jsonl(SPLIT_DIR / f"{name}.jsonl")]


def test_prompts(limit: int) -> list[Row]:
    """The examples that open the test posts, of `limit` posts at most (0: all), the newest posts first."""
    from corpus.examples import first_parts

    return first_parts(read_split("test"), limit)


def notes_cases(params: Params, tokenizer: "PreTrainedTokenizerBase", split: str, limit: int) -> list[Row]:
    """Notes of the openings of `limit` posts of a split, see eval/grounding.py."""
    from blogtwin.models import chat
    from corpus.examples import first_parts, join_parts
    from eval import grounding

    def count_tokens(text: str) -> int:
        return len(chat.encode(tokenizer, text))

    training = list(join_parts(read_split("train")).values())
    return grounding.build_cases(first_parts(read_split(split)), training, count_tokens, params.eval.seed, limit)


def control_texts(params: Params) -> list[str]:
    """Some posts by other people: those of `eval.impostors`, or else the sample blog, unless that is the author's."""
    from corpus import readers
    from corpus.cleaning import clean_markdown

    folder = Path(params.eval.impostors) if params.eval.impostors else CONTROL_DIR
    if folder.resolve() == Path(params.ingest.source).resolve():
        return []
    texts = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with contextlib.suppress(readers.SkippedPost):
            texts.append(clean_markdown(readers.read_post(path, MAX_CONTROL_BYTES).text))
    return texts[:: max(1, len(texts) // NUM_CONTROLS)][:NUM_CONTROLS]


def load_reference_authors(params: Params, own: list[str]) -> "Impostors":
    """All authors to compare with: the shipped ones and those of `eval.impostors`, without the author's own blog.

    Raises UserError when `eval.impostors` has no posts.
    """
    from eval.style import impostors

    everybody = impostors.load_impostors()
    if params.eval.impostors:
        blogs = impostors.load_blogs(Path(params.eval.impostors), until="9999")
        if not blogs:
            raise UserError(
                f"eval.impostors is {params.eval.impostors}, and it has no folder with posts: put one folder of posts"
                " for each author there."
            )
        everybody = impostors.concatenate(everybody, impostors.from_blogs(blogs))
    same = everybody.matching_authors(own)
    if same:
        echo(f"not compared with {', '.join(sorted(same))}: these are the author's own posts")
    return everybody.excluding(same)


def collect_base(params: Params, base: "BaseModelFiles") -> list[Row]:
    """What base, styled and five_shot write and score."""
    from blogtwin.models.gguf_export import quantised_base
    from eval import grounding, suites, systems
    from eval.collect import OutputCollector

    collector = OutputCollector(quantised_base(base, params.export.quantization), base, params)
    group = systems.base_systems(params.prepare.system, read_split("train"), collector.tokenizer)
    prompts, scoring = test_prompts(params.eval.num_prompts), {"base", "five_shot"}
    rows = collector.collect(group, prompts, control_texts(params), scoring, suites.list_suites())
    if params.eval.num_notes_prompts:
        shown = notes_cases(params, collector.tokenizer, "train", systems.NUM_SHOTS)
        cases = notes_cases(params, collector.tokenizer, "test", params.eval.num_notes_prompts)
        rows += collector.collect_notes(grounding.notes_systems(params.prepare.system, shown), cases)
    return rows


def collect_twin(params: Params, base: "BaseModelFiles", gguf: Path, name: str) -> list[Row]:
    """What a twin writes and scores: `twin`, ours, or `swap`, that of `eval.other_twin`."""
    from corpus.examples import first_parts
    from eval import suites
    from eval.canaries import make_canaries
    from eval.collect import OutputCollector
    from eval.systems import System

    collector, system = OutputCollector(gguf, base, params), System(name, params.prepare.system)
    suite_names = suites.list_suites() if name == "twin" else []
    prompts = test_prompts(params.eval.num_prompts)
    rows = collector.collect([system], prompts, control_texts(params), {name}, suite_names)
    if params.eval.num_notes_prompts:
        cases = notes_cases(params, base.tokenizer(), "test", params.eval.num_notes_prompts)
        rows += collector.collect_notes([system], cases)
    if name == "twin":
        posts = {split: first_parts(read_split(split)) for split in ("train", "test")}
        rows += collector.prefix_extraction(system, posts)
        rows += collector.canary_exposure(system, make_canaries(params.train.num_canaries, params.train.seed))
    return rows


def scorecard_inputs(params: Params) -> "tuple[CorpusTexts, Impostors, list[str]]":
    """(the author's posts, other people's, the title and topics of each prompt) that a scorecard is made from."""
    from corpus.examples import join_parts, post_topic
    from eval.scorecard import CorpusTexts

    training, held_out = join_parts(read_split("train")), join_parts(read_split("test", "valid"))
    ingested = {post["id"]: post for post in read_jsonl(RAW_DIR / "posts.jsonl")}
    posts = CorpusTexts(
        prompts=test_prompts(params.eval.num_prompts),
        held_out=list(held_out.values()),
        training=list(training.values()),
        titles=[ingested[post]["title"] for post in training],
        leaked_posts=len(training.keys() & held_out.keys()),
    )
    briefs = [post_topic(ingested[example["post_id"]]) for example in posts.prompts]
    return posts, load_reference_authors(params, posts.training + posts.held_out), briefs


def make_scorecard(params: Params, base: "BaseModelFiles", rows: list[Row]) -> "Scorecard":
    """The scorecard of the rows of all systems."""
    from blogtwin.models.gguf_export import quantised_base
    from eval.collect import OutputCollector
    from eval.scorecard import build_scorecard
    from eval.systems import System

    posts, impostors, briefs = scorecard_inputs(params)
    collector = OutputCollector(quantised_base(base, params.export.quantization), base, params)
    twin, system = OutputCollector(require_twin(), base, params), System("twin", params.prepare.system)
    return build_scorecard(
        rows,
        posts,
        impostors,
        collector.base_bits_per_byte,
        params.eval.seed,
        briefs,
        lambda number: twin.write_again(system, posts.prompts, number),
    )


def run_llm_judge(params: Params, card: "Scorecard") -> dict[str, float | None]:
    """How `eval.judge_model` compares twin and five_shot, see eval.llm_judge.judge_metrics."""
    from blogtwin.inference.client import parse_endpoint
    from corpus.examples import join_parts
    from eval import llm_judge

    engine = parse_endpoint("eval.judge_model", params.eval.judge_model, os.environ.get("JUDGE_API_KEY", ""))
    held_out = list(join_parts(read_split("test", "valid")).values())
    echo(f"asking {engine.model} at {engine.base_url}: it reads {llm_judge.NUM_SHOWN_POSTS} of your posts at a time")
    truths = [sample["author"] for sample in card.samples]
    ours, theirs = ([sample[name]["text"] for sample in card.samples] for name in ("twin", "five_shot"))
    winners = llm_judge.judge_pairs(engine, held_out, truths, ours, theirs)
    our_scores, their_scores = (
        [sample[name]["style"].get("masked") for sample in card.samples] for name in ("twin", "five_shot")
    )
    return nan_to_none(llm_judge.judge_metrics(winners, our_scores, their_scores))


def run_suite(params: Params, base: "BaseModelFiles", name: str) -> None:
    """Print base and twin on one suite, case by case."""
    from blogtwin.models.gguf_export import quantised_base
    from corpus.examples import join_parts
    from eval import suites
    from eval.collect import OutputCollector
    from eval.suites.checks import Context
    from eval.suites.metrics import personal_data
    from eval.systems import System

    suite = suites.load_suite(name)
    personal = personal_data(list(join_parts(read_split("train")).values()))
    answers: dict[str, dict[str, Row]] = {}
    for model, gguf in (("base", quantised_base(base, params.export.quantization)), ("twin", require_twin())):
        rows = OutputCollector(gguf, base, params).collect_suites(System(model, params.prepare.system), [name])
        answers[model] = {row["case"]: row for row in rows}
    checks: dict[str, list[Row]] = {"base": [], "twin": []}
    for case in suite.cases:
        for model, by_case in answers.items():
            answer = by_case[case.id]
            base_text = answers["base"][case.id]["text"] if model == "twin" else None
            results = suites.run_checks(case, answer["text"], Context(base_text, personal, answer["end"]))
            checks[model] += results
            marked = [f"{MARKS[check['passed']]} {check['why']}" for check in results]
            echo(f"{case.id:22} {model:5} {'; '.join(marked)}")
    scores = {model: suites.score_checks(results)["score"] for model, results in checks.items()}
    echo(f"{name}: base {scores['base']:.2f}, twin {scores['twin']:.2f}")


def require_twin() -> Path:
    """The exported twin. Raises UserError when there is none."""
    twin = GGUF_DIR / "twin.gguf"
    if not twin.is_file():
        raise UserError(f"There is no {twin} yet: run `{make_command('all')}`, or scripts/05_export_gguf.py first.")
    return twin


def check_other_twin(params: Params) -> None:
    """Raises UserError when `eval.other_twin` names no file."""
    if params.eval.other_twin and not Path(params.eval.other_twin).is_file():
        raise UserError(
            f"eval.other_twin is {params.eval.other_twin}, and there is no such file: give the twin.gguf of another"
            " author on the same base, or leave it empty."
        )


def collect_twins(params: Params, base: "BaseModelFiles") -> list[Row]:
    """What our twin writes and scores, and that of `eval.other_twin`, if there is one."""
    rows = collect_twin(params, base, require_twin(), "twin")
    if params.eval.other_twin:
        rows += collect_twin(params, base, Path(params.eval.other_twin), "swap")
    return rows


def write_scorecard(params: Params, base: "BaseModelFiles", card: "Scorecard") -> None:
    """metrics.json, samples.jsonl, report.html, verdict.txt and the plots' tables: all of them or none."""
    from eval.plots import plot_tables
    from eval.report import render_report

    write_files(
        {
            **plot_tables(card),
            EVAL_DIR / "samples.jsonl": to_jsonl(card.samples),
            EVAL_DIR / "report.html": [render_report(card, params.prepare.author, base.name)],
            EVAL_DIR / "verdict.txt": [line + "\n" for line in (card.verdict, *card.advice)],
            EVAL_DIR / "metrics.json": [json.dumps(card.metrics, ensure_ascii=False, indent=2), "\n"],
        }
    )
