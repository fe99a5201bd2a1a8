"""The scorecard's data collected: what base and twin write and score, and what it is compared with."""

import contextlib
import json
import os
from pathlib import Path

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import nan_to_none, read_jsonl, to_jsonl, write_files
from blogtwin.hints import make_command
from blogtwin.paths import EVAL_DIR, GGUF_DIR, RAW_DIR, SPLIT_DIR

CONTROL_DIR = Path("data/sample")  # somebody else's posts, unless they are the author's
NUM_CONTROLS = 12


def test_prompts(limit: int) -> list[dict]:
    """The examples that open the test posts, of `limit` posts at most (0: all): the first rows are the newest posts."""
    from corpus.examples import first_parts

    return first_parts(read_jsonl(SPLIT_DIR / "test.jsonl"), limit)


def notes_cases(params, tokenizer, split: str, limit: int) -> list[dict]:
    """Notes of the openings of `limit` posts of a split, for eval/grounding.py; what words tell is known from the
    training posts."""
    from blogtwin.models import chat
    from corpus.examples import first_parts, join_parts
    from eval import grounding

    training = list(join_parts(read_jsonl(SPLIT_DIR / "train.jsonl")).values())
    return grounding.build_cases(
        first_parts(read_jsonl(SPLIT_DIR / f"{split}.jsonl")),
        training,
        lambda text: len(chat.encode(tokenizer, text)),
        params.eval.seed,
        limit,
    )


