"""Does the verdict hold? One twin is measured again and again, with other texts each time, and so are its re-trainings;
what must never pass is measured as often.

A run writes each held-out prompt once, and more where a gate is near its line, as stage 07 does. The rivals' texts are
those of the scorecard. What was written is cached, so a run that broke off goes on.

Cheats: `verbatim` copies of training posts, Markov chains of order 1 and 2, the author's own posts with their words
shuffled, in lower case, or with one sentence over and over, and the base model's texts.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blogtwin.config import Params
from blogtwin.console import track
from blogtwin.models.gguf_export import quantised_base
from eval import baselines, fluency, memorization, run, verdict
from eval.collect import OutputCollector
from eval.gates import Outcome, write_until_decided
from eval.scorecard import CorpusTexts, Measurements, texts_by_system
from eval.style.metrics import style_metrics
from eval.systems import System

if TYPE_CHECKING:
    from blogtwin.models.registry import BaseModelFiles

CLOSER = "closer"
FIRST_ROUND = 100  # the scorecard itself writes rounds 0 to 4
ROUNDS_PER_RUN = 10
MIN_LENGTH = 100  # words of a cheat
Texts = dict[str, list[str]]


def cheats(posts: CorpusTexts, base: list[str], length: int, runs: int) -> Texts:
    """{"name 1", …: a text for each prompt} of every cheat, `runs` times, each with a seed of its own. `length`: words
    of those that can be of any length."""
    own, n, length = [example["output"] for example in posts.prompts], len(posts.prompts), max(MIN_LENGTH, length)
    found: Texts = {}
    for seed in range(1, runs + 1):
        found |= {
            f"verbatim {seed}": baselines.copy_verbatim(posts.training, n, seed),
            f"markov of order 1 {seed}": baselines.markov_text(posts.training, n, length, 1, seed),
            f"markov of order 2 {seed}": baselines.markov_text(posts.training, n, length, 2, seed),
            f"shuffled {seed}": baselines.shuffle_words(own, seed),
        }
    # Nothing is drawn for these.
    found["one sentence 1"] = baselines.repeat_sentence(own, length)
    found["lower case 1"] = [text.lower() for text in own]
    found["base 1"] = base
    return found


def outcome(evidence: verdict.Evidence) -> str:
    """`closer`, or why not: the first gate that failed or can't tell, or the rivals."""
    if verdict.beats_prompting(evidence):
        return CLOSER
    for wanted, said in ((Outcome.FAILED, "failed"), (Outcome.UNDECIDED, "can't tell")):
        for gate, (found, _) in verdict.judge_gates(evidence).items():
            if found is wanted:
                return f"{said}: {gate}"
    return "not above the rivals"


def count_outcomes(outcomes: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """{what was measured: {outcome: how often}} of {"name 1": outcome, …}."""
    counts: dict[str, dict[str, int]] = {}
    for name, found in outcomes.items():
        group = counts.setdefault(name.rpartition(" ")[0], {})
        group[found] = group.get(found, 0) + 1
    return counts


def repeat_verdict(
    params: Params, base: "BaseModelFiles", twins: Mapping[str, Sequence[Path]], runs: int, rows: list[dict[str, Any]]
) -> dict[str, dict[str, int]]:
    """What the verdict says: `count_outcomes` of `runs` runs of this folder's twin, of one run of each GGUF in `twins`,
    by what they are, and of all cheats. `rows`: of the scorecard's base.jsonl, and of its twin."""
    posts, impostors, _ = run.scorecard_inputs(params)
    base_collector = OutputCollector(quantised_base(base, params.export.quantization), base, params)
    texts = texts_by_system(rows, posts, params.eval.seed)
    system = System("twin", params.prepare.system)
    writers: dict[str, Callable[[int], list[str]]] = {}

    def add_writer(name: str, gguf: Path, first_round: int) -> None:
        collector = OutputCollector(gguf, base, params)
        writers[name] = lambda number: collector.write_again(system, posts.prompts, first_round + number)

    for number in range(1, runs + 1):
        add_writer(f"the twin {number}", run.require_twin(), FIRST_ROUND + ROUNDS_PER_RUN * number)
    for name, files in twins.items():
        for number, file in enumerate(files, 1):
            add_writer(f"{name} {number}", file, 0)
    for name, write in track(list(writers.items()), "writing"):
        texts[name] = write(0)
    texts |= cheats(posts, texts["base"], memorization.median_words(texts["twin"]), runs)
    measured = Measurements(
        posts,
        copies := memorization.copy_metrics(texts, posts.training),
        fluent := fluency.compare_fluency(texts, posts.held_out, base_collector.base_bits_per_byte),
        style_metrics(texts, posts.held_out, impostors, params.eval.seed),
    )
    outcomes = {}
    for name in track([one for one in texts if one[-1].isdigit()], "judging"):
        evidence = measured.evidence(name)
        if name in writers:

            def add_round(found: verdict.Evidence, number: int, name: str = name) -> verdict.Evidence:
                more = writers[name](number)
                return found.plus(
                    copies.count_over_limit(more), fluent.count_inside(more, base_collector.base_bits_per_byte)
                )

            evidence = write_until_decided(evidence, lambda found: bool(verdict.undecided_gates(found)), add_round)
        outcomes[name] = outcome(evidence)
    return count_outcomes(outcomes)
