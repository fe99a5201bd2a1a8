"""The style score on texts whose answer is known: real posts of the sample's author, other people, and what cheats
write."""

import numpy as np
import pytest

from blogtwin.text.markdown import extract_prose
from blogtwin.text.sentences import split_sentences, truncate_words
from corpus import cleaning, readers
from eval import baselines
from eval.memorization import CopyDetector, texts_over_limit
from eval.style import impostor_sources, impostors, verification
from eval.style.features import count_features
from eval.style.languages import unmeasurable_language
from eval.style.metrics import style_metrics
from eval.style.sentences import telling_sentences
from tests.support.workspace import ROOT

pytestmark = pytest.mark.slow
# Values of fifteen real authors: how a cheat scores against a disjoint reference, by masked characters and function
# words. (A sentence repeated has no function-word value here: which words stand in it is chance.)
KNOWN = {
    "verbatim": (1.02, 0.94),
    "markov_1": (1.14, 0.95),
    "markov_2": (1.12, 0.95),
    "sentences_shuffled": (0.98, 1.00),
    "words_shuffled": (0.82, 1.00),
    "lower_case": (0.94, 1.00),
    "repeated": (0.42, None),
}


FLAT = (
    "In today's fast-paced world, it's important to remember that success isn't just about hard work; it's about"
    " working smarter, and embracing change! Moreover, effective communication is essential for building strong"
    " relationships. "
)


@pytest.fixture(scope="module")
def posts():
    """Sample posts: (the twin's training posts, held-out ones), disjoint."""
    texts = [
        cleaning.clean_markdown(readers.read_post(p, 1e9).text) for p in sorted((ROOT / "data/sample").glob("*.md"))
    ]
    return texts[:28], texts[28:]


@pytest.fixture(scope="module")
def everybody():
    return impostors.load_impostors()


@pytest.fixture(scope="module")
def heard(posts, everybody):
    """{opinion: (Opinion, Scores)} of the cheats and of flat prose."""
    training, held_out = posts
    shuffled = [" ".join(sorted(extract_prose(t).replace("\n\n", " ").split(". "), key=len)) for t in training]
    speakers = {
        "verbatim": training,
        "sentences_shuffled": shuffled,
        "words_shuffled": baselines.shuffle_words(training, 1),
        "lower_case": [t.lower() for t in training],
        "repeated": baselines.repeat_sentence(training, 400),
        "markov_2": baselines.markov_text(training, 20, 400, 2, 1),
        "markov_1": baselines.markov_text(training, 20, 400, 1, 1),
        "flat": [FLAT * 12] * 5,
        "short": [truncate_words(t, 120) for t in training],
    }
    counted = {name: count_features(group) for name, group in speakers.items()}
    found = {}
    for family in ("masked", "function"):
        said = verification.cross_fit(family, count_features(held_out), everybody, counted)
        found[family] = said, verification.style_scores(said, everybody.author, 3)
    return found


def test_the_author_can_be_told_from_people_the_verifier_has_not_seen(heard, everybody):
    verifier = verification.auc(heard["masked"][0], everybody.author)
    assert verifier["auc"] > 0.95 and verifier["auc_lo"] > 0.85 and verifier["posts"] >= verification.MIN_POSTS
    assert verification.unmeasurable_reason(verifier) == ""


@pytest.mark.parametrize("voice", KNOWN)
def test_known_texts_score_what_they_did_on_real_authors(heard, voice):
    for family, expected in zip(("masked", "function"), KNOWN[voice], strict=True):
        assert expected is None or heard[family][1].mean[voice] == pytest.approx(expected, abs=0.25), family


def test_a_loop_and_flat_prose_are_not_the_author(heard):
    scores = heard["masked"][1].mean
    assert scores["repeated"] < 0.5
    assert scores["flat"] < 0.45


def test_style_score_matches_length(heard):
    """The first 120 words of a post are compared with beginnings as long as they are, so they lose nothing but
    certainty."""
    assert heard["masked"][1].mean["short"] == pytest.approx(heard["masked"][1].mean["verbatim"], abs=0.2)


def test_style_alone_can_be_gamed_and_copying_sees_it(heard, posts):
    """Verbatim posts and Markov chains sound like the author; the copying gate is what stops them."""
    training, held_out = posts
    search = CopyDetector(training)
    author = [search.measure(truncate_words(t, 400)) for t in held_out]
    assert heard["masked"][1].mean["markov_2"] > 0.8
    for texts in (training, baselines.markov_text(training, 20, 400, 2, 1)):
        assert texts_over_limit([search.measure(t) for t in texts], author)
    assert not texts_over_limit(author, author)


def test_intervals_come_from_people_posts_and_prompts(heard):
    """The same seed gives the same draws, another one stays inside; more spread in the voice is a wider interval."""
    said, scores = heard["masked"]
    everybody = impostors.load_impostors()
    again, other = (
        verification.style_scores(said, everybody.author, 3),
        verification.style_scores(said, everybody.author, 4),
    )
    assert again.interval("verbatim") == scores.interval("verbatim")
    low, high = scores.interval("verbatim")
    assert low < other.mean["verbatim"] < high and high - low > 0.05
    mean, low, high = (
        scores.difference("verbatim", "flat")
        if len(said.systems["flat"][0]) == len(said.systems["verbatim"][0])
        else (1, 0.1, 2)
    )
    assert mean > 0 and low > 0


