"""The scorecard's numbers on inputs whose answer is known."""

import math
import zlib

import numpy as np
import pytest

from blogtwin.models import chat
from blogtwin.models import registry as bases
from blogtwin.models.llama_cpp import LlamaModel
from blogtwin.sampling import SamplingParams
from blogtwin.text.markdown import extract_prose
from corpus import cleaning, readers
from eval import baselines, canaries, confidence_intervals, likelihood, reference_overlap, scorecard, systems, verdict
from eval.gates import Count
from eval.memorization import CopyDetector, texts_over_limit
from eval.style import cosine_delta, impostors, profile
from eval.style.features import count_features, mask_content_words
from eval.style.verification import _auc
from tests.support.workspace import ROOT


@pytest.fixture(scope="module")
def sample():
    """Texts of the sample blog, oldest first."""
    paths = sorted((ROOT / "data/sample").glob("*.md"))
    return [cleaning.clean_markdown(readers.read_post(p, 1e9).text) for p in paths]


def test_bits_per_byte_and_perplexity_by_hand():
    """8 bytes at ln 2 nats each are 8 bits: one per byte; posts are summed before they are divided."""
    rows = [{"nats": 8 * math.log(2), "bytes": 8, "tokens": 2}, {"nats": 0.0, "bytes": 8, "tokens": 6}]
    assert likelihood.bits_per_byte(rows) == pytest.approx(0.5)
    assert likelihood.perplexity(rows) == pytest.approx(2.0)


def test_a_long_post_is_read_in_windows_and_each_token_once(monkeypatch):
    """Half a window stands before every token after the first window; nats are summed over all of them."""
    monkeypatch.setattr(likelihood, "WINDOW_TOKENS", 8)
    monkeypatch.setattr(likelihood, "STRIDE_TOKENS", 4)
    asked = []

    class Model:
        def log_likelihoods(self, before, ids):
            asked.append((before, ids))
            return -np.array(ids, float)

    def tokenizer(text, **_):
        return {"input_ids": [int(w) for w in text.split()]}

    row = likelihood.score_ids(Model(), [90, 91], " ".join(map(str, range(1, 16))), tokenizer)
    assert [ids for _, ids in asked] == [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10], [11, 12, 13, 14], [15]]
    assert [before for before, _ in asked] == [[90, 91], [3, 4, 5, 6], [7, 8, 9, 10], [11, 12, 13, 14]]
    assert row["nats"] == sum(range(1, 16)) and row["tokens"] == 15


def test_a_canary_that_is_known_is_exposed_and_another_is_not():
    """Ranked first of 200: log2(200) bits; ranked anywhere by chance: about 1.4 bits on average; the same seed plants
    the same."""
    planted = canaries.make_canaries(12, 7)
    assert (
        planted == canaries.make_canaries(12, 7) != canaries.make_canaries(12, 8)
        and len({c.text for c in planted}) == 12
    )
    known = [canaries.exposure(lambda text, c=c: 0.0 if c.secret in text else -1.0, c, 7) for c in planted]
    assert known == [pytest.approx(math.log2(200))] * 12
    chance = [canaries.exposure(lambda text: float(zlib.crc32(text.encode())), c, 7) for c in planted]
    assert min(chance) >= 0 and 0.2 < np.mean(chance) < 3


def test_cosine_delta_is_least_for_the_author(sample):
    """Unseen posts of the author lie nearer to his other posts than any other people's do."""
    people = impostors.load_impostors()
    found = cosine_delta.cosine_delta(
        count_features(sample[:20]),
        people.texts,
        {"twin": count_features(sample[20:30]), "none": count_features(["Too short."])},
    )
    assert found["author"] == pytest.approx(found["twin"], abs=0.15) and found["twin"] < found["others"] - 0.3
    assert math.isnan(found["none"])


def test_the_area_under_the_curve_is_scikit_learns():
    """With ties, and with one value on a side."""
    from sklearn.metrics import roc_auc_score

    random = np.random.default_rng(0)
    for _ in range(50):
        own, other = (random.integers(low, low + 8, random.integers(1, 20)).astype(float) for low in (0, 3))
        expected = roc_auc_score(np.r_[np.ones(len(own)), np.zeros(len(other))], np.r_[own, other])
        assert _auc(own, other) == pytest.approx(expected, abs=1e-12)


