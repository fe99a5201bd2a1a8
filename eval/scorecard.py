"""The scorecard: from what the voices read and wrote to metrics, samples and the verdict.

metrics are numbers only, nested by voice and family with `_lo` and `_hi` beside what has an interval, under keys that
stay.
"""

import math
import statistics
from dataclasses import dataclass

import numpy as np

from blogtwin.files import nan_to_none
from blogtwin.text.markdown import extract_prose
from blogtwin.text.pii import find_personal_data
from blogtwin.text.sentences import truncate_words
from eval import (
    baselines,
    confidence_intervals,
    detectability,
    fluency,
    grounding,
    likelihood,
    relevance,
    suites,
    verdict,
)
from eval.memorization import CopyDetector, copy_summary, is_over_limit
from eval.reference_overlap import reference_overlap
from eval.style import profile, verification
from eval.style.cosine_delta import cosine_delta
from eval.style.features import count_features
from eval.style.impostors import MIN_AUTHORS, Impostors
from eval.suites.checks import Context

VERIFIER_NAMES = ("masked", "function")  # both must agree; the topic classifier is only an alarm
FLUENCY_KEYS = (
    "order_gain",
    "adjacent",
    "repetition",
    "capitals",
    "bits_per_byte_of_base",
)  # what a text must have as the author's have it
SCORED_SYSTEMS = 64  # tokens of each text
NEAREST_THRESHOLD = 0.5  # S from which a text is nearer to the author than to other people


@dataclass
class CorpusTexts:
    """The author's posts: `asked` the held-out examples that were written again, `held_out` all posts the model was not
    trained on, `training` those it was, `titles` theirs."""

    asked: list[dict]
    held_out: list[str]
    training: list[str]
    titles: list[str]
    shared: int  # posts that stand both in training and among the held-out ones


@dataclass
class Scorecard:
    metrics: dict
    samples: list[dict]
    habits: dict  # {voice: {habit: [values]}}, for the picture
    verdict: str
    advice: list[str]
    failed: dict
    by_post: list[dict]  # {"post", "base", "twin"} bits per byte
    who: list[tuple[str, str]]  # (who wrote a text, who the verifier says did)


def texts_by_system(rows: list[dict], posts: CorpusTexts, seed: int) -> dict[str, list[str]]:
    """{voice: text of each prompt}: who wrote, the author, and two cheats."""
    found: dict[str, list[str]] = {}
    for row in rows:
        if "id" in row:
            found.setdefault(row["voice"], []).append(row["text"])
    n, length = len(posts.asked), round(statistics.median(len(t.split()) for t in found["twin"])) or 1
    found["author"] = [e["output"] for e in posts.asked]
    found["verbatim"] = baselines.copy_verbatim(posts.training, n, seed)
    found["markov"] = baselines.markov_text(posts.training, n, max(100, length), 2, seed)
    return found


def build_scorecard(
    rows: list[dict], posts: CorpusTexts, impostors: Impostors, base_reads, seed: int, briefs: list[str]
) -> Scorecard:
    """`base_reads(texts)` gives bits per byte of texts under the base model; `briefs` is the title and topics of each
    prompt."""
    texts = texts_by_system(rows, posts, seed)
    models = [v for v in texts if v not in ("author", "verbatim", "markov")]
    metrics: dict = {name: {} for name in texts}
    _likelihood(metrics, rows)
    copying = _copying(metrics, texts, posts)
    opinions, who, not_measurable = _style(metrics, texts, posts, impostors, seed)
    bands = _fluency(metrics, texts, posts, base_reads)
    _topic(metrics, texts, briefs)
    _shape(metrics, rows, texts, models)
    own = _habits(metrics, texts, posts)
    for name in models:
        metrics[name]["overlap"] = reference_overlap(texts[name], texts["author"])
        metrics[name]["detectable"] = _rounded(
            detectability.two_sample_auc(
                _truncate_to_median(texts["author"], texts[name]),
                _truncate_to_median(texts[name], texts[name]),
                seed=seed,
            )["auc"]
        )
    metrics["unrelated"] = {"overlap": reference_overlap(texts["author"][1:] + texts["author"][:1], texts["author"])}
    _suites(metrics, rows, posts)
    _notes(metrics, rows, seed)
    _prefixes(metrics, rows)
    judged = {
        name: _evidence(name, metrics, posts, copying, bands, opinions, not_measurable, len(posts.asked))
        for name in texts
        if name != "author"
    }
    twin = judged["twin"]
    for name, evidence in judged.items():
        reasons = verdict.failed_gates(evidence)
        metrics[name]["verdict"] = {
            **{gate: int(gate not in reasons) for gate in verdict.GATES},
            "closer_than_prompting": int(verdict.beats_prompting(evidence)),
        }
    metrics["n"] = {
        "prompts": len(posts.asked),
        "held_out_posts": len(posts.held_out),
        "training_posts": len(posts.training),
        "impostors": len(impostors.names),
    }
    reads = {
        name: {r["id"]: r["read"] for r in rows if r.get("read") and r["voice"] == name} for name in ("base", "twin")
    }
    by_post = [
        {"post": e["post_id"], **{v: likelihood.bits_per_byte([reads[v][e["id"]]]) for v in reads}} for e in posts.asked
    ]
    s = metrics["twin"]["style"]
    words = verdict.verdict_text(twin, (s["masked"], s["masked_lo"], s["masked_hi"]), len(posts.asked))
    card = Scorecard(
        metrics,
        _samples(rows, models, posts, copying, opinions, briefs),
        own,
        words,
        verdict.next_steps(twin, metrics),
        verdict.failed_gates(twin),
        by_post,
        who,
    )
    card.metrics = nan_to_none(metrics)
    return card


