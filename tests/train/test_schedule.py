"""What the data decides, and the sentences on it."""

import math

import pytest

from blogtwin.config import load_params
from tests.support.training_jobs import job, settings
from tests.support.workspace import ROOT
from train.schedule import TINY_CORPUS_TOKENS, describe_schedule, fit_to_corpus, summarise_validation


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    monkeypatch.chdir(ROOT)


def test_a_tiny_corpus_gets_a_small_rank_at_the_same_strength():
    usual = load_params("params.yaml").train
    small, said = fit_to_corpus(usual, TINY_CORPUS_TOKENS - 1)
    assert small.lora_rank == 8 and small.lora_alpha / small.lora_rank == usual.lora_alpha / usual.lora_rank
    assert "LoRA rank 8 instead of 16" in said[0]
    assert fit_to_corpus(usual, TINY_CORPUS_TOKENS) == (usual, [])


def test_a_rank_that_a_person_wrote_stays(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text().replace("lora_rank: preset", "lora_rank: 16"))
    own = load_params(path).train
    assert fit_to_corpus(own, 10) == (own, [])


@pytest.mark.slow
@pytest.mark.parametrize("total, warmup, rising", [(110, 0.1, 11), (12, 0.1, 2), (9, 0.0, 0)])
def test_steps_are_said_as_transformers_counts_them(total, warmup, rising):
    from transformers import TrainingArguments

    assert TrainingArguments(output_dir="x", warmup_steps=warmup, use_cpu=True).get_warmup_steps(total) == rising
    assert f"{total} steps, 3 per epoch; learning rate: warm-up to 0.005 over {rising} steps," in describe_schedule(
        settings(warmup_ratio=warmup), total, 3
    )


@pytest.mark.parametrize(
    "losses, says",
    [
        ([3.6, 3.2, 3.1], "still lowered the validation loss by 0.100: more epochs may help"),
        ([3.6, 3.1, 3.099], "lowered the validation loss by only 0.001: more epochs would not help"),
        (
            [3.6, 3.1, 3.2],
            (
                "epoch 1 is the best and is kept: the validation loss rose by 0.100 after it; early stopping after"
                " epoch 2 of 3; more epochs would not help"
            ),
        ),
        (
            [3.6, 3.2, 3.1, 3.3],
            "epoch 2 is the best and is kept: the validation loss rose by 0.200 after it; more epochs would not help",
        ),
        ([3.6, 3.7], "did not fall"),
    ],
)
def test_the_curve_says_whether_more_epochs_help(losses, says):
    assert says in summarise_validation(losses, 3)


@pytest.mark.slow
def test_training_stops_when_the_validation_loss_no_longer_falls(tiny, tmp_path, monkeypatch):
    """An early stop at the first epoch that is worse, with the one before it kept."""
    from train import callbacks, cpu

    losses = iter([9.0, 5.0, 4.0, 4.5, math.nan])
    monkeypatch.setattr(callbacks, "validation_loss", lambda trainer: next(losses))
    work = job(tiny, tmp_path / "adapter", settings(epochs=6, early_stopping_patience=1))
    numbers = cpu.train(work)
    assert (
        [v[2] for v in work.log.validations] == [9.0, 5.0, 4.0, 4.5]
        and numbers["best_epoch"] == 2
        and numbers["loss_after"] == 4.0
    )