@pytest.mark.slow
def test_likelihood_counts_the_authors_bytes_and_nothing_else(tiny):
    """nats are those of transformers for the same tokens; the prompt is masked; bytes are UTF-8 of what was read."""
    import torch
    from transformers import AutoModelForCausalLM

    tokenizer, voice = tiny.tokenizer(), systems.System("base", "You write.")
    example = {
        "id": "x-1",
        "post_id": "x",
        "instruction": "Write.",
        "input": "",
        "output": "Café — 9 of 9. “It held.” And more of it came after.",
    }
    with LlamaModel(tiny.gguf) as scorer:
        row = likelihood.score_post(scorer, voice, example, tokenizer, 12)
    text = systems.truncate_tokens(example["output"], tokenizer, 12)
    prompt, completion = (
        chat.encode_prompt(tokenizer, voice.messages(example)),
        tokenizer(text, add_special_tokens=False)["input_ids"],
    )
    model = AutoModelForCausalLM.from_pretrained(tiny.hf, dtype=torch.float32)
    with torch.no_grad():
        scores = torch.log_softmax(model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1], -1)
    nats = -scores[torch.arange(len(completion)), torch.tensor(completion)]
    assert example["output"].startswith(text) and row["tokens"] == len(completion) == 12
    assert row["bytes"] == len(text.encode()) > len(text)
    assert row["nats"] == pytest.approx(nats.sum().item(), rel=0.01)


def sampling(**changes):
    return SamplingParams(**{"max_tokens": 12, "temperature": 0.0, "top_p": 1.0, "repeat_penalty": 1.0, **changes})


@pytest.mark.slow
def test_answers_written_together_are_those_the_model_gives(tiny):
    """Greedy tokens are the most likely ones after each own prompt, whatever stands beside it or is read once for
    all."""
    tokenizer = tiny.tokenizer()
    start = tokenizer("All of these prompts begin in the same way, and then", add_special_tokens=False)["input_ids"]
    prompts = [
        start + tokenizer(end, add_special_tokens=False)["input_ids"]
        for end in (" the kettle", " nine boats went out to sea", " a dog")
    ]
    with LlamaModel(tiny.gguf, n_ctx=128, sequences=3) as model:
        answers = model.write(prompts, [sampling()] * 3, [1, 2, 3])
        for prompt, answer in zip(prompts, answers, strict=True):
            ids = answer["ids"]
            likely = model.log_probabilities(prompt, ids)
            regret = likely.max(-1) - likely[np.arange(len(ids)), ids]
            assert regret.max() < 0.02, "another token was likelier"


@pytest.mark.slow
def test_the_same_seeds_write_the_same_and_others_do_not(tiny):
    tokenizer = tiny.tokenizer()
    prompts = [tokenizer(t, add_special_tokens=False)["input_ids"] for t in ("The kettle", "The long boat and")]
    warm = sampling(temperature=1.0, max_tokens=30)
    with LlamaModel(tiny.gguf, n_ctx=128, sequences=2) as model:
        first = model.write(prompts, [warm] * 2, [1, 2])
        model.log_likelihoods(prompts[1], prompts[0])  # what was read in between leaves no trace
        again, other = model.write(prompts, [warm] * 2, [1, 2]), model.write(prompts, [warm] * 2, [3, 4])
    assert [a["ids"] for a in first] == [a["ids"] for a in again]
    assert [a["ids"] for a in first] != [a["ids"] for a in other]


def test_distortion_hides_topic_and_keeps_habits():
    assert mask_content_words("The kettle, 3 screws (I know). It isn't.") == "The ******, # ****** (I ****). It isn't."


def test_copied_runs_are_found_wherever_they_stand(sample):
    """A pasted stretch of a training post is found with its length and source, across case and punctuation; unseen text
    has none."""
    copying = CopyDetector(sample[:20])
    words = sample[7].split()
    pasted = (
        "Nothing of this was ever there before, "
        + " ".join(words[30:70]).upper()
        + " and then it went another way altogether."
    )
    found = copying.measure(pasted)
    assert (
        found["source"] == 7 and 38 <= found["longest_copy"] <= 44 and found["copied"].split()[0] in words[30].lower()
    )
    assert 0.6 < found["copied_13gram_fraction"] <= found["copied_8gram_fraction"] < 0.8
    assert (
        copying.measure("Quantum zebras juggle violet marmalade atlases beneath seventeen purple moons.")[
            "longest_copy"
        ]
        == 0
    )
    assert copying.measure(sample[3])["longest_copy"] > 200
    assert texts_over_limit([found], [copying.measure(sample[25])]) == [0] and not texts_over_limit(
        [copying.measure(sample[25])], []
    )