def control_texts(params) -> list[str]:
    """Some posts that the author did not write: of `eval.impostors`, else the sample blog, unless that is the author's
    own."""
    from corpus import readers
    from corpus.cleaning import clean_markdown

    folder = Path(params.eval.impostors) if params.eval.impostors else CONTROL_DIR
    if folder.resolve() == Path(params.ingest.source).resolve():
        return []
    texts = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with contextlib.suppress(readers.SkippedPost):
            texts.append(clean_markdown(readers.read_post(path, 5e7).text))
    return texts[:: max(1, len(texts) // NUM_CONTROLS)][:NUM_CONTROLS]


def load_reference_authors(params, own: list[str]):
    """Everybody to compare with: the shipped figures and `eval.impostors`, without the author's own blog."""
    from eval.style import impostors

    everybody = impostors.load_impostors()
    if params.eval.impostors:
        from eval.style.impostors import load_blogs

        found = load_blogs(Path(params.eval.impostors), until="9999")
        if not found:
            raise UserError(
                f"eval.impostors is {params.eval.impostors}, and it holds no folder with somebody's posts: put a folder"
                " for each author there."
            )
        everybody = impostors.concatenate(everybody, impostors.from_blogs(found))
    same = everybody.same_as(own)
    if same:
        echo(f"not compared with {', '.join(sorted(same))}: these are the author's own posts")
    return everybody.without(same)


def collect_base(params, base) -> list[dict]:
    """What base, styled and five-shot base read and write."""
    from blogtwin.models.gguf_export import quantised_base
    from eval import grounding, suites, systems
    from eval.collect import OutputCollector

    listener, tokenizer = (
        OutputCollector(quantised_base(base, params.export.quantization), base, params),
        base.tokenizer(),
    )
    speakers = systems.base_systems(params.prepare.system, read_jsonl(SPLIT_DIR / "train.jsonl"), tokenizer)
    rows = listener.hear(
        speakers,
        test_prompts(params.eval.num_prompts),
        control_texts(params),
        {"base", "five_shot"},
        suites.list_suites(),
    )
    if params.eval.num_notes_prompts:
        shown = notes_cases(params, tokenizer, "train", systems.NUM_SHOTS)
        rows += listener.notes(
            grounding.notes_systems(params.prepare.system, shown),
            notes_cases(params, tokenizer, "test", params.eval.num_notes_prompts),
        )
    return rows


def collect_twin(params, base, gguf: Path, name: str) -> list[dict]:
    """What a twin reads and writes: ours, or `eval.other_twin`, somebody else's."""
    from corpus.examples import first_parts
    from eval import suites
    from eval.canaries import make_canaries
    from eval.collect import OutputCollector
    from eval.systems import System

    listener, voice = OutputCollector(gguf, base, params), System(name, params.prepare.system)
    rows = listener.hear(
        [voice],
        test_prompts(params.eval.num_prompts),
        control_texts(params),
        {name},
        suites.list_suites() if name == "twin" else (),
    )
    if params.eval.num_notes_prompts:
        rows += listener.notes([voice], notes_cases(params, base.tokenizer(), "test", params.eval.num_notes_prompts))
    if name == "twin":
        posts = {split: first_parts(read_jsonl(SPLIT_DIR / f"{split}.jsonl")) for split in ("train", "test")}
        rows += listener.prefixes(voice, posts)
        rows += listener.canaries(voice, make_canaries(params.train.num_canaries, params.train.seed))
    return rows


def make_scorecard(params, base, rows: list[dict]):
    from blogtwin.models.gguf_export import quantised_base
    from corpus.examples import join_parts, post_topic
    from eval.collect import OutputCollector
    from eval.scorecard import CorpusTexts, build_scorecard

    splits = {name: read_jsonl(SPLIT_DIR / f"{name}.jsonl") for name in ("train", "valid", "test")}
    training, held_out = join_parts(splits["train"]), join_parts(splits["test"] + splits["valid"])
    ingested = {p["id"]: p for p in read_jsonl(RAW_DIR / "posts.jsonl")}
    posts = CorpusTexts(
        test_prompts(params.eval.num_prompts),
        list(held_out.values()),
        list(training.values()),
        [ingested[p]["title"] for p in training],
        len(training.keys() & held_out.keys()),
    )
    own = [*training.values(), *held_out.values()]
    listener = OutputCollector(quantised_base(base, params.export.quantization), base, params)
    return build_scorecard(
        rows,
        posts,
        load_reference_authors(params, own),
        listener.reads_texts,
        params.eval.seed,
        [post_topic(ingested[e["post_id"]]) for e in posts.asked],
    )


def run_llm_judge(params, card) -> dict:
    """What `eval.judge_model` says of twin and five-shot base."""
    from blogtwin.inference.client import parse_endpoint
    from corpus.examples import join_parts
    from eval import llm_judge

    engine = parse_endpoint("eval.judge_model", params.eval.judge_model, os.environ.get("JUDGE_API_KEY", ""))
    held_out = list(join_parts(read_jsonl(SPLIT_DIR / "test.jsonl") + read_jsonl(SPLIT_DIR / "valid.jsonl")).values())
    echo(f"asking {engine.model} at {engine.base_url}: it reads {llm_judge.NUM_SHOWN_POSTS} of your posts at a time")
    texts, styles = ({v: [s[v][key] for s in card.samples] for v in ("twin", "five_shot")} for key in ("text", "style"))
    found = llm_judge.judge_pairs(
        engine, held_out, [s["author"] for s in card.samples], texts["twin"], texts["five_shot"]
    )
    return nan_to_none(
        llm_judge.judge_metrics(found, *([s.get("masked") for s in styles[v]] for v in ("twin", "five_shot")))
    )


def run_suite(params, base, name: str) -> None:
    """Base and twin on one suite, case by case."""
    from blogtwin.models.gguf_export import quantised_base
    from blogtwin.text.pii import find_personal_data
    from corpus.examples import join_parts
    from eval import suites
    from eval.collect import OutputCollector
    from eval.suites.checks import Context
    from eval.systems import System

    suite = suites.load_suite(name)
    personal = {
        value
        for post in join_parts(read_jsonl(SPLIT_DIR / "train.jsonl")).values()
        for _, value in find_personal_data(post)
    }
    said = {
        v: {r["case"]: r for r in OutputCollector(g, base, params).suites(System(v, params.prepare.system), [name])}
        for v, g in (("base", quantised_base(base, params.export.quantization)), ("twin", require_twin()))
    }
    checks: dict[str, list] = {"base": [], "twin": []}
    for case in suite.cases:
        for voice, answers in said.items():
            answer = answers[case.id]
            context = Context(said["base"][case.id]["text"] if voice == "twin" else None, personal, answer["end"])
            found = suites.run_checks(case, answer["text"], context)
            checks[voice] += found
            marks = "; ".join(
                f"{'–' if c['passed'] is None else '✓' if c['passed'] else '✗'} {c['why']}" for c in found
            )
            echo(f"{case.id:22} {voice:5} {marks}")
    echo(
        f"{name}: base {suites.score_checks(checks['base'])['score']:.2f}, twin"
        f" {suites.score_checks(checks['twin'])['score']:.2f}"
    )


def require_twin() -> Path:
    twin = GGUF_DIR / "twin.gguf"
    if not twin.is_file():
        raise UserError(f"There is no {twin} yet: run `{make_command('all')}`, or scripts/05_export_gguf.py first.")
    return twin


def check_other_twin(params) -> None:
    """Raises UserError when `eval.other_twin` names no file."""
    if params.eval.other_twin and not Path(params.eval.other_twin).is_file():
        raise UserError(
            f"eval.other_twin is {params.eval.other_twin}, and there is no such file: give the twin.gguf of another"
            " author on the same base, or leave it empty."
        )


def collect_twins(params, base) -> list[dict]:
    """What our twin reads and writes, and that of `eval.other_twin`, if there is one."""
    rows = collect_twin(params, base, require_twin(), "twin")
    return rows + (collect_twin(params, base, Path(params.eval.other_twin), "swap") if params.eval.other_twin else [])


def write_scorecard(params, base, card) -> None:
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
