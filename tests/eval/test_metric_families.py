"""Each family of the scorecard's metrics, on rows whose figures are known by hand."""

import math

import pytest

from eval import memorization, relevance, rounding, shape
from eval.likelihood import likelihood_metrics
from eval.reference_overlap import overlap_metrics
from eval.samples import TextFigures, build_samples
from eval.scorecard import _by_system, _merge
from eval.style.metrics import style_metrics
from eval.style.profile import profile_metrics
from eval.suites import load_suite
from eval.suites.metrics import suite_metrics

RUN = "the boiler hummed and the cat slept on the warm lid of the old tin box"


def scored(system, post, bits, **more):
    """A row of a held-out post of 8 bytes that costs so many bits per byte, also as raw text."""
    score = {"nats": 8 * bits * math.log(2), "bytes": 8, "tokens": 4}
    return {"system": system, "id": post, "read": score, "raw": score, **more}


def control(system, bits):
    return {"system": system, "other": 0, "raw": {"nats": 8 * bits * math.log(2), "bytes": 8, "tokens": 4}}


def test_likelihood_metrics_pair_the_gain_by_post_and_keep_control_texts_apart():
    rows = [scored("base", "a", 2.0), scored("base", "b", 4.0), scored("twin", "a", 1.0), scored("twin", "b", 2.0)]
    rows += [control("base", 3.0), control("twin", 3.5)]
    found = likelihood_metrics(rows)
    assert found.by_system["twin"] == {
        "bits_per_byte": 1.5,
        "raw_bits_per_byte": 1.5,
        "control_bits_per_byte": 3.5,
        "perplexity": 8.0,  # 3 bits a token
    }
    assert found.gain["over_base"]["mean"] == 1.5 and found.gain["percent"] == 50.0
    assert found.gain["gain_own"]["mean"] == 1.5 and found.gain["gain_others"]["mean"] == -0.5
    assert found.gain["gain_difference"] == 2.0 and "over_swap" not in found.gain


def test_shape_metrics_give_rates_of_models_only():
    rows = [{"system": "twin", "id": i, "end": end} for i, end in enumerate(("stop", "length", "stop", "stop"))]
    rows.append({"system": "twin", "suite": "facts", "end": "length"})  # an answer to a suite is no post
    texts = {"twin": ["One two.", "One two three", "One.", "One?"], "author": ["One two three four."]}
    assert shape.shape_metrics(texts, rows, ["twin"]) == {
        "twin": {"words_median": 2, "eos_rate": 0.75, "truncated_rate": 0.25},
        "author": {"words_median": 4},
    }


def test_copy_metrics_cut_the_author_to_the_twins_length():
    """The author's own copy stands beyond the twin's 8 words, so it does not count as his; the twin's of 8 does."""
    texts = {"twin": [RUN.rsplit(" ", 8)[0]], "author": [f"nothing here was ever there before in any post {RUN}"]}
    found = memorization.copy_metrics(texts, [RUN])
    assert found.by_system["twin"] == {
        "longest_copy_median": 8.0,
        "longest_copy_max": 8,
        "copied_8gram_fraction": 1.0,
        "copied_13gram_fraction": 0.0,
        "over_limit": 0,
    }
    assert found.by_system["author"]["longest_copy_max"] == 0 and found.texts["twin"][0]["source"] == 0


def test_copy_metrics_count_the_texts_over_the_limit():
    found = memorization.copy_metrics({"twin": [RUN, "Short."], "author": ["Other words."]}, [RUN])
    assert found.over_limit("twin") == found.by_system["twin"]["over_limit"] == 1  # 16 words of 16 in runs of 13


def test_extraction_metrics_are_there_only_where_they_were_collected():
    rows = [
        {"system": "twin", "prefix": "train", "shares": [0.2, 0.4]},
        {"system": "twin", "prefix": "test", "shares": []},
        {"system": "twin", "canaries": [1.0, 4.0]},
        {"system": "base", "id": "a"},
    ]
    assert memorization.extraction_metrics(rows) == {
        "twin": {"prefix_extraction_train": 0.3, "canary_bits": 2.5, "canary_bits_max": 4.0}
    }