@pytest.mark.slow
def test_overlap_of_a_text_with_itself_is_whole_and_of_strangers_small():
    text, other = (
        "The kettle has stopped and I have not touched it.",
        "Bees came to the organ on a Tuesday, which is their right.",
    )
    same, apart = (
        reference_overlap.reference_overlap([text], [text]),
        reference_overlap.reference_overlap([text], [other]),
    )
    assert same["bleu"] == pytest.approx(100) and same["chrf"] == pytest.approx(100) and same["rougeL"] == 1.0
    assert apart["bleu"] < 10 and apart["rougeL"] < 0.25


def test_rouge_l_is_rouge_scores_own(sample):
    """With stemming, over real posts, over a text with no word in common, and over none."""
    from rouge_score.rouge_scorer import RougeScorer

    theirs = RougeScorer(["rougeL"], use_stemmer=True)
    for reference, text in [
        *zip(sample[:4], sample[4:8]),
        ("The kettles stopped", "a stopped kettle"),
        ("One two", "Three four"),
        ("Words", ""),
    ]:
        expected = theirs.score(reference, text)["rougeL"].fmeasure
        assert reference_overlap.reference_overlap([text], [reference])["rougeL"] == pytest.approx(expected, abs=5e-5)
    assert reference_overlap.reference_overlap(sample[:1], sample[1:2])["rougeL"] > 0.05


def test_confidence_intervals_by_hand():
    """Student's t under 20, exact sign flips; Wilson and the e-value as their formulas have it."""
    few = confidence_intervals.mean_interval([1.0, 2.0, 3.0, 4.0])
    assert (few["mean"], few["n"]) == (2.5, 4) and few["hi"] - 2.5 == pytest.approx(3.1824 * 1.29099 / 2, abs=1e-3)
    many = confidence_intervals.mean_interval(np.arange(40.0))
    assert many["lo"] < 19.5 < many["hi"] and many["hi"] - many["lo"] == pytest.approx(
        2 * 1.96 * 11.69 / math.sqrt(40), rel=0.1
    )
    assert confidence_intervals.paired_difference([2, 3, 4, 5, 6], [1, 2, 3, 4, 5.5])["p"] == pytest.approx(2 / 32)
    assert confidence_intervals.wilson_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-3)
    assert confidence_intervals.e_value(10, 10) == pytest.approx(2**10 / 11)
    assert confidence_intervals.vote_statistics(15, 5)["p"] == pytest.approx(0.0414, abs=1e-3)
    assert confidence_intervals.required_sample_size([1, 2, 3], [1, 1, 1]) == 4


def test_habits_tell_flat_prose_from_the_author(sample):
    own, flat = (
        profile.measure(sample[:30]),
        profile.measure(
            ["It is important to note that success is not just about hard work; it is about working smarter! " * 30] * 3
        ),
    )
    far = profile.z_scores(flat, own)
    near = profile.z_scores(profile.measure(sample[30:]), own)
    assert far["semicolons"] > 3 and far["exclamations"] > 3 and far["first_person"] < -0.5
    assert np.mean([abs(d) < 0.6 for d in near.values()]) > 0.7 > np.mean([abs(d) < 0.6 for d in far.values()])
    assert "first person" in profile.style_prompt(sample[:30])


def evidence(**changes):
    good = {
        "shared_posts": 0,
        "copying": Count(0, 12),
        "fluent": {"coherence_gain": Count(11, 12)},
        "not_measurable": "",
        "margins": {"five_shot": [("masked", 0.1), ("function", 0.05)]},
        "style": {"masked": (0.8, 0.5), "function": (0.9, 0.6)},
    }
    return verdict.Evidence(**{**good, **changes})


