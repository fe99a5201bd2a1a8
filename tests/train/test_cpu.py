"""Training on the CPU: the loss is right, the rows are the ones that are served, the best epoch is kept."""

import json

import pytest
import torch

from blogtwin.models import chat
from tests.support.training_jobs import SYSTEM, example, job, settings
from train import cpu
from train.callbacks import TrainingMonitor, validation_loss
from train.kernels import attention
from train.kernels.cross_entropy import ChunkedCrossEntropy, summed_cross_entropy

pytestmark = [pytest.mark.slow, pytest.mark.model]


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    from tests.support.workspace import ROOT

    monkeypatch.chdir(ROOT)


def peft_model(tiny, implementation: str):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(tiny.hf, dtype=torch.float32, attn_implementation=implementation)
    return get_peft_model(
        model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
    )


def test_packed_loss_is_the_sum_of_the_rows_by_themselves(tiny):
    """No attention across posts, no label lost or moved, padding costs nothing: against transformers' own loss, row by
    row."""
    tokenizer = tiny.tokenizer()
    rows = [
        chat.encode_example(tokenizer, chat.prompt_messages(example(i, 20 + i), SYSTEM), example(i, 20 + i)["output"])
        for i in range(3)
    ]
    ids, labels, positions = [], [], []
    for prompt, completion in rows:
        ids += prompt + completion
        labels += [-100] * len(prompt) + completion
        positions += range(len(prompt + completion))
    padding = 7
    packed = {
        "input_ids": ids + [2] * padding,
        "labels": labels + [-100] * padding,
        "position_ids": positions + [0] * padding,
    }
    loss, count = summed_cross_entropy(
        peft_model(tiny, attention.register()), {k: torch.tensor([v]) for k, v in packed.items()}
    )
    plain, expected = peft_model(tiny, "sdpa"), 0.0
    for prompt, completion in rows:
        x = torch.tensor([prompt + completion])
        y = torch.tensor([[-100] * len(prompt) + completion])
        expected += plain(input_ids=x, labels=y).loss.item() * len(completion)
    assert count == sum(len(c) for _, c in rows)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("cap", [None, 5.0])
def test_gradient_of_the_output_layer_is_autograds(cap):
    """The gradient made on the way forward equals the one autograd finds for the plain formula, also with a soft
    cap."""
    torch.manual_seed(1)
    hidden, weight, labels = torch.randn(300, 16), torch.randn(50, 16), torch.randint(0, 50, (300,))

    def plain(h):
        z = h @ weight.T
        z = cap * torch.tanh(z / cap) if cap else z
        return torch.nn.functional.cross_entropy(z, labels, reduction="sum")

    ours, theirs = hidden.clone().requires_grad_(), hidden.clone().requires_grad_()
    a, b = ChunkedCrossEntropy.apply(ours, weight, labels, cap), plain(theirs)
    (a * 2).backward()
    (b * 2).backward()
    assert a.item() == pytest.approx(b.item(), rel=1e-5)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-4)


