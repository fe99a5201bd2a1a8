"""Texts find their own brief among all briefs, and parrots do not."""

import numpy as np
import pytest

from eval import relevance
from tests.support.sample_corpus import posts

pytestmark = [pytest.mark.slow, pytest.mark.model]  # MiniLM is loaded


def test_relevance_ranks_by_hand():
    """The text's own column first, in the middle, last, and level with all."""
    table = np.array([[9, 1, 2], [1, 5, 9], [7, 8, 0], [4, 4, 4]])
    assert relevance.rank_auc(table, np.array([0, 1, 2, 1])).tolist() == [1, 0.5, 0, 0.5]


def test_what_only_says_the_brief_again_is_left_out():
    """The opening and its like, the heading, and runs of the brief's words in any sentence; one word alone is left."""
    brief = "The torch in the net loft. birthday, denzil"
    text = (
        "# The torch in the net loft\n\nThis is about Denzil. He came in. This is about Denzil. Denzil, birthday! I saw"
        " the net loft go dark. A torch was lit in the loft."
    )
    assert (
        " ".join(relevance.remove_prompt_echo(brief, text).split())
        == "He came in. ! I saw the go dark. A torch was lit in the loft."
    )
    assert relevance.remove_prompt_echo(brief, "") == "" and relevance.remove_prompt_echo("", text).startswith(
        "He came in. Denzil"
    )


def test_chunks_are_even_and_nothing_is_lost():
    text = " ".join(f"{i}." for i in range(330))
    chunks = relevance.split_chunks(text)
    assert [len(c.split()) for c in chunks] == [110, 110, 110] and " ".join(chunks) == text
    assert relevance.split_chunks("one") == ["one"] and relevance.split_chunks(" ! ") == []


@pytest.fixture(scope="module")
def sample():
    briefs, texts = zip(*posts())
    return list(briefs), list(texts)


def means(found):
    return {name: values.mean() for name, values in found.items()}


def test_posts_rank_their_own_brief_high(sample):
    found = relevance.prompt_retrieval(*sample)
    assert all(values.shape == (60,) for values in found.values())
    found = means(found)
    assert found["tfidf_auc"] > 0.8 and found["minilm_auc"] > 0.9
    assert found["tfidf_top1"] > 0.4 and found["minilm_top1"] > 0.4


@pytest.mark.parametrize("parroted", [False, True])
def test_texts_under_wrong_prompts_rank_by_chance_and_saying_the_prompt_does_not_help(sample, parroted):
    briefs, texts = sample
    wrong = briefs[7:] + briefs[:7]
    if parroted:
        texts = [f"This post is about {b}.\n\n{b}. {t} {b}, and there it was." for b, t in zip(wrong, texts)]
    found = means(relevance.prompt_retrieval(wrong, texts))
    assert 0.4 < found["tfidf_auc"] < 0.6 and 0.4 < found["minilm_auc"] < 0.6
    assert found["tfidf_top1"] < 0.1 and found["minilm_top1"] < 0.1


def test_relevance_of_empty_and_single_texts(sample):
    """Texts of one prompt are not each other's rivals; a loop of the brief, or nothing, is chance; one prompt alone
    says nothing."""
    briefs, texts = (list(part[:6]) for part in sample)
    once, twice = relevance.prompt_retrieval(briefs, texts), relevance.prompt_retrieval(briefs * 2, texts * 2)
    assert twice["minilm_auc"] == pytest.approx(np.tile(once["minilm_auc"], 2))
    for empty in (["It is " + b + ". " for b in briefs], [""] * 6):
        found = relevance.prompt_retrieval(briefs, [e * 30 for e in empty])
        assert (
            (found["tfidf_auc"] == 0.5).all() and (found["minilm_auc"] == 0.5).all() and not found["minilm_top1"].any()
        )
    assert all(np.isnan(v).all() for v in relevance.prompt_retrieval(briefs[:1] * 3, texts[:3]).values())