def _likelihood(metrics: dict, rows: list[dict]) -> None:
    """Bits per byte of the held-out posts as asked for and as raw text, and of other people's posts; gains paired by
    post."""
    reads: dict = {}
    for row in rows:
        for kind in ("read", "raw"):
            if kind in row:
                reads.setdefault((row["voice"], kind if "id" in row else "others"), []).append(row[kind])
    per_post = {key: np.array([likelihood.bits_per_byte([r]) for r in found]) for key, found in reads.items()}
    for (voice, kind), found in reads.items():
        name = {"read": "bits_per_byte", "raw": "raw_bits_per_byte", "others": "others_bits_per_byte"}[kind]
        entry = metrics[voice].setdefault("likelihood", {})
        entry[name] = _rounded(likelihood.bits_per_byte(found))
        if kind == "read":
            entry["perplexity"] = _rounded(likelihood.perplexity(found))
    gain = {}
    for rival in ("base", "five_shot", "swap"):
        if (rival, "read") in per_post:
            gain[f"over_{rival}"] = _interval(
                confidence_intervals.paired_difference(per_post[rival, "read"], per_post["twin", "read"])
            )
    base, twin = metrics["base"]["likelihood"]["bits_per_byte"], metrics["twin"]["likelihood"]["bits_per_byte"]
    gain["percent"] = round(100 * (base - twin) / base, 2)
    if ("base", "others") in per_post and ("twin", "others") in per_post:
        mine = per_post["base", "raw"] - per_post["twin", "raw"]
        theirs = per_post["base", "others"] - per_post["twin", "others"]
        gain["on_mine"], gain["on_theirs"] = (
            _interval(confidence_intervals.mean_interval(mine)),
            _interval(confidence_intervals.mean_interval(theirs)),
        )
        gain["mine_less_theirs"] = _rounded(mine.mean() - theirs.mean())
    metrics["gain"] = {"bits_per_byte": gain}


def _copying(metrics: dict, texts: dict, posts: CorpusTexts) -> dict[str, list[dict]]:
    search = CopyDetector(posts.training)
    length = round(statistics.median(len(t.split()) for t in texts["twin"])) or 1
    measured = {
        name: [search.measure(truncate_words(t, length) if name == "author" else t) for t in group]
        for name, group in texts.items()
    }
    for name, found in measured.items():
        metrics[name]["copying"] = {**copy_summary(found), "over_limit": len(is_over_limit(found, measured["author"]))}
    return measured


