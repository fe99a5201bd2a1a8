"""The scorecard: from what the systems wrote and scored to metrics, samples and the verdict.

Each family of metrics is measured in a module of its own, which returns {system: {metric: value}}; they are merged
here. Metrics are numbers only; `_lo` and `_hi` beside a value are the ends of its 95 % interval. Old names of the keys
are in eval/renamed_metrics.py.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from blogtwin.files import nan_to_none
from eval import baselines, fluency, gates, grounding, likelihood, memorization, relevance, samples, shape, verdict
from eval.detectability import detectability_metrics
from eval.reference_overlap import overlap_metrics
from eval.style.impostors import Impostors
from eval.style.metrics import StyleMetrics, style_metrics
from eval.style.profile import profile_metrics
from eval.style.verification import VERIFIER_NAMES
from eval.suites.metrics import suite_metrics

NOT_MODELS = ("author", *baselines.BASELINES)
MIN_MARKOV_WORDS = 100


@dataclass
class CorpusTexts:
    """The author's posts."""

    prompts: list[dict[str, Any]]  # the held-out examples that were written again
    held_out: list[str]  # all posts that the model was not trained on
    training: list[str]  # those that it was trained on
    titles: list[str]  # of the training posts
    leaked_posts: int  # posts that are both in training and among the held-out ones


@dataclass
class Scorecard:
    """Everything that stage 07 writes."""

    metrics: dict[str, Any]
    samples: list[dict[str, Any]]
    style_features: dict[str, dict[str, list[float]]]  # {system: {feature: one value a text}}, for the picture
    verdict: str
    advice: list[str]
    failed_gates: dict[str, str]  # {gate: why}
    undecided_gates: dict[str, str]
    by_post: list[dict[str, Any]]  # {"post", "base", "twin"}: bits per byte
    attributions: list[tuple[str, str]]  # (who wrote a text, who the verifier says did)


@dataclass(frozen=True)
class Measurements:
    """What the verdict on each system is made from."""

    posts: CorpusTexts
    copies: memorization.CopyMetrics
    fluency: fluency.FluencyComparison
    style: StyleMetrics

    def evidence(self, system: str) -> verdict.Evidence:
        """All that the rule in eval/verdict.py asks of one system."""
        scores = self.style.scores
        margins: dict[str, list[tuple[str, float]]] = {}
        levels: dict[str, tuple[float, float]] = {}
        if scores:
            for rival in ("five_shot", "swap"):
                if rival in self.copies.texts and rival != system:
                    margins[rival] = [(name, scores[name].difference(system, rival)[1]) for name in VERIFIER_NAMES]
            for name in VERIFIER_NAMES:
                levels[name] = (scores[name].mean[system], scores[name].interval(system)[0])
        return verdict.Evidence(
            shared_posts=self.posts.leaked_posts,
            copying=gates.Count(self.copies.over_limit(system), len(self.copies.texts[system])),
            fluent={measure: self.fluency.inside[system][measure] for measure in verdict.FLUENCY_MEASURES},
            not_measurable=self.style.unmeasurable,
            margins=margins,
            style=levels,
        )


def texts_by_system(rows: list[dict[str, Any]], posts: CorpusTexts, seed: int) -> dict[str, list[str]]:
    """{system: its text for each prompt}: the models, the author, and two adversarial baselines."""
    texts: dict[str, list[str]] = {}
    for row in rows:
        if "id" in row:
            texts.setdefault(row["system"], []).append(row["text"])
    n, words = len(posts.prompts), memorization.median_words(texts["twin"])
    texts["author"] = [example["output"] for example in posts.prompts]
    texts["verbatim"] = baselines.copy_verbatim(posts.training, n, seed)
    texts["markov"] = baselines.markov_text(posts.training, n, max(MIN_MARKOV_WORDS, words), 2, seed)
    return texts


