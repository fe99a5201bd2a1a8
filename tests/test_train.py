"""Training on the CPU: the loss is right, the rows are the ones that are served, the best epoch is kept."""

import json
import math

import pytest
import torch
from jobs import SYSTEM, example, job, row, settings

from _shared import UserError
from train import backend, chat, cpu
from train.log import Log
from train.loss import OutputLoss, summed_loss
from train.watch import Watch


@pytest.fixture(autouse=True)
def at_root(monkeypatch):
    from conftest import ROOT

    monkeypatch.chdir(ROOT)


def peft_model(tiny, attention: str):
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(tiny.hf, dtype=torch.float32, attn_implementation=attention)
    return get_peft_model(model, LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM"))


@pytest.mark.slow
def test_packed_loss_is_the_sum_of_the_rows_by_themselves(tiny):
    """No attention across posts, no label lost or moved, padding costs nothing: against transformers' own loss, row by row."""
    tokenizer = tiny.tokenizer()
    rows = [chat.row_ids(tokenizer, chat.messages(example(i, 20 + i), SYSTEM), example(i, 20 + i)["output"]) for i in range(3)]
    ids, labels, positions = [], [], []
    for prompt, completion in rows:
        ids += prompt + completion
        labels += [-100] * len(prompt) + completion
        positions += range(len(prompt + completion))
    padding = 7
    packed = {"input_ids": ids + [2] * padding, "labels": labels + [-100] * padding, "position_ids": positions + [0] * padding}
    loss, count = summed_loss(peft_model(tiny, "by_document"), {k: torch.tensor([v]) for k, v in packed.items()})
    plain, expected = peft_model(tiny, "sdpa"), 0.0
    for prompt, completion in rows:
        x = torch.tensor([prompt + completion])
        y = torch.tensor([[-100] * len(prompt) + completion])
        expected += plain(input_ids=x, labels=y).loss.item() * len(completion)
    assert count == sum(len(c) for _, c in rows)
    assert loss.item() == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("cap", [None, 5.0])
def test_gradient_of_the_output_layer_is_autograds(cap):
    """The gradient made on the way forward equals the one autograd finds for the plain formula, also with a soft cap."""
    torch.manual_seed(1)
    hidden, weight, labels = torch.randn(300, 16), torch.randn(50, 16), torch.randint(0, 50, (300,))

    def plain(h):
        z = h @ weight.T
        z = cap * torch.tanh(z / cap) if cap else z
        return torch.nn.functional.cross_entropy(z, labels, reduction="sum")

    ours, theirs = hidden.clone().requires_grad_(), hidden.clone().requires_grad_()
    a, b = OutputLoss.apply(ours, weight, labels, cap), plain(theirs)
    (a * 2).backward()
    (b * 2).backward()
    assert a.item() == pytest.approx(b.item(), rel=1e-5)
    assert torch.allclose(ours.grad, theirs.grad, atol=1e-4)


@pytest.mark.slow
def test_trained_tokens_are_the_served_ones_and_end_in_the_end_token(tiny, tmp_path):
    """What TRL makes of a row equals chat.row_ids, which parity compares with llama.cpp; the end token carries a label."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM

    tokenizer = tiny.tokenizer()
    model = AutoModelForCausalLM.from_pretrained(tiny.hf, attn_implementation="by_document")
    one = example(3)
    trainer = cpu.PackedTrainer(model, args=cpu.config(settings(), tmp_path, False), train_dataset=Dataset.from_list([row(one)]), processing_class=tokenizer, peft_config=LoraConfig(target_modules="all-linear"))
    batch = next(iter(trainer.get_train_dataloader()))
    prompt, completion = chat.row_ids(tokenizer, chat.messages(one, SYSTEM), one["output"])
    assert batch["input_ids"][0, : len(prompt) + len(completion)].tolist() == prompt + completion
    labels = batch["labels"][0].tolist()
    assert labels[: len(prompt)] == [-100] * len(prompt)
    assert labels[len(prompt) : len(prompt) + len(completion)] == completion
    assert completion[-1] == tokenizer.eos_token_id == tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert batch["input_ids"].shape[1] % cpu.PAD == 0


@pytest.mark.slow
def test_training_learns_and_keeps_the_best_epoch(tiny, tmp_path):
    """The loss falls, the adapter on disk scores the best validation loss that was logged, and its files keep the contract."""
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    work = job(tiny, tmp_path / "adapter", settings())
    numbers = cpu.train(work)
    assert numbers["loss_after"] < numbers["loss_before"] - 0.5
    assert numbers["loss_after"] == min(v[2] for v in work.log.valids)
    config = json.loads((work.folder / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == tiny.repo and not config["use_rslora"] and not config["use_dora"] and not config["modules_to_save"]
    assert set(config["target_modules"]) == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert sorted(f.name for f in work.folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny.hf, dtype=torch.float32, attn_implementation="by_document"), work.folder)
    total = count = 0
    for r in work.valid_rows:
        prompt, completion = chat.row_ids(tiny.tokenizer(), r["prompt"], r["completion"][0]["content"])
        ids = prompt + completion
        loss, n = summed_loss(model, {"input_ids": torch.tensor([ids]), "labels": torch.tensor([[-100] * len(prompt) + completion]), "position_ids": torch.arange(len(ids))[None]})
        total, count = total + loss.item(), count + n
    assert total / count == pytest.approx(numbers["loss_after"], rel=0.02)  # bf16 in training


@pytest.mark.slow
def test_an_epoch_that_hurts_is_not_kept(tiny, tmp_path):
    """After an epoch that made the adapter worse, the one before is put back, to the last bit of its validation loss."""
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM

    work = job(tiny, tmp_path, settings())
    model = AutoModelForCausalLM.from_pretrained(tiny.hf, attn_implementation="by_document")
    rows, valid = Dataset.from_list(work.train_rows), Dataset.from_list(work.valid_rows)
    trainer = cpu.PackedTrainer(model, args=cpu.config(settings(), tmp_path, False), train_dataset=rows, eval_dataset=valid, processing_class=tiny.tokenizer(), peft_config=LoraConfig(target_modules=cpu.projections(model)))
    keeper = Watch(trainer, work)
    keeper.losses.append(keeper.measure())  # before training
    trainer.state.epoch = 1
    keeper.on_epoch_end(trainer.args, trainer.state, trainer.control)
    while keeper.measure() <= keeper.losses[1]:  # noise may help, once
        for name, weight in trainer.model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight, std=1.0)
    trainer.state.epoch = 2
    keeper.on_epoch_end(trainer.args, trainer.state, trainer.control)
    assert keeper.losses[2] > keeper.losses[1] and keeper.best_epoch == 1
    keeper.restore()
    assert keeper.measure() == keeper.losses[1]


@pytest.mark.slow
def test_same_seed_same_curve(tiny, tmp_path):
    first, again = (job(tiny, tmp_path / name, settings(epochs=1)) for name in ("a", "b"))
    cpu.train(first)
    cpu.train(again)
    assert [s[1] for s in first.log.steps] == pytest.approx([s[1] for s in again.log.steps], abs=1e-4)


def test_budget_keeps_openings_before_later_parts_and_new_before_old():
    """train.max_tokens leaves out later parts of old posts first; a shorter row may still fit; never all of them."""
    import importlib

    stage = importlib.import_module("04_train")
    rows = [{"post_id": f"p{i}", "part": part, "date": f"20{10 + i}-01-01", "id": f"p{i}-{part}"} for i in range(5) for part in (1, 2)]
    lengths = {r["id"]: 40 if r["post_id"] == "p0" else 100 for r in rows}

    def kept(tokens):
        return [f"{r['post_id']}.{r['part']}" for r in stage.within_budget(rows, lengths, 2, tokens)]

    assert kept(500) == ["p0.1", "p3.1", "p4.1"]  # two new openings at 200 over two passes, and an old short one that still fits
    assert kept(1100) == ["p0.1", "p1.1", "p2.1", "p3.1", "p4.1", "p4.2"]
    assert stage.within_budget(rows, lengths, 2, 0) == rows and kept(1) == ["p4.1"]


def test_backend_says_why(monkeypatch):
    monkeypatch.setenv("FORCE_CPU", "1")
    monkeypatch.setattr(backend, "_no_mlx", lambda: "")
    assert backend.pick("auto") == ("cpu", "FORCE_CPU is set")
    monkeypatch.delenv("FORCE_CPU")
    assert backend.pick("auto")[0] == "mlx"
    monkeypatch.setattr(backend, "_no_mlx", lambda: "this is no Mac")
    monkeypatch.setattr(backend, "_no_cuda", lambda: "no GPU is found")
    assert backend.pick("auto") == ("cpu", "no GPU is found")
    with pytest.raises(UserError, match="train.backend is cuda, but no GPU is found"):
        backend.pick("cuda")


def test_log_writes_the_curves(tmp_path):
    log = Log()
    log.valid(0, 0, 3.5)
    log.start(2)
    log.step(1, 3.0, 1e-4, 0.5, 100, 1.0)
    log.step(2, 2.5, 5e-5, 0.4, 100, 1.0)
    log.valid(2, 1, 2.75)
    log.stop()
    log.write(tmp_path)
    assert (tmp_path / "loss.tsv").read_text() == "step\tloss\tlearning_rate\tgrad_norm\n1\t3\t0.0001\t0.5\n2\t2.5\t5e-05\t0.4\n"
    assert (tmp_path / "valid_loss.tsv").read_text() == "step\tepoch\tloss\n0\t0\t3.5\n2\t1\t2.75\n"
    assert log.tokens == 200 and math.isclose(log.seconds, 2.0)


def test_llama_template_renders_the_same_on_every_day():
    """A template that asks for the date gets the pinned one, in transformers and wherever the template is taken."""
    template = "{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}{{ date_string }}"
    from jinja2 import Environment

    assert Environment().from_string(chat.pin_date(template)).render(strftime_now=lambda f: "today") == chat.PINNED_DATE
    assert chat.pin_date("{{ messages }}") == "{{ messages }}"
