"""The scorecard's data collected: what base and twin write and score, and what it is compared with."""

import contextlib
import json
import os
from pathlib import Path

from blogtwin.console import say
from blogtwin.errors import UserError
from blogtwin.files import json_lines, nan_to_none, read_jsonl, write_texts
from blogtwin.hints import make_command
from blogtwin.paths import EVAL, GGUF, RAW, SPLIT

OTHERS = Path("data/sample")  # somebody else's posts, unless they are the author's
OTHERS_READ = 12


def asked(limit: int) -> list[dict]:
    """The examples that open the test posts, of `limit` posts at most (0: all): the first rows are the newest posts."""
    from corpus.examples import openings

    return openings(read_jsonl(SPLIT / "test.jsonl"), limit)


def noted(params, tokenizer, split: str, limit: int) -> list[dict]:
    """Notes of the openings of `limit` posts of a split, for eval/grounding.py; what words tell is known from the training posts."""
    from blogtwin.models import chat
    from corpus.examples import openings, whole_posts
    from eval import grounding

    training = list(whole_posts(read_jsonl(SPLIT / "train.jsonl")).values())
    return grounding.cases(openings(read_jsonl(SPLIT / f"{split}.jsonl")), training, lambda text: len(chat.text_ids(tokenizer, text)), params.eval.seed, limit)