def build_scorecard(
    rows: list[dict[str, Any]],
    posts: CorpusTexts,
    impostors: Impostors,
    base_bits_per_byte: Callable[[list[str], int], list[float]],
    seed: int,
    briefs: list[str],
    write_again: Callable[[int], list[str]] | None = None,
) -> Scorecard:
    """The scorecard of the rows that eval/collect.py collected.

    `base_bits_per_byte(texts, tokens)` scores the first tokens of texts under the base model; `briefs` are the title
    and topics of each prompt. `write_again(round)` gives the twin's text for each prompt once more, with other seeds in
    each round: it is asked where a gate is near its line, and these texts count for the gates alone.
    """
    texts = texts_by_system(rows, posts, seed)
    models = [name for name in texts if name not in NOT_MODELS]
    likely = likelihood.likelihood_metrics(rows)
    copies = memorization.copy_metrics(texts, posts.training)
    style = style_metrics(texts, posts.held_out, impostors, seed)
    fluent = fluency.compare_fluency(texts, posts.held_out, base_bits_per_byte)
    profiles = profile_metrics(texts, models, posts.held_out)
    notes, notes_gain = grounding.grounding_metrics([row for row in rows if "notes" in row], seed)
    families: dict[str, dict[str, Any]] = {
        "likelihood": likely.by_system,
        "copying": _merge(copies.by_system, memorization.extraction_metrics(rows)),
        "style": style.by_system,
        "fluency": fluent.by_system,
        "topic": relevance.relevance_metrics(texts, briefs),
        "shape": shape.shape_metrics(texts, rows, models),
        "habits": profiles.by_system,
        "overlap": overlap_metrics(texts, models),
        "c2st_auc": detectability_metrics(texts, models, seed),
        "suites": suite_metrics(rows, posts.training),
        "notes": notes,
    }
    measured = Measurements(posts, copies, fluent, style)
    evidence = {name: measured.evidence(name) for name in texts if name != "author"}
    if write_again:

        def add_round(found: verdict.Evidence, number: int) -> verdict.Evidence:
            more = write_again(number)
            return found.plus(copies.count_over_limit(more), fluent.count_inside(more, base_bits_per_byte))

        evidence["twin"] = gates.write_until_decided(
            evidence["twin"], lambda found: not found.shared_posts and bool(verdict.undecided_gates(found)), add_round
        )
    families["verdict"] = {name: _verdict_flags(one) for name, one in evidence.items()}
    metrics = _by_system(families, list(texts))
    metrics["gain"] = {"bits_per_byte": likely.gain}
    if style.scores:
        metrics["verifier"] = style.verifier
        metrics["gain"]["style"] = style.gain
    if notes_gain:
        metrics["gain"]["notes"] = notes_gain
    metrics["n"] = _counts(posts, impostors)
    score = style.by_system["twin"]
    interval = (score["masked"], score["masked_lo"], score["masked_hi"])
    figures = samples.TextFigures(copies.texts, style.scores, posts.titles, style.sentences)
    return Scorecard(
        metrics=nan_to_none(metrics),
        samples=samples.build_samples(rows, models, posts.prompts, briefs, figures),
        style_features=profiles.values,
        verdict=verdict.verdict_text(evidence["twin"], interval, len(posts.prompts)),
        advice=verdict.next_steps(evidence["twin"], metrics),
        failed_gates=verdict.failed_gates(evidence["twin"]),
        undecided_gates=verdict.undecided_gates(evidence["twin"]),
        by_post=_bits_per_byte_by_post(rows, posts.prompts),
        attributions=style.attributions,
    )


def _counts(posts: CorpusTexts, impostors: Impostors) -> dict[str, int]:
    """How much the figures rest on."""
    return {
        "prompts": len(posts.prompts),
        "held_out_posts": len(posts.held_out),
        "training_posts": len(posts.training),
        "impostors": len(impostors.names),
    }


def _merge(one: dict[str, dict], other: dict[str, dict]) -> dict[str, dict]:
    """The metrics of two modules that make up one family."""
    return {name: {**one.get(name, {}), **other.get(name, {})} for name in [*one, *(n for n in other if n not in one)]}


def _by_system(families: dict[str, Any], systems: list[str]) -> dict[str, Any]:
    """{family: {system: values}} → {system: {family: values}}; `systems` come first, in their order."""
    metrics: dict[str, Any] = {name: {} for name in systems}
    for family, by_system in families.items():
        for name, values in by_system.items():
            metrics.setdefault(name, {})[family] = values
    return metrics


def _verdict_flags(evidence: verdict.Evidence) -> dict[str, int | None]:
    """1 for every gate that is passed, 0 for one that failed, none where nobody can tell; 1 for the claim; and how many
    texts the gates counted."""
    values = {gates.Outcome.PASSED: 1, gates.Outcome.FAILED: 0, gates.Outcome.UNDECIDED: None}
    flags = {gate: values[outcome] for gate, (outcome, _) in verdict.judge_gates(evidence).items()}
    return {
        **flags,
        "closer_than_prompting": int(verdict.beats_prompting(evidence)),
        "counted_texts": evidence.copying.texts,
    }


def _bits_per_byte_by_post(rows: list[dict[str, Any]], prompts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each held-out post's under base and twin."""
    scored = {(row["system"], row["id"]): row["read"] for row in rows if row.get("read")}
    by_post = []
    for example in prompts:
        entry = {"post": example["post_id"]}
        for name in ("base", "twin"):
            entry[name] = likelihood.bits_per_byte([scored[name, example["id"]]])
        by_post.append(entry)
    return by_post
