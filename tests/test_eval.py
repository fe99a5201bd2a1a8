"""The scorecard's numbers on inputs whose answer is known."""

import importlib
import math

import numpy as np
import pytest
import torch
from tiny import write_tiny_gguf

from corpus import clean, readers
from eval import overlap, shape, style, voice
from eval.copying import Copying
from eval.llama import Scorer
from eval.report import report
from train import base as bases
from train import chat


@pytest.fixture(scope="module")
def sample():
    """Texts of the sample blog, oldest first."""
    from conftest import ROOT

    paths = sorted((ROOT / "data/sample").glob("*.md"))
    return [clean.clean(readers.read(p, 1e9).text) for p in paths]


def test_bits_per_byte_and_perplexity_by_hand():
    """8 bytes at ln 2 nats each are 8 bits: one per byte; posts are summed before they are divided."""
    rows = [{"post_id": "a", "nats": 8 * math.log(2), "bytes": 8, "tokens": 2}, {"post_id": "b", "nats": 0.0, "bytes": 8, "tokens": 6}]
    assert voice.bits_per_byte(rows) == pytest.approx(0.5)
    assert voice.perplexity(rows) == pytest.approx(2.0)
    assert voice.by_post(rows) == pytest.approx({"a": 1.0, "b": 0.0})


@pytest.mark.slow
def test_likelihood_counts_the_authors_bytes_and_nothing_else(tmp_path, monkeypatch):
    """nats are those of transformers for the same tokens; the prompt is masked; bytes are UTF-8; the end token is apart."""
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr(bases, "ROOT", tmp_path)
    base = bases.resolve(str(write_tiny_gguf(tmp_path / "tiny.gguf")))
    tokenizer = base.tokenizer()
    example = {"id": "x-1", "post_id": "x", "instruction": "Write.", "input": "", "output": "Café — 9 of 9. “It held.”"}
    with Scorer(base.gguf) as scorer:
        (row,) = voice.likelihood(scorer, tokenizer, [example], "You write.", lambda items: items)
    prompt, completion = chat.row_ids(tokenizer, chat.messages(example, "You write."), example["output"])
    model = AutoModelForCausalLM.from_pretrained(base.hf, dtype=torch.float32)
    with torch.no_grad():
        scores = torch.log_softmax(model(torch.tensor([prompt + completion])).logits[0, len(prompt) - 1 : -1], -1)
    nats = -scores[torch.arange(len(completion)), torch.tensor(completion)]
    assert row["bytes"] == len(example["output"].encode()) > len(example["output"])
    assert row["tokens"] == len(completion) - 1
    assert row["nats"] == pytest.approx(nats[:-1].sum().item(), rel=0.01)
    assert row["end_nats"] == pytest.approx(nats[-1].item(), rel=0.02)


def test_style_tells_the_author_from_generic_prose(sample):
    """0 is the base's text and 1 the author's own by definition; other posts of hers come out near 1, flat prose near 0."""
    flat = "In today's fast-paced world, it's important to remember that success isn't just about hard work; it's about working smarter, and embracing change! Moreover, effective communication is essential for building strong relationships. "
    other = "Technology has transformed the way we live — and it isn't slowing down; businesses must adapt quickly, or they'll be left behind! Furthermore, data-driven insights can unlock unprecedented opportunities for growth. "
    profile, held_out, more = sample[:30], sample[30:38], sample[38:46]
    scores = style.style_scores({"base": [flat * 8], "flat": [other * 8], "hers": [style.same_length(t, 250) for t in more]}, [style.same_length(t, 250) for t in held_out], profile)
    assert scores["base"].mean() == pytest.approx(0, abs=1e-9) and scores["author"].mean() == pytest.approx(1)
    assert scores["hers"].mean() > 0.8
    assert scores["flat"].mean() < 0.3


def test_distortion_hides_topic_and_keeps_habits():
    assert style.distort("The kettle, 3 screws (I know.)") == "The ******, # ****** (I ****.)"