def test_suite_metrics_average_the_suites_and_compare_refusals_with_the_base():
    cases = load_suite("safety").cases
    refusal, answer = "I'm sorry, but I can't help with that.", "First, take a pipe."
    rows = []
    for case in cases:
        for system, text in (("base", refusal), ("twin", answer)):
            rows.append({"system": system, "suite": "safety", "case": case.id, "text": text, "end": "stop"})
    found = suite_metrics(rows, [])
    checks = [check.check for case in cases for check in case.checks]
    share = 1 - checks.count("refuses_if_base_refused") / len(checks)
    assert found["base"] == {"safety": 1.0, "overall": 1.0}
    assert found["twin"]["safety"] == pytest.approx(share, abs=1e-4) and 0 < share < 1


def test_profile_metrics_are_z_scores_of_models_and_values_of_all():
    own = ["It was, in short, so. We left.", "It was so. We left, and came, and went."]
    found = profile_metrics({"twin": own, "base": ["Why? Why? Why?"], "author": own}, ["twin", "base"], own)
    assert set(found.by_system) == {"twin", "base"} and set(found.values) == {"twin", "base", "author"}
    assert found.by_system["twin"]["commas"] == 0 and found.by_system["twin"]["within_half"] == 1.0
    assert found.by_system["base"]["questions"] == 9.0 and len(found.values["author"]["commas"]) == 2


def test_relevance_metrics_are_nan_where_there_is_one_prompt_only():
    found = relevance.relevance_metrics({"twin": ["A text. And more of it."]}, ["one"])
    assert math.isnan(found["twin"]["tfidf_auc"]) and math.isnan(found["twin"]["minilm_top1"])


def test_overlap_metrics_have_a_floor_of_unrelated_posts():
    texts = {"author": ["Red boats lay there.", "Nine hens sat here."], "twin": ["Red boats lay there.", "Nine hens."]}
    found = overlap_metrics(texts, ["twin"])
    assert set(found) == {"twin", "unrelated"} and found["unrelated"]["rouge1"] == 0 < found["twin"]["rouge1"]


def test_style_metrics_say_why_nothing_was_measured():
    """Two held-out posts of 100 words of prose are the least."""
    from eval.style.impostors import load_impostors

    people = load_impostors()
    found = style_metrics({"twin": ["x"], "author": ["x"]}, ["Too short."], people, 7)
    assert "fewer than 2 held-out posts" in found.unmeasurable and not found.scores and not found.attributions
    assert math.isnan(found.by_system["twin"]["masked_lo"])
    few = people.excluding(set(people.names[3:]))
    assert "3 other authors" in style_metrics({"twin": ["x"]}, ["Too short."], few, 7).unmeasurable


def test_samples_name_the_post_that_was_copied():
    rows = [scored("twin", "a", 1.0, text="Hm.", end="stop", written_tokens=2)]
    copy = {"longest_copy": 9, "copied": "x", "source": 1}
    prompt = {"id": "a", "post_id": "p", "instruction": "Write.", "output": "Own."}
    (sample,) = build_samples(rows, ["twin"], [prompt], ["brief"], TextFigures({"twin": [copy]}, {}, ["One", "Two"]))
    assert sample["author"] == "Own." and sample["brief"] == "brief"
    assert sample["twin"] == {
        "text": "Hm.",
        "end": "stop",
        "tokens": 2,
        "bits_per_byte": 1.0,
        "style": {},
        **copy,
        "source": "Two",
    }
    copy["longest_copy"] = 0
    (sample,) = build_samples(rows, ["twin"], [prompt], ["brief"], TextFigures({"twin": [copy]}, {}, ["One", "Two"]))
    assert sample["twin"]["source"] is None


def test_families_are_merged_by_system():
    families = {"style": {"twin": {"masked": 1.0}, "others": {"delta": 0.5}}, "c2st_auc": {"twin": 0.9}}
    assert _by_system(families, ["base", "twin"]) == {
        "base": {},
        "twin": {"style": {"masked": 1.0}, "c2st_auc": 0.9},
        "others": {"style": {"delta": 0.5}},
    }
    assert _merge({"a": {"x": 1}}, {"a": {"y": 2}, "b": {"z": 3}}) == {"a": {"x": 1, "y": 2}, "b": {"z": 3}}


def test_with_interval_rounds_to_four_decimals():
    assert rounding.with_interval("x", 0.123456, 0, 1) == {"x": 0.1235, "x_lo": 0.0, "x_hi": 1.0}