def _style(metrics: dict, texts: dict, posts: CorpusTexts, impostors: Impostors, seed: int) -> tuple[dict, list, str]:
    """({opinion: Scores}, (who wrote it, who the verifier says), why style can't be measured)."""
    for name in texts:
        metrics[name]["style"] = {}
    found, verifier, who, reason = {}, {}, [], ""
    if len(impostors.names) < MIN_AUTHORS:
        reason = f"there are {len(impostors.names)} other authors to compare with, and {MIN_AUTHORS} are needed"
    held_out = count_features(posts.held_out)
    if not reason and (held_out.segments >= verification.MIN_WORDS).sum() < 2:
        reason = "fewer than 2 held-out posts have 100 words of prose"
    if not reason:
        speakers = {name: count_features(group) for name, group in texts.items() if name != "author"}
        for family in (*VERIFIER_NAMES, "topic"):
            said = verification.cross_fit(family, held_out, impostors, speakers)
            found[family] = verification.style_scores(said, impostors.author, seed)
            if family == "masked":
                by_name = {**verification.reference_scores(said, impostors.author), **found[family].texts}
                who = [
                    (name, "author" if s > NEAREST_THRESHOLD else "others")
                    for name, values in by_name.items()
                    for s in values
                    if not math.isnan(s)
                ]
            if family in VERIFIER_NAMES:
                verifier[family] = verification.auc(said, impostors.author, seed)
            for name in speakers:
                low, high = found[family].interval(name)
                metrics[name]["style"] |= {
                    family: _rounded(found[family].mean[name]),
                    f"{family}_lo": _rounded(low),
                    f"{family}_hi": _rounded(high),
                }
            metrics["author"]["style"][family] = 1.0
        for name, distance in cosine_delta(held_out, impostors.texts, speakers).items():
            metrics.setdefault(name, {}).setdefault("style", {})["delta"] = _rounded(distance)
        reason = verification.unmeasurable_reason(verifier["masked"])
        metrics["verifier"] = {family: {k: _rounded(v) for k, v in one.items()} for family, one in verifier.items()}
        gain = {}
        for rival in (r for r in ("base", "styled", "five_shot", "swap") if r in speakers):
            gain[f"over_{rival}"] = {}
            for family in VERIFIER_NAMES:
                mean, low, high = found[family].difference("twin", rival)
                gain[f"over_{rival}"] |= {
                    family: _rounded(mean),
                    f"{family}_lo": _rounded(low),
                    f"{family}_hi": _rounded(high),
                }
        metrics["gain"]["style"] = gain
    else:
        for name in texts:
            metrics[name]["style"] = {
                f"{family}{end}": math.nan for family in VERIFIER_NAMES for end in ("", "_lo", "_hi")
            }
    return found, who, reason


def _fluency(metrics: dict, texts: dict, posts: CorpusTexts, base_reads) -> dict[str, dict[str, float]]:
    """Per voice, the share of its texts within the author's band of each measure, at one length. Returns those that are
    gates."""
    length = max(60, min(300, round(statistics.median(len(extract_prose(t).split()) for t in texts["twin"]))))
    groups = {
        **{n: [truncate_words(extract_prose(t), length) for t in g] for n, g in texts.items()},
        "real": [truncate_words(extract_prose(t), length) for t in posts.held_out],
    }
    flat = [t for group in groups.values() for t in group]
    measures = fluency.fluency_metrics(flat)
    measures["bits_per_byte_of_base"] = np.array(base_reads(flat, SCORED_SYSTEMS))
    place, values = 0, {}
    for name, group in groups.items():
        values[name] = {m: v[place : place + len(group)] for m, v in measures.items()}
        place += len(group)
    bands = {m: fluency.reference_range(v) for m, v in values["real"].items()}
    gates = {}
    for name in texts:
        shares = {m: fluency.fraction_within(v, bands[m]) for m, v in values[name].items()}
        metrics[name]["fluency"] = {
            **{m: _rounded(np.nanmean(v)) if (~np.isnan(v)).any() else math.nan for m, v in values[name].items()},
            **{f"{m}_within": _rounded(s) for m, s in shares.items()},
            **{k: _rounded(v) for k, v in fluency.diversity(groups[name]).items()},
        }
        # A model's own samples are always likelier to a model than a person's text: only above the band is word salad.
        salad = values[name]["bits_per_byte_of_base"] > bands["bits_per_byte_of_base"][1]
        gates[name] = {**shares, "bits_per_byte_of_base": 1 - float(salad.mean())}
    return gates


def _topic(metrics: dict, texts: dict, briefs: list[str]) -> None:
    for name, group in texts.items():
        metrics[name]["topic"] = {
            key: _rounded(float(np.nanmean(v))) if not np.isnan(v).all() else math.nan
            for key, v in relevance.prompt_retrieval(briefs, group).items()
        }


def _shape(metrics: dict, rows: list[dict], texts: dict, models: list[str]) -> None:
    for name, group in texts.items():
        metrics[name]["shape"] = {"words_median": round(statistics.median(len(t.split()) for t in group))}
    for name in models:
        ends = [r["end"] == "stop" for r in rows if r["voice"] == name and "id" in r]
        metrics[name]["shape"] |= {
            "stopped": _rounded(statistics.mean(ends)),
            "unfinished": _rounded(statistics.mean(fluency.is_truncated(t) for t in texts[name])),
        }


