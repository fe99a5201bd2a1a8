"""One evaluation of drafts from people's notes: write or read them, judge them, set them side by side."""

import contextlib
import functools
import os
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from blogtwin import memory
from blogtwin.cache import cache_key, code_fingerprint
from blogtwin.config import Params
from blogtwin.console import echo
from blogtwin.drafting.drafter import Drafter, DraftParagraph, DraftSentence
from blogtwin.drafting.notes import parse_notes
from blogtwin.drafting.plain_prompt import plain_messages
from blogtwin.drafting.receipt import candidates_for
from blogtwin.drafting.two_models import TwoModelDrafter
from blogtwin.errors import UserError
from blogtwin.files import nan_to_none, read_jsonl, sha256_file, write_json, write_jsonl
from blogtwin.models import registry
from blogtwin.models.gguf_export import quantised_base
from blogtwin.paths import EVAL_DIR, RAW_DIR, SPLIT_DIR
from blogtwin.sampling import SamplingParams
from corpus.augmentation import jot_down_passage
from eval.counterfactual import swap_facts
from eval.draft_scores import DraftScore, as_paragraphs, compare, score_draft, summarise
from eval.draft_style import style_difference
from eval.drafting import NotesModel, best_of, trained_messages
from eval.note_sets import NoteFact, NoteSet, find_post, list_set_files, read_passage
from eval.run import load_reference_authors, read_split, require_twin
from eval.word_order import shipped_word_order

DRAFTS_FILE, SCORES_FILE = EVAL_DIR / "drafts.jsonl", EVAL_DIR / "draft_scores.jsonl"
SAMPLE_DIR = "data/sample/"  # where the sample's sets name their posts
BLOGS_VARIABLE = "BLOGTWIN_BLOGS"  # a folder with a folder of posts for each blog but the sample
SYSTEMS = ("drafter", "one_draft", "best_of_8", "base_drafter")
UNTRAINED = "base_drafter"  # the base model, without the adapter, through the same search
DRAFTING_CODE = ("blogtwin/drafting/*.py", "blogtwin/text/*.py", "blogtwin/models/decoding.py", "eval/drafting.py")
NUM_WHOLE = {"one_draft": 1, "best_of_8": 8}
Row = dict[str, Any]


class Effort(NamedTuple):
    """How long a search may take: `candidates` in each round; with 0 as many as fit `seconds` at this machine's speed,
    as the server counts them."""

    candidates: int
    seconds: float = 0.0


@dataclass(frozen=True)
class DraftCase:
    """A set of notes to draft from; `old_facts` where they are counterfactual, of what was true."""

    name: str
    note_set: NoteSet
    old_facts: tuple[NoteFact, ...] = ()
    passage: str | None = None  # the author's own, where his post is on this machine


def load_cases(
    blog: str, split: str, limit: int, counterfactual: bool, seed: int, by_rule: bool = False
) -> list[DraftCase]:
    """The sets of a blog and split, without those of a post that this folder's twin learnt. `by_rule`: with notes that
    rules make of the passage, as in training. Raises UserError where there are none."""
    folder = os.environ.get(BLOGS_VARIABLE)
    cases: list[DraftCase] = []
    learnt = learnt_sources()
    for file in list_set_files(blog):
        note_set = NoteSet.from_file(file)
        if note_set.split != split or len(cases) >= limit:
            continue
        if any(source.endswith(f"/{note_set.post.removeprefix(SAMPLE_DIR)}") for source in learnt):
            echo(f"{file.stem} is left out: the twin learnt its post, {note_set.post}")
            continue
        if counterfactual:
            swapped = swap_facts(note_set, seed)
            cases.append(DraftCase(file.stem, swapped.note_set, swapped.old_facts))
        else:
            post = find_post(note_set, blog, Path(folder) if folder else None)
            passage = read_passage(post, *note_set.passage) if post else None
            if by_rule:
                if passage is None:
                    raise UserError(
                        f"Rules make notes of the author's own passages: set {BLOGS_VARIABLE} to the folder of posts."
                    )
                note_set = replace(note_set, by_rule=tuple(jot_down_passage(passage, f"{seed}:{file.stem}")))
            cases.append(DraftCase(file.stem, note_set, (), passage))
    if not cases:
        blogs = ", ".join(sorted({path.parent.name for path in list_set_files()}))
        raise UserError(f"There are no sets of notes of {blog} ({split}): there are sets of {blogs}.")
    return cases