def other_people(params) -> list[str]:
    """Some posts that the author did not write: of `eval.impostors`, else the sample blog, unless that is the author's own."""
    from corpus import readers
    from corpus.cleaning import clean

    folder = Path(params.eval.impostors) if params.eval.impostors else OTHERS
    if folder.resolve() == Path(params.ingest.source).resolve():
        return []
    texts = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with contextlib.suppress(readers.LeftOut):
            texts.append(clean(readers.read(path, 5e7).text))
    return texts[:: max(1, len(texts) // OTHERS_READ)][:OTHERS_READ]


def people(params, own: list[str]):
    """Everybody to compare with: the shipped figures and `eval.impostors`, without the author's own blog."""
    from eval.style import impostors

    everybody = impostors.load()
    if params.eval.impostors:
        from eval.style.impostors import blogs

        found = blogs(Path(params.eval.impostors), until="9999")
        if not found:
            raise UserError(f"eval.impostors is {params.eval.impostors}, and it holds no folder with somebody's posts: put a folder for each author there.")
        everybody = impostors.joined(everybody, impostors.gather(found))
    same = everybody.same_as(own)
    if same:
        say(f"not compared with {', '.join(sorted(same))}: these are the author's own posts")
    return everybody.without(same)


def hear_base(params, base) -> list[dict]:
    """What base, styled and five-shot base read and write."""
    from blogtwin.models.gguf_export import at_precision
    from eval import grounding, suites, systems
    from eval.collect import Listener

    listener, tokenizer = Listener(at_precision(base, params.export.quantization), base, params), base.tokenizer()
    speakers = systems.of_base(params.prepare.system, read_jsonl(SPLIT / "train.jsonl"), tokenizer)
    rows = listener.hear(speakers, asked(params.eval.prompts), other_people(params), {"base", "five_shot"}, suites.names())
    if params.eval.notes:
        shown = noted(params, tokenizer, "train", systems.SHOTS)
        rows += listener.notes(grounding.speakers(params.prepare.system, shown), noted(params, tokenizer, "test", params.eval.notes))
    return rows


def hear_twin(params, base, gguf: Path, name: str) -> list[dict]:
    """What a twin reads and writes: ours, or `eval.swap`, somebody else's."""
    from corpus.examples import openings
    from eval import suites
    from eval.canaries import canaries
    from eval.collect import Listener
    from eval.systems import Voice

    listener, voice = Listener(gguf, base, params), Voice(name, params.prepare.system)
    rows = listener.hear([voice], asked(params.eval.prompts), other_people(params), {name}, suites.names() if name == "twin" else ())
    if params.eval.notes:
        rows += listener.notes([voice], noted(params, base.tokenizer(), "test", params.eval.notes))
    if name == "twin":
        posts = {split: openings(read_jsonl(SPLIT / f"{split}.jsonl")) for split in ("train", "test")}
        rows += listener.prefixes(voice, posts)
        rows += listener.canaries(voice, canaries(params.train.canaries, params.train.seed))
    return rows


def card_of(params, base, rows: list[dict]):
    from blogtwin.models.gguf_export import at_precision
    from corpus.examples import brief, whole_posts
    from eval.collect import Listener
    from eval.scorecard import Posts, scorecard

    splits = {name: read_jsonl(SPLIT / f"{name}.jsonl") for name in ("train", "valid", "test")}
    training, held_out = whole_posts(splits["train"]), whole_posts(splits["test"] + splits["valid"])
    ingested = {p["id"]: p for p in read_jsonl(RAW / "posts.jsonl")}
    posts = Posts(asked(params.eval.prompts), list(held_out.values()), list(training.values()), [ingested[p]["title"] for p in training], len(training.keys() & held_out.keys()))
    own = [*training.values(), *held_out.values()]
    listener = Listener(at_precision(base, params.export.quantization), base, params)
    return scorecard(rows, posts, people(params, own), listener.reads_texts, params.eval.seed, [brief(ingested[e["post_id"]]) for e in posts.asked])


def judged(params, card) -> dict:
    """What `eval.judge` says of twin and five-shot base."""
    from blogtwin.inference.client import named
    from corpus.examples import whole_posts
    from eval import llm_judge

    engine = named("eval.judge", params.eval.judge, os.environ.get("JUDGE_API_KEY", ""))
    held_out = list(whole_posts(read_jsonl(SPLIT / "test.jsonl") + read_jsonl(SPLIT / "valid.jsonl")).values())
    say(f"asking {engine.model} at {engine.base_url}: it reads {llm_judge.SHOWN} of your posts at a time")
    texts, styles = ({v: [s[v][key] for s in card.samples] for v in ("twin", "five_shot")} for key in ("text", "style"))
    found = llm_judge.compare(engine, held_out, [s["author"] for s in card.samples], texts["twin"], texts["five_shot"])
    return nan_to_none(llm_judge.metrics(found, *([s.get("masked") for s in styles[v]] for v in ("twin", "five_shot"))))


def one_suite(params, base, name: str) -> None:
    """Base and twin on one suite, case by case."""
    from blogtwin.models.gguf_export import at_precision
    from blogtwin.text.pii import personal_data
    from corpus.examples import whole_posts
    from eval import suites
    from eval.collect import Listener
    from eval.suites.checks import Context
    from eval.systems import Voice

    suite = suites.load(name)
    personal = {value for post in whole_posts(read_jsonl(SPLIT / "train.jsonl")).values() for _, value in personal_data(post)}
    said = {v: {r["case"]: r for r in Listener(g, base, params).suites(Voice(v, params.prepare.system), [name])} for v, g in (("base", at_precision(base, params.export.quantization)), ("twin", twin_gguf()))}
    checks: dict[str, list] = {"base": [], "twin": []}
    for case in suite.cases:
        for voice, answers in said.items():
            answer = answers[case.id]
            context = Context(said["base"][case.id]["text"] if voice == "twin" else None, personal, answer["end"])
            found = suites.check(case, answer["text"], context)
            checks[voice] += found
            marks = "; ".join(f"{'–' if c['passed'] is None else '✓' if c['passed'] else '✗'} {c['why']}" for c in found)
            say(f"{case.id:22} {voice:5} {marks}")
    say(f"{name}: base {suites.score(checks['base'])['score']:.2f}, twin {suites.score(checks['twin'])['score']:.2f}")


def twin_gguf() -> Path:
    twin = GGUF / "twin.gguf"
    if not twin.is_file():
        raise UserError(f"There is no {twin} yet: run `{make_command('all')}`, or scripts/05_export_gguf.py first.")
    return twin


def check_swap(params) -> None:
    """Raises UserError when `eval.swap` names no file."""
    if params.eval.swap and not Path(params.eval.swap).is_file():
        raise UserError(f"eval.swap is {params.eval.swap}, and there is no such file: give the twin.gguf of another author on the same base, or leave it empty.")


def hear_twins(params, base) -> list[dict]:
    """What our twin reads and writes, and that of `eval.swap`, if there is one."""
    rows = hear_twin(params, base, twin_gguf(), "twin")
    return rows + (hear_twin(params, base, Path(params.eval.swap), "swap") if params.eval.swap else [])


def write_scorecard(params, base, card) -> None:
    """metrics.json, samples.jsonl, report.html, verdict.txt and the plots' tables: all of them or none."""
    from eval.plots import plots
    from eval.report import report

    write_texts(
        {
            **plots(card),
            EVAL / "samples.jsonl": json_lines(card.samples),
            EVAL / "report.html": [report(card, params.prepare.author, base.name)],
            EVAL / "verdict.txt": [line + "\n" for line in (card.verdict, *card.advice)],
            EVAL / "metrics.json": [json.dumps(card.metrics, ensure_ascii=False, indent=2), "\n"],
        }
    )