def test_the_verdict_holds_only_when_every_condition_does():
    assert verdict.beats_prompting(evidence()) and "Closer to you" in verdict.verdict_text(
        evidence(), (0.8, 0.5, 1.0), 12
    )
    for change in (
        {"shared_posts": 1},
        {"copying": Count(1, 12)},
        {"copying": Count(4, 12)},
        {"fluent": {"coherence_gain": Count(11, 12), "repetition": Count(2, 12)}},
        {"fluent": {"coherence_gain": Count(7, 12)}},
        {"fluent": {"coherence_gain": Count(0, 0)}},
        {"not_measurable": "too few"},
        {"margins": {}},
        {"margins": {"five_shot": [("masked", 0.1), ("function", -0.05)]}},
        {"margins": {"five_shot": [("masked", 0.1), ("function", 0.1)], "swap": [("masked", 0.0), ("function", 0.1)]}},
        {"style": {"masked": (1.3, 1.0), "function": (0.9, 0.6)}},
        {"style": {"masked": (0.3, -0.1), "function": (0.9, 0.6)}},
    ):
        assert not verdict.beats_prompting(evidence(**change)), change
        assert "Closer to you" not in verdict.verdict_text(evidence(**change), (0.8, 0.5, 1.0), 12)


def test_a_gate_near_its_line_is_neither_passed_nor_failed():
    near, copied = evidence(fluent={"repetition": Count(7, 12)}), evidence(copying=Count(1, 12))
    assert verdict.failed_gates(near) == verdict.failed_gates(copied) == {}
    assert list(verdict.undecided_gates(near)) == ["fluent"] and list(verdict.undecided_gates(copied)) == ["copying"]
    assert verdict.verdict_text(near, (0.8, 0.5, 1.0), 12).startswith("Can't tell yet: 7 of 12 texts are where")
    poor = evidence(fluent={"coherence_gain": Count(7, 12), "repetition": Count(2, 12)})
    assert "2 of 12" in verdict.failed_gates(poor)["fluent"] and not verdict.undecided_gates(poor)
    more = near.plus(Count(0, 12), {"repetition": Count(11, 12)})
    assert more.copying == Count(0, 24) and verdict.beats_prompting(more)


SYSTEMS = ("verbatim", "markov_1", "markov_2", "shuffled_words", "repeated", "lower_case", "base", "another", "self")


def another_author(n: int) -> list[str]:
    """Prose by other people that is on every machine: chapters of Python's own reference."""
    from pydoc_data.topics import topics

    chapters = [
        "\n\n".join(b for b in text.split("\n\n") if not b.startswith(("   ", "*", "**")))
        for _, text in sorted(topics.items())
    ]
    return sorted(chapters, key=lambda t: -len(extract_prose(t)))[:n]


@pytest.fixture(scope="module")
def base_reads():
    """Bits per byte of texts under the embedded base, remembered."""
    from functools import cache

    base = bases.resolve_base("smollm2:135m")
    tokenizer = base.tokenizer()
    with LlamaModel(base.gguf, n_ctx=160) as model:

        @cache
        def one(text, tokens):
            return (
                likelihood.bits_per_byte([likelihood.score_raw(model, text, tokenizer, tokens)])
                if text.strip()
                else math.nan
            )

        yield lambda texts, tokens: [one(t, tokens) for t in texts]


@pytest.fixture(scope="module")
def made_card(sample, base_reads):
    """made_card(systems, seed): a card on which each of them is judged as the twin is; `self`, the author's own unseen
    posts, is the twin, and the only one that may pass."""
    training, held_out, unseen = sample[:26], sample[26:38], sample[38:48]
    paths = [path for path in sorted((ROOT / "data/sample").iterdir()) if path.suffix in (".txt", ".docx")]
    others = [cleaning.clean_markdown(readers.read_post(path, 1e9).text) for path in paths]  # as `self`
    flat = (
        "It is important to note that success isn't easy; however, it's worth it! Many people believe that technology"
        " changes our lives, and they are right. We must adapt, learn, and grow together. "
    )
    wrong = {
        "verbatim": baselines.copy_verbatim(training, 10, 1),
        "markov_1": baselines.markov_text(training, 10, 400, 1, 1),
        "markov_2": baselines.markov_text(training, 10, 400, 2, 1),
        "shuffled_words": baselines.shuffle_words(unseen, 1),
        "repeated": baselines.repeat_sentence(unseen, 300),
        "lower_case": [t.lower() for t in unseen],
        "base": [flat * 8] * 10,
        "another": another_author(10),
        "self": unseen,
    }
    asked = [
        {
            "id": f"p{i}-1",
            "post_id": f"p{i}",
            "task": "write",
            "instruction": f"Write {i}.",
            "input": "",
            "output": held_out[i],
        }
        for i in range(10)
    ]
    people = impostors.load_impostors()

    def rows(voice, texts, nats):
        read = {"nats": nats, "bytes": 40, "tokens": 10}
        return [
            {
                "system": voice,
                "id": e["id"],
                "post_id": e["post_id"],
                "read": read,
                "text": t,
                "end": "stop",
                "written_tokens": 9,
            }
            for e, t in zip(asked, texts, strict=True)
        ]

    def made(systems, seed):
        posts = scorecard.CorpusTexts(asked, held_out, training, [f"title {i}" for i in range(len(training))], 0)
        heard = rows("base", [flat * 8] * 10, 24.0) + rows("five_shot", [flat * 9] * 10, 22.0)
        for name in systems:
            heard += rows("twin" if name == "self" else f"fake_{name}", wrong[name], 18.0)
        briefs = [f"post {i}" for i in range(10)]
        return scorecard.build_scorecard(heard, posts, people, base_reads, seed, briefs, lambda number: others)

    return made


