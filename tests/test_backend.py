"""What comes before training and beside it: which trainer, which rows, the curves, the template."""

import importlib
import json
import math
import re

import pytest

from _shared import UserError
from train import backend, chat
from train.log import Log


def test_budget_keeps_openings_before_later_parts_and_new_before_old():
    """train.max_tokens leaves out later parts of old posts first; a shorter row may still fit; never all of them."""
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
    with pytest.raises(UserError, match="train.backend is mlx, but FORCE_CPU is set"):
        backend.pick("mlx")
    monkeypatch.setenv("FORCE_CPU", "0")
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


def test_log_says_each_step_and_keeps_the_logs_before(tmp_path, capsys):
    """Tokens/s, time left and memory on the terminal and as JSON lines; the newest five logs of earlier runs stay beside the present one."""
    file = tmp_path / "logs/train.jsonl"
    for run in range(7):
        log = Log(file)
        log.start(4)
        log.step(1, 3.0 + run, 1e-4, 0.5, 100, 0.5)
        log.stop()
    assert re.search(r"step 1/4  loss 9.000  200 tokens/s  \d+ s left  \d+\.\d GB", capsys.readouterr().out.splitlines()[-1])
    start, step = map(json.loads, file.read_text().splitlines())
    assert start["event"] == "start" and step["tokens_per_s"] == 200 and step["loss"] == 9 and step["peak_memory_mb"] > 10 and step["seconds_left"] >= 0
    assert sorted(f.name for f in file.parent.iterdir()) == ["train.jsonl", *(f"train.jsonl.{n}" for n in range(1, 6))]
    assert [json.loads(file.with_name(f"train.jsonl.{n}").read_text().splitlines()[1])["loss"] for n in (1, 5)] == [8, 4]


def test_llama_template_renders_the_same_on_every_day():
    """A template that asks for the date gets the pinned one, in transformers and wherever the template is taken."""
    template = "{%- if not date_string is defined %}{%- set date_string = strftime_now('%d %b %Y') %}{%- endif %}{{ date_string }}"
    from jinja2 import Environment

    assert Environment().from_string(chat.pin_date(template)).render(strftime_now=lambda f: "today") == chat.PINNED_DATE
    assert chat.pin_date("{{ messages }}") == "{{ messages }}"