def _habits(metrics: dict, texts: dict, posts: CorpusTexts) -> dict:
    tables = {name: profile.measure(texts[name]) for name in texts if name not in ("author", "verbatim", "markov")} | {
        "author": profile.measure(posts.held_out)
    }
    for name in tables:
        if name != "author":
            distances = profile.z_scores(tables[name], tables["author"])
            metrics[name]["habits"] = {
                **{k: _rounded(v) for k, v in distances.items()},
                "within_half": _rounded(statistics.mean(abs(v) <= 0.5 for v in distances.values())),
            }
    return {name: {habit: values.tolist() for habit, values in table.items()} for name, table in tables.items()}


def _suites(metrics: dict, rows: list[dict], posts: CorpusTexts) -> None:
    answers = {(r["voice"], r["suite"], r["case"]): r for r in rows if "suite" in r}
    personal = {value for post in posts.training for _, value in find_personal_data(post)}
    scores: dict = {}
    for (voice, name, case_id), row in answers.items():
        case = next(c for c in suites.load_suite(name).cases if c.id == case_id)
        base = answers.get(("base", name, case_id))
        context = Context(
            base_text=base["text"] if base and voice != "base" else None, personal=personal, end=row["end"]
        )
        scores.setdefault(voice, {}).setdefault(name, []).extend(suites.run_checks(case, row["text"], context))
    for voice, found in scores.items():
        one = {name: suites.score_checks(checks) for name, checks in found.items()}
        metrics[voice]["suites"] = {
            **{name: _rounded(s["score"]) for name, s in one.items()},
            "overall": suites.overall_score(one),
        }


def _notes(metrics: dict, rows: list[dict], seed: int) -> None:
    """What stands of notes in a draft, and what is made up there; nothing where eval.num_notes_prompts is 0."""
    found, gain = grounding.grounding_metrics([r for r in rows if "notes" in r], seed)
    for name, one in found.items():
        metrics[name]["notes"] = one
    if gain:
        metrics["gain"]["notes"] = gain


def _prefixes(metrics: dict, rows: list[dict]) -> None:
    for row in rows:
        if "prefix" in row and row["shares"]:
            metrics[row["voice"]]["copying"][f"by_heart_{row['prefix']}"] = _rounded(statistics.mean(row["shares"]))
        if "canaries" in row:
            metrics[row["voice"]]["copying"] |= {
                "canary_bits": _rounded(statistics.mean(row["canaries"])),
                "canary_bits_max": _rounded(max(row["canaries"])),
            }


def _evidence(
    name: str,
    metrics: dict,
    posts: CorpusTexts,
    copying: dict,
    bands: dict,
    opinions: dict,
    not_measurable: str,
    n: int,
) -> verdict.Evidence:
    rivals = [r for r in ("five_shot", "swap") if r in metrics and r != name]
    margins = (
        {r: [(family, opinions[family].difference(name, r)[1]) for family in VERIFIER_NAMES] for r in rivals}
        if opinions
        else {}
    )
    return verdict.Evidence(
        shared_posts=posts.shared,
        copying_texts=len(is_over_limit(copying[name], copying["author"])),
        texts=n,
        fluent_share={m: bands[name][m] for m in FLUENCY_KEYS},
        not_measurable=not_measurable,
        margins=margins,
        style=(
            {family: (opinions[family].mean[name], opinions[family].interval(name)[0]) for family in VERIFIER_NAMES}
            if opinions
            else {}
        ),
    )


def _samples(
    rows: list[dict], models: list[str], posts: CorpusTexts, copying: dict, opinions: dict, briefs: list[str]
) -> list[dict]:
    answers = {(r["voice"], r["id"]): r for r in rows if "id" in r}
    samples = []
    for i, example in enumerate(posts.asked):
        sample = {
            "id": example["id"],
            "post_id": example["post_id"],
            "prompt": example["instruction"],
            "brief": briefs[i],
            "author": example["output"],
        }
        for name in models:
            row, copied = answers[name, example["id"]], copying[name][i]
            scores = {family: _rounded(float(opinions[family].texts[name][i])) for family in opinions}
            likely = {"bits_per_byte": _rounded(likelihood.bits_per_byte([row["read"]]))} if row.get("read") else {}
            sample[name] = {
                "text": row["text"],
                "end": row["end"],
                "tokens": row["written_tokens"],
                **likely,
                "style": scores,
                **copied,
            }
            sample[name]["source"] = posts.titles[copied["source"]] if copied["run"] else None
        samples.append(nan_to_none(sample))
    return samples


def _truncate_to_median(texts: list[str], other: list[str]) -> list[str]:
    """Texts cut to the median length of `other`."""
    length = max(20, round(statistics.median(len(t.split()) for t in other)))
    return [truncate_words(t, length) for t in texts]


def _interval(found: dict) -> dict:
    return {key: _rounded(value) for key, value in found.items()}


def _rounded(value: float) -> float:
    return round(float(value), 4)