@pytest.fixture(scope="module")
def judged(made_card):
    return made_card(SYSTEMS, 7)


@pytest.mark.slow
@pytest.mark.parametrize("system", [s for s in SYSTEMS if s != "self"])
def test_no_cheat_passes_the_verdict(judged, system):
    """Neither those that stand on every card nor those that are put in a twin's place; each is stopped by a gate or by
    style."""
    found = judged.metrics[f"fake_{system}"]
    assert found["verdict"]["closer_than_prompting"] == 0
    gates = {"verbatim": "copying", "shuffled_words": "fluent", "repeated": "fluent", "lower_case": "fluent"}
    if system in gates:
        assert found["verdict"][gates[system]] == 0
    for cheat in ("verbatim", "markov"):
        assert judged.metrics[cheat]["verdict"]["closer_than_prompting"] == 0


@pytest.mark.slow
def test_a_copy_is_named_with_the_post_it_comes_from(judged, sample):
    """Each verbatim text carries the title of the training post that it is."""
    for one in judged.samples:
        assert sample[int(one["fake_verbatim"]["source"].removeprefix("title "))] == one["fake_verbatim"]["text"]


@pytest.mark.slow
def test_the_author_passes_the_verdict(judged):
    """Else the rule would be empty: the author's own unseen posts, in the twin's place, are «closer to you than
    prompting»."""
    assert judged.metrics["twin"]["verdict"]["closer_than_prompting"] == 1, judged.verdict
    assert judged.metrics["twin"]["style"]["masked"] == pytest.approx(1, abs=0.3)
    assert judged.metrics["gain"]["bits_per_byte"]["percent"] == pytest.approx(25.0)
    assert "Closer to you" in judged.verdict
    assert judged.metrics["twin"]["verdict"]["counted_texts"] in (22, 34)  # ten texts are too few for the gates


@pytest.mark.slow
def test_another_author_is_told_apart_by_style(judged):
    """Fluent, nothing copied: only the style score stands between another author and the verdict, and it is near 0."""
    found = judged.metrics["fake_another"]
    assert found["style"]["masked"] < 0.35 and found["style"]["function"] < 0.5 and found["verdict"]["copying"] != 0


@pytest.mark.slow
def test_the_same_seed_gives_the_same_card_and_another_stays_inside(made_card):
    """To the last digit; with another seed the mean lies inside the interval. No nan, which is no JSON."""
    import json

    first, again, other = (made_card(["self"], seed).metrics for seed in (7, 7, 8))
    assert json.dumps(first, allow_nan=False) == json.dumps(again) != json.dumps(other)
    style = first["twin"]["style"]
    assert style["masked_lo"] < other["twin"]["style"]["masked"] < style["masked_hi"]


@pytest.mark.slow
def test_scorer_does_not_slow_what_comes_after(tiny):
    """Its llama.cpp thread ends with it: no thread, and so no OpenMP team, is left."""
    import threading

    before = threading.active_count()
    with LlamaModel(tiny.gguf) as scorer:
        assert np.isfinite(scorer.log_likelihoods(scorer.tokenize("a b c"), scorer.tokenize(" d e f"))).all()
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
