"""The two-sample test: nothing between the author and the author, everything between her and nonsense."""

import math
import random

import numpy as np
import pytest

from blogtwin.text.sentences import split_sentences, truncate_words
from eval.detectability import kernel_coordinates, two_sample_auc
from tests.support.sample_corpus import posts


@pytest.fixture(scope="module")
def real():
    return [text for _, text in posts()]


def halves(real, seed):
    mixed = random.Random(seed).sample(real, len(real))
    return mixed[:30], mixed[30:]


@pytest.mark.slow
def test_the_author_is_not_told_from_herself(real):
    aucs = [two_sample_auc(*halves(real, seed))["auc"] for seed in range(6)]
    assert 0.4 < np.mean(aucs) < 0.6
    assert all(0.25 < a < 0.75 for a in aucs)


@pytest.mark.slow
def test_two_sample_auc_tells_nonsense_from_the_author(real):
    one, other = halves(real, 1)
    rng = random.Random(2)
    shuffled = [" ".join(rng.sample(t.split(), len(t.split()))) for t in other]
    loops = [truncate_words((split_sentences(t)[2] + " ") * 250, 250) for t in other]
    assert two_sample_auc(one, shuffled)["auc"] > 0.95
    assert two_sample_auc(one, loops)["auc"] > 0.95


@pytest.mark.slow
def test_two_sample_auc_keeps_copies_in_one_fold(real):
    """Copies of the author's posts: were one judged by what saw its double, the answer would be wrong every time, and
    not even."""
    assert two_sample_auc(real[:20], real[:20])["auc"] == pytest.approx(0.5)
    rows = list(range(20))
    mixed = random.Random(3).sample(rows, 20)
    copies = [real[i] for i in mixed]
    assert two_sample_auc(real[:20], copies, pairs=mixed)["auc"] == pytest.approx(0.5)
    assert two_sample_auc(real[:20], copies)["auc"] < 0.3  # what goes wrong without them
    twice = two_sample_auc(real[:20], copies * 2, pairs=mixed * 2)
    assert twice["n"] == 20 and twice["auc"] == pytest.approx(0.5)


@pytest.mark.slow
def test_the_same_twice_and_a_reason_when_there_is_too_little(real):
    one, other = real[:8], real[8:16]
    assert two_sample_auc(one, other) == two_sample_auc(one, other)
    assert two_sample_auc(one, other)["n"] == 8
    few = two_sample_auc(real[:3], real[3:9])
    assert math.isnan(few["auc"]) and few["n"] == 3 and "few" in few["reason"]
    one_prompt = two_sample_auc(real[:8], real[8:16], pairs=[0] * 8)
    assert math.isnan(one_prompt["auc"]) and one_prompt["n"] == 1
    assert two_sample_auc(real[:4], [""] * 4)["auc"] == 1  # a twin that says nothing


def test_coordinates_keep_all_inner_products(real):
    """What logistic regression learns from: the vectors have length 1, and a text beside its double the same place."""
    places = kernel_coordinates([*real[:5], real[0]])
    products = places @ places.T
    assert np.diag(products) == pytest.approx(1)
    assert products[0, 5] == pytest.approx(1) and products[0, 1] < 0.9