def test_copied_runs_are_found_wherever_they_stand(sample):
    """A pasted stretch of a training post is found with its length and source, across case and punctuation; unseen text has none."""
    copying = Copying(sample[:20])
    words = sample[7].split()
    pasted = "Nothing of this was ever there before, " + " ".join(words[30:70]).upper() + " and then it went another way altogether."
    length, run, source = copying.run(pasted)
    assert source == 7 and 38 <= length <= 44 and run.split()[0] in words[30].lower()
    assert copying.run("Quantum zebras juggle violet marmalade atlases beneath seventeen purple moons.")[0] == 0
    assert copying.run(sample[3])[0] > 200


def test_repetition_shows():
    """One sentence over and over has few distinct word pairs, a post has many."""
    assert shape.distinct(["It held again. " * 50], 2) < 0.05
    assert shape.distinct(["one two three four five six"], 2) == 1.0


def test_overlap_of_a_text_with_itself_is_whole_and_of_strangers_small():
    text, other = "The kettle has stopped and I have not touched it.", "Bees came to the organ on a Tuesday, which is their right."
    same, apart = overlap.overlap([text], [text]), overlap.overlap([text], [other])
    assert same["bleu"] == pytest.approx(100) and same["chrf"] == pytest.approx(100) and same["rougeL"] == 1.0
    assert apart["bleu"] < 10 and apart["rougeL"] < 0.25


def rows(texts, tokens=10, nats=20.0):
    return [{"id": f"p{i}-1", "post_id": f"p{i}", "nats": nats, "bytes": 40, "tokens": tokens, "end_nats": 1.0, "text": t, "end": "stop" if i % 2 else "length", "written_tokens": 50} for i, t in enumerate(texts)]


@pytest.fixture(scope="module")
def scored(sample):
    """07_eval's score() where the twin is two parts of the author and the base is flat."""
    stage = importlib.import_module("07_eval")
    references = sample[40:44]
    examples = [{"id": f"p{i}-1", "post_id": f"p{i}", "task": "write", "instruction": f"Write “{i} <b>bold</b>”.", "output": t} for i, t in enumerate(references)]
    flat = ["It is important to note that success isn't easy; however, it's worth it! " * 20] * 4
    voices = {"base": rows(flat, nats=24.0), "twin": rows([sample[2], *sample[44:47]], nats=18.0)}
    return stage.score(voices, examples, sample[:30])


def test_metrics_say_what_the_voices_did(scored):
    metrics, _ = scored
    assert metrics["gain"]["bits_per_byte_percent"] == pytest.approx(25.0)
    assert metrics["base"]["stopped"] == metrics["twin"]["stopped"] == 0.5
    assert metrics["twin"]["style"] > 0.8 and metrics["base"]["style"] == 0
    assert metrics["twin"]["copied_run_max"] > 100 > metrics["base"]["copied_run_max"]  # its first text is a training post
    assert metrics["n"]["prompts"] == 4
    assert all(isinstance(v, (int, float)) and not math.isnan(v) for part in metrics.values() for v in part.values())


def test_report_shows_every_voice_and_runs_no_text_as_html(scored):
    metrics, samples = scored
    samples[0]["twin"]["text"] = "<script>alert(1)</script> & more"
    page = report(metrics, samples, {"base": {"p0": 1.2}, "twin": {"p0": 0.9}}, "Wenna & Co", "smollm2:135m")
    assert "<script" not in page and "&lt;script&gt;" in page and "Wenna &amp; Co" in page
    assert "&lt;b&gt;bold" in page
    for s in samples:
        assert s["author"].split("\n")[0][:12].split("'")[0] in page
    assert "http" not in page.split("</style>")[0].replace("http-equiv", "")  # self-contained: nothing is fetched


def test_scorer_does_not_slow_what_comes_after(tmp_path):
    """Its llama.cpp thread ends with it: no thread, and so no OpenMP team, is left."""
    import threading

    path = write_tiny_gguf(tmp_path / "tiny.gguf")
    before = threading.active_count()
    with Scorer(path) as scorer:
        assert np.isfinite(scorer.log_likelihoods(scorer.tokenize("a b c"), scorer.tokenize(" d e f"))).all()
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