def learnt_sources() -> tuple[str, ...]:
    """The files of the posts that this folder's twin learnt, each with a slash before it; none without a split."""
    if not (SPLIT_DIR / "train.jsonl").is_file():
        return ()
    learnt = {row["post_id"] for row in read_split("train")}
    return tuple(f"/{row['source']}" for row in read_jsonl(RAW_DIR / "posts.jsonl") if row["id"] in learnt)


class DraftingModels:
    """The twin of this project and, where `content` names a base, a model that writes plain sentences first. With
    `untrained`, the base model takes the twin's place, and is shown examples as the server shows them. A context
    manager."""

    def __init__(self, params: Params, content: str = "", untrained: bool = False) -> None:
        """Raises UserError where there is no twin, or no such base."""
        with contextlib.ExitStack() as stack:
            base = registry.resolve_base(params.train.base)
            if untrained:
                weights, ask, system = quantised_base(base, params.export.quantization), plain_messages, ""
            else:
                system = params.prepare.system
                weights, ask = require_twin(), functools.partial(trained_messages, system)
            self.weights = [weights]
            self.twin = stack.enter_context(NotesModel(weights, None, base.tokenizer(), ask, system))
            self.content = None
            if content:
                plain = registry.resolve_base(content)
                self.weights.append(plain.gguf)
                self.content = stack.enter_context(NotesModel(plain.gguf, None, plain.tokenizer(), plain_messages))
            self._open = stack.pop_all()

    def __enter__(self) -> "DraftingModels":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @functools.cached_property
    def tokens_per_second(self) -> float:
        """What this machine writes; where two models write, one after the other."""
        models = [self.twin] if self.content is None else [self.twin, self.content]
        return 1 / sum(1 / model.measure_speed() for model in models)

    def drafter(self, title: str, notes: str, seed: int, effort: Effort) -> Drafter | TwoModelDrafter:
        """The search for one set of notes."""
        lines = sum(line.kind == "claim" for line in parse_notes(notes))
        per_round = effort.candidates or candidates_for(effort.seconds, lines, self.tokens_per_second)
        if self.content is None:
            return self.twin.drafter(title, notes, seed, per_round)
        source = f"{title}\n{notes}"
        plain, voice = self.content.writer(source, "content"), self.twin.writer(source, "twin")
        return TwoModelDrafter(plain, voice, title, notes, seed, per_round)


def write_drafts(
    models: DraftingModels, system: str, cases: Sequence[DraftCase], params: Params, effort: Effort, key: str
) -> Iterable[Row]:
    """A row for each case: {name, system, counterfactual, notes, sentences: [text, status, lines], draft, seconds,
    first_seconds: until the first paragraph, candidates: in each round, peak_mb: of this process so far, made_by:
    `key`, see `draft_key`}."""
    for case in cases:
        started = time.perf_counter()
        title, notes, seed = case.note_set.title, case.note_set.as_text(), params.eval.seed
        if system in ("drafter", UNTRAINED):
            paragraphs, first_seconds = [], 0.0
            drafter = models.drafter(title, notes, seed, effort)
            candidates = drafter.per_round
            for paragraph in drafter.paragraphs():
                paragraphs.append(paragraph)
                first_seconds = first_seconds or time.perf_counter() - started
        else:
            candidates = NUM_WHOLE[system]
            texts = models.twin.write_whole(
                case.note_set.lines(), SamplingParams.from_params(params.eval), seed, candidates
            )
            paragraphs = as_paragraphs(best_of(texts, title, notes))
            first_seconds = time.perf_counter() - started
        yield {
            "name": case.name,
            "system": system,
            "counterfactual": bool(case.old_facts),
            "notes": notes,
            "sentences": [[s.text, s.status, list(s.lines)] for paragraph in paragraphs for s in paragraph.sentences],
            "draft": "\n\n".join(paragraph.text for paragraph in paragraphs),
            "seconds": round(time.perf_counter() - started, 2),
            "first_seconds": round(first_seconds, 2),
            "candidates": candidates,
            "peak_mb": round(memory.peak_mb()),
            "made_by": key,
        }