def test_a_post_is_never_judged_by_a_verifier_that_learnt_it(posts, everybody, monkeypatch):
    """Left-out posts score near unseen ones: a verifier that had learnt them would put them far above."""
    training, held_out = posts
    said = verification.cross_fit("masked", count_features(held_out), everybody, {"unseen": count_features(training)})
    ceiling, unseen = np.nanmean(said.author[:, 10]), np.nanmean(said.systems["unseen"][0])
    assert abs(ceiling - unseen) < 0.5 * abs(ceiling - np.nanmean(said.others[:, 10]))


def test_ones_own_blog_is_no_impostor(posts, everybody):
    training, held_out = posts
    mine = impostors.from_blogs(
        {
            "me": training + held_out,
            "other": ["Nothing of the kind was ever said by anybody at all, not in this house."],
        }
    )
    both = impostors.concatenate(everybody, mine)
    assert both.matching_authors(training) == {"me"}
    assert everybody.matching_authors(training) == set()
    left = both.excluding({"me"})
    assert left.names == [*everybody.names, "other"] and left.texts.n == len(left.author) == everybody.texts.n + 1
    assert left.author.max() == len(left.names) - 1


def test_the_people_of_the_file_are_those_that_the_list_gives_a_license_for(everybody):
    sources = impostor_sources.load_sources()
    assert [source.name for source in sources] == everybody.names and len(sources) >= 40
    assert all(source.license and source.stated_in and len(source.commit) == 40 for source in sources)
    assert set(np.bincount(everybody.author)) == {impostors.MAX_POSTS}


def test_counts_are_read_back_as_they_were_written(tmp_path):
    """Also rows without counts, and a count beyond a byte."""
    posts = ["*" * 400 + " word" * 60, "", "I walked to the shop and bought a loaf of bread. " * 30]
    few = impostors.from_blogs({"a": posts[:2] * 5, "b": posts[2:] * 5})
    impostors.save_impostors(few, tmp_path / "few.npz")
    again = impostors.load_impostors(tmp_path / "few.npz")
    assert again.names == few.names and (again.author == few.author).all()
    for family, matrix in few.texts.counts.items():
        columns = np.flatnonzero(np.bincount(matrix.indices, minlength=matrix.shape[1]) >= impostors.MIN_SEGMENTS)
        written = np.minimum(matrix[:, columns].toarray(), 255)
        assert written.sum() and (again.texts.counts[family][:, columns].toarray() == written).all(), family
        assert again.texts.counts[family].sum() == written.sum()


def test_a_blog_in_another_language_is_not_measurable(everybody):
    german = (
        "Gestern habe ich im Garten die ersten Tomaten geerntet, und sie haben besser geschmeckt als erwartet. " * 40
    )
    found = style_metrics({"twin": [german]}, [german] * 12, everybody, 1)
    assert "your posts are in German" in found.unmeasurable and not found.scores
    assert unmeasurable_language(["I walked to the shop, and it was shut, as it is every Monday."]) == ""
    assert unmeasurable_language(["", "…"]) == ""


def test_single_posts_span_a_range_around_their_mean(posts, everybody):
    training, held_out = posts
    span = style_metrics({"twin": training[:3], "author": held_out}, held_out, everybody, 1).verifier["masked"]
    assert span["others_p5"] < 0 < span["others_p95"] < span["author_p5"] < 1 < span["author_p95"]


def test_a_blog_that_is_like_others_is_told_so():
    verifier = {"posts": 12, "auc": 0.8, "auc_lo": 0.7, "auc_hi": 0.9, "words": 500}
    assert "your blog can't be told from others by these features" in verification.unmeasurable_reason(verifier)


def test_the_sentences_of_another_are_the_least_like_the_author(posts, everybody):
    """Of a text that is half the author's and half flat prose."""
    training, held_out = posts
    verifiers = verification.fit_verifiers("masked", count_features(held_out), everybody)
    own = extract_prose(training[3]).replace("\n\n", " ")
    found = telling_sentences(verifiers, f"{FLAT}\n\n{own}")
    flat = [" ".join(sentence.split()) for sentence in split_sentences(FLAT)]
    assert len(found["least"]) == len(found["most"]) == 3
    assert sum(sentence in flat for sentence in found["least"]) >= 2
    assert not any(sentence in flat for sentence in found["most"])
    assert telling_sentences(verifiers, "Too short.") == {"least": [], "most": []}


def test_impostors_hold_no_sentence():
    """Only numbers and the names of the blogs are shipped."""
    with np.load(impostors.SHIPPED_FILE) as file:
        for name in file.files:
            assert name == "names" or np.issubdtype(file[name].dtype, np.number)


def test_counts_can_be_taken_at_any_length(posts):
    """Segments add up: 250 words counted in fives are the sum of their parts, and what is saved is what is loaded."""
    counted = count_features(posts[0][:3])
    rows, numbers = counted.prefixes(5)
    whole = counted.aggregate("masked", rows)
    assert list(numbers) == [0, 1, 2]
    parts = sum(counted.counts["masked"][i].toarray() for i in rows[1])
    assert (whole[1].toarray() == parts).all() and parts.sum() > 1000
