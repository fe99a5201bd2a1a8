"""Preferences after training, and the environment that rewards writing: real trainers of TRL on a tiny random model."""

import dataclasses
import importlib
import json
import shutil
import sys

import pytest
from conftest import ROOT
from jobs import SYSTEM, example, job, settings

from _shared import UserError, load_params, read_jsonl, write_jsonl
from corpus import readers
from corpus.clean import clean
from eval.environment import WEIGHTS, WritingEnvironment, ended, total
from train import chat

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def posts() -> list[str]:
    return [clean(readers.read(path, 5e7).text) for path in sorted((ROOT / "data/sample").glob("*.md"))]


@pytest.fixture(scope="module")
def environment(posts):
    prompts = [f"Write the post “{word}”." for word in ("The ferry", "A kettle", "Winter in the harbour", "The choir", "Saffron buns")]
    return WritingEnvironment(prompts, posts[:30])


def test_it_is_an_environment_of_gymnasium(environment):
    from gymnasium.utils.env_checker import check_env

    check_env(environment, skip_render_check=True)


def test_the_author_is_rewarded_and_cheats_are_not(environment, posts):
    """Posts that the environment has not seen, against what would fool one part of it alone."""
    from eval import cheats

    def reward(text: str) -> tuple[float, dict]:
        environment.reset(options={"prompt": 0})
        _, value, terminated, truncated, parts = environment.step(text)
        assert terminated and not truncated and value == pytest.approx(total(parts))
        return value, parts

    held_out = posts[30:36]
    author = sorted(reward(text)[0] for text in held_out)[len(held_out) // 2]
    others = "The committee will convene on Thursday. It is imperative that all stakeholders submit their documentation beforehand. " * 12
    copied, parts = reward(posts[0])
    assert parts["copied"] == 1 and copied < author
    assert reward(others)[0] < author and reward("")[0] == 0
    for cheat in (cheats.shuffled_words(held_out[:1], 7), cheats.repeated(held_out[:1], 300), cheats.markov(posts[:30], 1, 300, 2, 7)):
        assert reward(cheat[0])[0] < author


def test_an_end_is_told_from_a_cut():
    assert ended("It rained.") and ended("“Did it?”\n") and not ended("It rained and") and not ended("")


def examples(n: int) -> list[dict]:
    return [{**example(i), "id": f"p{i}-1", "post_id": f"p{i}", "part": 1, "date": f"2020-01-{i + 1:02}", "task": "write"} for i in range(n)]


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A job whose adapter is trained, and its numbers."""
    from train import cpu

    work = job(tiny, tmp_path_factory.mktemp("sft") / "adapter", settings(epochs=2))
    return work, cpu.train(work)


def again(trained, folder, **changes):
    """The same job with a copy of its adapter, and other params."""
    work = trained[0]
    shutil.copytree(work.folder, folder)
    return dataclasses.replace(work, folder=folder, params=work.params.model_copy(update={"pairs": 6, **changes}))


def weights(folder) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def test_dpo_prefers_the_author_and_keeps_the_contract(trained, tmp_path):
    """The author's texts become likelier against what the twin wrote, and the adapter is one as the trainer writes it."""
    from train import preferences

    votes = tmp_path / "votes.jsonl"
    votes.write_text(json.dumps({"prompt": "Write number 1.", "chosen": "word1 word2.", "rejected": "Nothing at all."}) + "\n")
    work = again(trained, tmp_path / "adapter", method="dpo", votes=str(votes), learning_rate=2e-2)
    found = preferences.improve(work, examples(6), SYSTEM)
    assert found["preference"]["pairs"] == 7 and found["preference"]["votes"] == 1
    assert found["preference"]["margin"] > 0 and found["preference"]["accuracy"] > 0.5
    before, after = weights(trained[0].folder), weights(work.folder)
    assert before.keys() == after.keys() and any(not (before[k] == after[k]).all() for k in before)
    assert sorted(f.name for f in work.folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert json.loads((work.folder / "adapter_config.json").read_text())["base_model_name_or_path"] == trained[0].base.repo
    assert found["loss_after"] > 0


def test_a_cut_text_has_no_end_token(trained, monkeypatch):
    """What is longer than the limit is cut and not ended: else a twin would learn to stop in the middle."""
    from train import preferences

    monkeypatch.setattr(preferences, "TOKENS", 12)
    work = dataclasses.replace(trained[0], params=trained[0].params.model_copy(update={"pairs": 3}))
    end = work.base.tokenizer().eos_token_id
    rows = preferences.pairs(work, examples(3), SYSTEM)
    assert all(len(r["chosen_ids"]) == 12 and end not in r["chosen_ids"] for r in rows)
    assert all(len(r["rejected_ids"]) <= 12 and end not in r["rejected_ids"][:-1] for r in rows)


def test_grpo_writes_is_rewarded_and_keeps_the_contract(trained, tmp_path, monkeypatch):
    """Each text is rewarded; where texts for a prompt differ in reward, the weights change. A text that is cut where the author's is, too, stops as his does."""
    from train import preferences

    asked = []
    monkeypatch.setattr(preferences, "TOKENS", 16)
    monkeypatch.setattr(preferences.Rewards, "parts", lambda self, text, brief, stopped: asked.append((text, stopped)) or dict.fromkeys(WEIGHTS, float(len(text))))
    work = again(trained, tmp_path / "adapter", method="grpo", pairs=2, learning_rate=2e-2)
    found = preferences.improve(work, examples(6), SYSTEM)["preference"]
    assert found["prompts"] == 2 and {"reward_before", "reward_after"} | set(WEIGHTS) < set(found)
    assert len(asked) == 2 * preferences.GROUP + 2 * 2 and len({text for text, _ in asked}) > 2
    assert [stopped for _, stopped in asked].count(True) > len(asked) / 2  # the author's texts are longer than 16 tokens
    before, after = weights(trained[0].folder), weights(work.folder)
    assert any(not (before[k] == after[k]).all() for k in before)
    assert sorted(f.name for f in work.folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]


def test_a_loss_that_is_no_number_ends_it(trained, tmp_path, monkeypatch):
    from train import preferences

    monkeypatch.setattr(preferences, "BETA", float("nan"))
    with pytest.raises(FloatingPointError, match="the loss of train.method became nan at step 1"):
        preferences.improve(again(trained, tmp_path / "adapter", method="dpo"), examples(6), SYSTEM)


def test_ctrl_c_says_from_where_the_same_command_goes_on(trained, tmp_path, monkeypatch):
    from train import preferences

    def press(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(preferences, "dpo", press)
    work = again(trained, tmp_path / "adapter", method="dpo")
    with pytest.raises(KeyboardInterrupt, match="the same command begins anew"):
        preferences.improve(work, examples(6), SYSTEM)
    with work.checkpoints.saving(12, 12), pytest.raises(KeyboardInterrupt, match="^((?!step-12).)*$"):  # not there before it is whole
        preferences.improve(work, examples(6), SYSTEM)
    with pytest.raises(KeyboardInterrupt, match="goes on from .*step-12, what the posts taught"):
        preferences.improve(work, examples(6), SYSTEM)
    work.checkpoints.clear()


def test_memory_that_ends_is_one_sentence(trained, tmp_path, monkeypatch):
    from train import preferences

    def allocate(*args):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(preferences, "adapted", allocate)
    with pytest.raises(UserError, match="Memory ran out in train.method=dpo: set train.method to sft"):
        preferences.improve(again(trained, tmp_path / "adapter", method="dpo"), examples(6), SYSTEM)


def test_the_stage_says_what_it_did_in_its_metrics(tiny, tiny_root, tmp_path, monkeypatch):
    """04_train with train.method dpo: the numbers that `dvc metrics diff` compares are those of the adapter it leaves."""
    from train import cpu

    stage, params = importlib.import_module("04_train"), load_params(ROOT / "params.yaml")
    train = settings(base=str(tiny_root / "tiny.gguf"), method="dpo", pairs=4, votes=str(ROOT / "train/votes.jsonl"), epochs=1)
    monkeypatch.setattr(stage, "load_params", lambda: params.model_copy(update={"train": train, "prepare": params.prepare.model_copy(update={"system": SYSTEM})}))
    monkeypatch.setattr(sys, "argv", ["04_train.py"])
    monkeypatch.chdir(tmp_path)
    rows = examples(9)
    for name, some in {"train": rows[:6], "valid": rows[6:8], "test": rows[8:]}.items():
        write_jsonl(tmp_path / f"data/split/{name}.jsonl", some)
    with monkeypatch.context() as two, pytest.raises(UserError, match="train.method is dpo, which runs in one process, and this is one of 2"):
        two.setenv("WORLD_SIZE", "2")
        stage.main()
    stage.main()
    found = json.loads((tmp_path / "artifacts/train/metrics.json").read_text())
    assert found["preference"]["method"] == "dpo" and found["preference"]["pairs"] == 4
    valid = [chat.row(e, SYSTEM) for e in rows[6:8]]
    assert found["loss_after"] == pytest.approx(cpu.loss_of(tiny, tmp_path / "artifacts/adapter", valid, train), abs=1e-3)
    about = json.loads((tmp_path / "artifacts/train/training.json").read_text())
    assert about["hardware"]["cores"] >= 1 and about["hardware"]["ram_gb"] > 1 and about["knobs"]["method"] == "dpo" and about["seconds"] > 0
    assert [json.loads(line)["event"] for line in (tmp_path / "artifacts/logs/train.jsonl").read_text().splitlines()][:2] == ["validation", "start"]
    assert not (tmp_path / "artifacts/checkpoints").exists(), "what was kept for dpo's sake is gone"


@pytest.mark.parametrize("content, said", [(None, "is not there"), ("{no json", "JSON line"), ('{"prompt": "a", "chosen": "b", "rejected": "c"}\n\n{"prompt": "a", "chosen": ""}', "line 3")])
def test_votes_that_are_none_are_one_sentence(tiny, tmp_path, content, said):
    from train import preferences

    file = tmp_path / "votes.jsonl"
    if content:
        file.write_text(content)
    with pytest.raises(UserError, match=said):
        preferences.voted(str(file), tiny.tokenizer(), SYSTEM)


def test_no_votes_are_shipped():
    assert read_jsonl(ROOT / "train/votes.jsonl") == []


def test_log_probabilities_without_triton():
    """By the definition, with temperature and soft cap, in pieces, and with its gradient."""
    import torch

    from train.logprobs import LogProbabilities
    from train.loss import CHUNK

    torch.manual_seed(0)
    n, names = CHUNK + 3, ("entropy", "log_sum_sq_probs", "mean_logits", "is_top1")
    hidden, weight, labels = torch.randn(n, 8, requires_grad=True), torch.randn(11, 8), torch.randint(0, 11, (n,))
    z = 5 * torch.tanh(hidden @ weight.T * 2 / 5) / 0.7
    p = z.softmax(-1)
    expected = (p[torch.arange(n), labels].log(), -(p * p.log()).sum(-1), (p**2).sum(-1).log(), z.mean(-1), z.argmax(-1) == labels)
    found = LogProbabilities.apply(hidden, weight, None, labels, 0.7, 4096, 5.0, 2.0, names)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    (slope,) = torch.autograd.grad(expected[0].sum(), hidden, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(found[0].sum(), hidden)[0], slope, rtol=1e-4, atol=1e-5)
    assert LogProbabilities.apply(hidden, weight, None, labels, 1.0, 4096)[1:] == (None, None, None, None)