def draft_key(models: DraftingModels, params: Params, effort: Effort) -> str:
    """A hash of what decides a draft besides its notes: models, settings, and the code that drafts."""
    settings = [params.prepare.system, params.eval.model_dump(), *effort]
    return cache_key([*map(sha256_file, models.weights), *settings, code_fingerprint(DRAFTING_CODE)])


def write_systems(
    systems: Sequence[str], cases: dict[bool, list[DraftCase]], params: Params, effort: Effort, content: str, file: Path
) -> list[Row]:
    """The rows of all systems and cases, written to `file` as they are made. Those in `file` that the same models, code
    and notes made are kept, also of other systems. Prints each with the time that is left."""
    wanted = {(swapped, c.name, c.note_set.as_text()) for swapped, group in cases.items() for c in group}
    rows = [row for row in (read_jsonl(file) if file.is_file() else []) if _identity(row) in wanted]
    for system in systems:
        with DraftingModels(params, content, system == UNTRAINED) as models:
            key = draft_key(models, params, effort)
            rows = [row for row in rows if row["system"] != system or row.get("made_by") == key]
            have = {_identity(row) for row in rows if row["system"] == system}
            for swapped, group in cases.items():
                todo = [case for case in group if (swapped, case.name, case.note_set.as_text()) not in have]
                started = time.perf_counter()
                for done, row in enumerate(write_drafts(models, system, todo, params, effort, key), 1):
                    rows.append(row)
                    write_jsonl(file, rows)
                    left = (time.perf_counter() - started) / done * (len(todo) - done)
                    about = f"{done} of {len(todo)}, about {left:.0f} s left"
                    echo(f"{system} {row['name']}{' swapped' * swapped}: {row['seconds']} s ({about})")
    return rows


def score_row(row: Row, case: DraftCase, blog: str) -> DraftScore:
    """Judge a row of `write_drafts`. Raises UserError where it was written from other notes."""
    if row["notes"] != case.note_set.as_text():
        raise UserError(f"The draft {row['name']} was written from other notes than the set of that name has now.")
    if "sentences" in row:
        sentences = [DraftSentence(text, status, tuple(lines)) for text, status, lines in row["sentences"]]
        paragraphs = [DraftParagraph(sentences)]
    else:  # written before the statuses were kept
        paragraphs = as_paragraphs(row["draft"])
    order = shipped_word_order(blog)
    seconds = (row.get("seconds", 0.0), row.get("first_seconds", 0.0))
    return score_draft(case.name, case.note_set, paragraphs, *seconds, order, case.old_facts)


def score_passages(cases: Sequence[DraftCase], blog: str) -> list[DraftScore]:
    """The authors' own passages, judged as drafts are."""
    order = shipped_word_order(blog)
    return [
        score_draft(case.name, case.note_set, as_paragraphs(case.passage), 0.0, 0.0, order)
        for case in cases
        if case.passage is not None
    ]


def _identity(row: Row) -> tuple[bool, str, str]:
    """Which case a row is of, and from which notes."""
    return bool(row["counterfactual"]), row["name"], row["notes"]