def test_trained_tokens_are_the_served_ones_and_end_in_the_end_token(tiny, tmp_path):
    """What TRL makes of a row equals chat.row_ids, which parity compares with llama.cpp; the end token carries a
    label."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM

    tokenizer = tiny.tokenizer()
    model = AutoModelForCausalLM.from_pretrained(tiny.hf, attn_implementation=attention.register())
    one = example(3)
    trainer = cpu.PackedTrainer(
        model,
        args=cpu.sft_config(settings(), tmp_path, False),
        train_dataset=Dataset.from_list([chat.to_trl_row(one, SYSTEM)]),
        processing_class=tokenizer,
        peft_config=LoraConfig(target_modules="all-linear"),
    )
    batch = next(iter(trainer.get_train_dataloader()))
    prompt, completion = chat.encode_example(tokenizer, chat.prompt_messages(one, SYSTEM), one["output"])
    assert batch["input_ids"][0, : len(prompt) + len(completion)].tolist() == prompt + completion
    labels = batch["labels"][0].tolist()
    assert labels[: len(prompt)] == [-100] * len(prompt)
    assert labels[len(prompt) : len(prompt) + len(completion)] == completion
    assert completion[-1] == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert batch["input_ids"].shape[1] % cpu.PAD_TO_MULTIPLE == 0


def test_training_learns_and_keeps_the_best_epoch(tiny, tmp_path):
    """The loss falls, the adapter on disk scores the best validation loss that was logged, and its files keep the
    contract."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    work = job(tiny, tmp_path / "adapter", settings())
    numbers = cpu.train(work)
    assert numbers["loss_after"] < numbers["loss_before"] - 0.5
    assert numbers["loss_after"] == min(v[2] for v in work.log.validations)
    config = json.loads((work.output_dir / "adapter_config.json").read_text())
    assert config["target_modules"] == sorted(config["target_modules"]), (
        "else DVC would export and score the same weights again"
    )
    assert (
        config["base_model_name_or_path"] == tiny.repo
        and not config["use_rslora"]
        and not config["use_dora"]
        and not config["modules_to_save"]
    )
    assert set(config["target_modules"]) == {
        "q_proj",
        "k_proj",
        "v_proj",
        "o_proj",
        "gate_proj",
        "up_proj",
        "down_proj",
    }
    assert sorted(f.name for f in work.output_dir.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(tiny.hf, dtype=torch.float32, attn_implementation=attention.register()),
        work.output_dir,
    )
    total = count = 0
    for r in work.valid_rows:
        prompt, completion = chat.encode_example(tiny.tokenizer(), r["prompt"], r["completion"][0]["content"])
        ids = prompt + completion
        loss, n = summed_cross_entropy(
            model,
            {
                "input_ids": torch.tensor([ids]),
                "labels": torch.tensor([[-100] * len(prompt) + completion]),
                "position_ids": torch.arange(len(ids))[None],
            },
        )
        total, count = total + loss.item(), count + n
    assert total / count == pytest.approx(numbers["loss_after"], rel=0.02)  # bf16 in training


def test_an_epoch_that_hurts_is_not_kept(tiny, tmp_path):
    """After an epoch that made the adapter worse, the one before is put back, to the last bit of its validation
    loss."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM

    work = job(tiny, tmp_path, settings())
    model = AutoModelForCausalLM.from_pretrained(tiny.hf, attn_implementation=attention.register())
    rows, valid = Dataset.from_list(work.train_rows), Dataset.from_list(work.valid_rows)
    trainer = cpu.PackedTrainer(
        model,
        args=cpu.sft_config(settings(), tmp_path, False),
        train_dataset=rows,
        eval_dataset=valid,
        processing_class=tiny.tokenizer(),
        peft_config=LoraConfig(target_modules=cpu.lora_target_modules(model)),
    )
    keeper = TrainingMonitor(trainer, work)
    keeper.losses.append(validation_loss(trainer))  # before training
    trainer.state.epoch = 1
    keeper.on_epoch_end(trainer.args, trainer.state, trainer.control)
    while validation_loss(trainer) <= keeper.losses[1]:  # noise may help, once
        for name, weight in trainer.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=1.0)
    trainer.state.epoch = 2
    keeper.on_epoch_end(trainer.args, trainer.state, trainer.control)
    assert keeper.losses[2] > keeper.losses[1] and keeper.best_epoch == 1
    keeper.restore_best()
    assert validation_loss(trainer) == keeper.losses[1]


def test_training_with_the_same_seed_gives_the_same_loss_curve(tiny, tmp_path):
    first, again = (job(tiny, tmp_path / name, settings(epochs=1)) for name in ("a", "b"))
    cpu.train(first)
    cpu.train(again)
    assert [s[1] for s in first.log.steps] == pytest.approx([s[1] for s in again.log.steps], abs=1e-4)