def score_rows(rows: Sequence[Row], cases: dict[bool, list[DraftCase]], blog: str) -> dict[str, list[DraftScore]]:
    """{system, {system}_counterfactual, author: its drafts, judged}; rows of other cases are left out. Raises UserError
    where no row is of these cases."""
    by_name = {swapped: {case.name: case for case in group} for swapped, group in cases.items()}
    scores: dict[str, list[DraftScore]] = {}
    for row in rows:
        swapped = bool(row.get("counterfactual"))
        case = by_name.get(swapped, {}).get(row["name"])
        if case is not None:
            scores.setdefault(_system_of(row), []).append(score_row(row, case, blog))
    if not scores:
        raise UserError("None of the drafts is of these sets of notes.")
    own = score_passages(cases.get(False, []), blog)
    if own:
        scores["author"] = own
    else:
        echo(f"the authors' own passages are not scored: their posts are not here (set {BLOGS_VARIABLE})")
    return scores


def evaluate(rows: Sequence[Row], scores: dict[str, list[DraftScore]], params: Params) -> dict[str, Any]:
    """{system: figures}, {system}_counterfactual, author, and over_<rival>: drafter − rival. `scores`: of `rows`."""
    seed = params.eval.seed
    figures: dict[str, Any] = {name: summarise(found, seed) for name, found in scores.items()}
    for row in rows:
        found = figures.get(_system_of(row))
        if found is not None and "peak_mb" in row:
            found["peak_mb"] = max(found.get("peak_mb", 0), row["peak_mb"])
    statuses = Counter(
        sentence[1] for row in rows if _system_of(row) == "drafter" for sentence in row.get("sentences", ())
    )
    figures.get("drafter", {}).update({"sentences": dict(statuses)} if statuses else {})
    for rival in SYSTEMS[1:]:
        if rival in scores and "drafter" in scores:
            figures[f"over_{rival}"] = compare(scores["drafter"], scores[rival], seed) | _style(rows, rival, params)
    return figures


def judge(
    rows: Sequence[Row], cases: dict[bool, list[DraftCase]], blog: str, params: Params, about: dict[str, Any]
) -> dict[str, Any]:
    """What `evaluate` finds in these drafts. Writes it to artifacts/eval/drafting.json, with `about`, and the score of
    each draft beside it."""
    scores = score_rows(rows, cases, blog)
    figures = evaluate(rows, scores, params)
    write_json(EVAL_DIR / "drafting.json", nan_to_none(about | figures))
    write_jsonl(SCORES_FILE, ({"system": name} | one.to_row() for name, found in scores.items() for one in found))
    return figures


def _system_of(row: Row) -> str:
    """The key of a row's figures."""
    return row.get("system", "drafter") + ("_counterfactual" if row.get("counterfactual") else "")


def render_figures(figures: dict[str, Any]) -> str:
    """What `evaluate` found, a figure a line, with its interval."""
    lines = []
    for name, found in figures.items():
        lines.append(f"\n{name}")
        for key, value in found.items():
            if not key.endswith(("_lo", "_hi")):
                interval = f" [{found[f'{key}_lo']}, {found[f'{key}_hi']}]" if f"{key}_lo" in found else ""
                lines.append(f"  {key:26} {value}{interval}")
    return "\n".join(lines)


def _style(rows: Sequence[Row], rival: str, params: Params) -> dict[str, float]:
    """Style of the drafter's texts against the rival's; empty where this project has no posts of the author."""
    from corpus.examples import join_parts

    if not (SPLIT_DIR / "test.jsonl").is_file():
        echo(f"style is not measured: there is no {SPLIT_DIR}, with the author's posts")
        return {}
    texts: dict[str, dict[str, str]] = {}
    for row in rows:
        if not row.get("counterfactual"):
            texts.setdefault(row.get("system", "drafter"), {})[row["name"]] = row["draft"]
    shared = [name for name in texts["drafter"] if name in texts[rival]]
    ours, theirs = ([texts[system][name] for name in shared] for system in ("drafter", rival))
    held_out = list(join_parts(read_split("test", "valid")).values())
    training = list(join_parts(read_split("train")).values())
    return style_difference(
        held_out, load_reference_authors(params, training + held_out), ours, theirs, params.eval.seed
    )
