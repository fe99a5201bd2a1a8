"""Preferences after training, and the environment that rewards writing: real trainers of TRL on a tiny random model."""

import dataclasses
import importlib
import json
import shutil
import sys

import pytest

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl, write_jsonl
from blogtwin.models import chat
from corpus import readers
from corpus.cleaning import clean_markdown
from eval.rewards import WEIGHTS, WritingEnvironment, looks_finished, weighted_sum
from tests.support.api_client import client
from tests.support.training_jobs import SYSTEM, example, job, settings
from tests.support.workspace import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.model]


@pytest.fixture(scope="module")
def posts() -> list[str]:
    return [clean_markdown(readers.read_post(path, 5e7).text) for path in sorted((ROOT / "data/sample").glob("*.md"))]


@pytest.fixture(scope="module")
def environment(posts):
    prompts = [
        f"Write the post “{word}”."
        for word in ("The ferry", "A kettle", "Winter in the harbour", "The choir", "Saffron buns")
    ]
    return WritingEnvironment(prompts, posts[:30])


def test_reward_environment_is_one_of_gymnasium(environment):
    from gymnasium.utils.env_checker import check_env

    check_env(environment, skip_render_check=True)


def test_the_author_is_rewarded_and_cheats_are_not(environment, posts):
    """Posts that the environment has not seen, against what would fool one part of it alone."""
    from eval import baselines

    def reward(text: str) -> tuple[float, dict]:
        environment.reset(options={"prompt": 0})
        _, value, terminated, truncated, parts = environment.step(text)
        assert terminated and not truncated and value == pytest.approx(weighted_sum(parts))
        return value, parts

    held_out = posts[30:36]
    author = sorted(reward(text)[0] for text in held_out)[len(held_out) // 2]
    others = (
        "The committee will convene on Thursday. It is imperative that all stakeholders submit their documentation"
        " beforehand. " * 12
    )
    copied, parts = reward(posts[0])
    assert parts["copied"] == 1 and copied < author
    assert reward(others)[0] < author and reward("")[0] == 0
    for cheat in (
        baselines.shuffle_words(held_out[:1], 7),
        baselines.repeat_sentence(held_out[:1], 300),
        baselines.markov_text(posts[:30], 1, 300, 2, 7),
    ):
        assert reward(cheat[0])[0] < author


def test_an_end_is_told_from_a_cut():
    assert (
        looks_finished("It rained.")
        and looks_finished("“Did it?”\n")
        and not looks_finished("It rained and")
        and not looks_finished("")
    )


def examples(n: int) -> list[dict]:
    return [
        {**example(i), "id": f"p{i}-1", "post_id": f"p{i}", "part": 1, "date": f"2020-01-{i + 1:02}", "task": "write"}
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A job whose adapter is trained, and its numbers."""
    from train import cpu

    work = job(tiny, tmp_path_factory.mktemp("sft") / "adapter", settings(epochs=2))
    return work, cpu.train(work)


def again(trained, folder, **changes):
    """The same job with a copy of its adapter, and other params."""
    work = trained[0]
    shutil.copytree(work.output_dir, folder)
    return dataclasses.replace(
        work, output_dir=folder, params=work.params.model_copy(update={"preference_prompts": 6, **changes})
    )


def weights(folder) -> dict:
    from safetensors.torch import load_file

    return load_file(folder / "adapter_model.safetensors")


def test_dpo_prefers_the_author_and_keeps_the_contract(trained, tmp_path):
    """The author's texts become likelier against what the twin wrote, and the adapter is one as the trainer writes
    it."""
    from train import preferences

    votes = tmp_path / "votes.jsonl"
    votes.write_text(
        json.dumps({"prompt": "Write number 1.", "chosen": "word1 word2.", "rejected": "Nothing at all."}) + "\n"
    )  # strings, as older files have them
    work = again(trained, tmp_path / "adapter", method="dpo", preference_data=str(votes), learning_rate=2e-2)
    found = preferences.train_preferences(work, examples(6), SYSTEM)
    assert found["preference"]["pairs"] == 7 and found["preference"]["votes"] == 1
    assert found["preference"]["margin"] > 0 and found["preference"]["accuracy"] > 0.5
    before, after = weights(trained[0].output_dir), weights(work.output_dir)
    assert before.keys() == after.keys() and any(not (before[k] == after[k]).all() for k in before)
    assert sorted(f.name for f in work.output_dir.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    assert (
        json.loads((work.output_dir / "adapter_config.json").read_text())["base_model_name_or_path"]
        == trained[0].base.repo
    )
    assert found["loss_after"] > 0


def test_votes_given_through_the_api_are_what_dpo_learns_from(trained, tmp_path, monkeypatch):
    """The bytes of GET /api/blind/pairs, saved to a file, are train.preference_data: each vote that decides is a row of
    DPO, and changes what is learnt."""
    from train import preferences
    from train.preferences import dpo

    project = tmp_path / "project"
    write_jsonl(
        project / "artifacts/eval/samples.jsonl",
        [
            {
                "prompt": "Write the post “The ferry”.\u2028Briefly.",
                "brief": "The ferry",
                "author": "It sailed. " * 20,
                "base": {"text": "A base wrote: “Ahoy”,\n\nand went. " * 9},
                "twin": {"text": "A twin wrote\u2028thát. " * 9},
            }
        ],
    )
    shutil.copy(ROOT / "params.yaml", project)
    monkeypatch.chdir(project)
    http, shown = client(tmp_path / "home"), []
    for other, vote in (
        ("finetuned", {"preferred": "left", "more_similar": "right"}),
        ("finetuned", {"preferred": "left"}),
        ("finetuned", {"preferred": "tie"}),
        ("author", {"preferred": "left", "own_text": "left"}),
    ):
        shown.append(http.post("/api/blind", json={"one": "base", "other": other}).json())
        assert http.post(f"/api/blind/{shown[-1]['id']}/vote", json=vote).status_code == 200
    file = tmp_path / "votes.jsonl"
    file.write_bytes(http.get("/api/blind/pairs").content)

    rows = []

    class Recorded(dpo.PretokenisedDPOTrainer):
        def __init__(self, *args, train_dataset, **kwargs):
            rows.extend(train_dataset)
            super().__init__(*args, train_dataset=train_dataset, **kwargs)

    monkeypatch.setattr(dpo, "PretokenisedDPOTrainer", Recorded)
    work = again(trained, tmp_path / "voted", method="dpo", preference_data=str(file), learning_rate=2e-2)
    found = preferences.train_preferences(work, examples(6), SYSTEM)["preference"]
    assert (found["pairs"], found["votes"]) == (8, 2)
    tokenizer = work.base.tokenizer()
    said = [
        {
            kind: tokenizer.decode(row[f"{kind}_ids"], skip_special_tokens=True).strip()
            for kind in ("chosen", "rejected")
        }
        for row in rows[6:]
    ]
    assert said == [
        {"chosen": shown[0]["right"], "rejected": shown[0]["left"]},
        {"chosen": shown[1]["left"], "rejected": shown[1]["right"]},
    ]
    expected = chat.encode_prompt(
        tokenizer, chat.prompt_messages({"instruction": "Write the post “The ferry”.\u2028Briefly."}, SYSTEM)
    )  # what the blind texts were written for
    assert [row["prompt_ids"] for row in rows[6:]] == [expected] * 2

    without = again(
        trained,
        tmp_path / "not-voted",
        method="dpo",
        preference_data=str(ROOT / "train/votes.jsonl"),
        learning_rate=2e-2,
    )
    preferences.train_preferences(without, examples(6), SYSTEM)
    with_votes, without_votes = weights(work.output_dir), weights(without.output_dir)
    assert any(not (with_votes[k] == without_votes[k]).all() for k in with_votes)


def test_a_pair_brings_its_own_conversation(tiny, tmp_path):
    """A prompt of several turns and a system message of its own are kept; without one, it is the twin's."""
    from train.preferences import dpo

    tokenizer = tiny.tokenizer()
    turns = [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "Yes."},
        {"role": "user", "content": "Two?"},
    ]
    own = [{"role": "system", "content": "You are somebody else."}]
    answers = {
        "chosen": [{"role": "assistant", "content": "Two."}],
        "rejected": [{"role": "assistant", "content": "None."}],
    }
    write_jsonl(tmp_path / "votes.jsonl", [{"prompt": turns, **answers}, {"prompt": own + turns, **answers}])
    found = dpo.load_votes(str(tmp_path / "votes.jsonl"), tokenizer, SYSTEM)
    asked = [[{"role": "system", "content": SYSTEM}, *turns], own + turns]
    assert [row["prompt_ids"] for row in found] == [chat.encode_prompt(tokenizer, messages) for messages in asked]
    assert {tuple(row["chosen_ids"]) for row in found} == {tuple(chat.encode_example(tokenizer, asked[0], "Two.")[1])}


def test_a_cut_text_has_no_end_token(trained, monkeypatch):
    """What is longer than the limit is cut and not ended: else a twin would learn to stop in the middle."""
    from train.preferences import common, dpo

    for module in (common, dpo):
        monkeypatch.setattr(module, "MAX_COMPLETION_TOKENS", 12)
    work = dataclasses.replace(trained[0], params=trained[0].params.model_copy(update={"preference_prompts": 3}))
    end = work.base.tokenizer().eos_token_id
    rows = dpo.build_pairs(work, examples(3), SYSTEM)
    assert all(len(r["chosen_ids"]) == 12 and end not in r["chosen_ids"] for r in rows)
    assert all(len(r["rejected_ids"]) <= 12 and end not in r["rejected_ids"][:-1] for r in rows)


def test_grpo_writes_is_rewarded_and_keeps_the_contract(trained, tmp_path, monkeypatch):
    """Each text is rewarded; where texts for a prompt differ in reward, the weights change. A text that is cut where
    the author's is, too, stops as his does."""
    from train import preferences
    from train.preferences import common, grpo

    asked = []
    for module in (common, grpo):
        monkeypatch.setattr(module, "MAX_COMPLETION_TOKENS", 16)
    monkeypatch.setattr(
        grpo.RewardFunction,
        "components",
        lambda self, text, brief, stopped: asked.append((text, stopped)) or dict.fromkeys(WEIGHTS, float(len(text))),
    )
    work = again(trained, tmp_path / "adapter", method="grpo", preference_prompts=2, learning_rate=2e-2)
    found = preferences.train_preferences(work, examples(6), SYSTEM)["preference"]
    assert found["prompts"] == 2 and {"reward_before", "reward_after"} | set(WEIGHTS) < set(found)
    assert len(asked) == 2 * grpo.NUM_GENERATIONS + 2 * 2 and len({text for text, _ in asked}) > 2
    assert [stopped for _, stopped in asked].count(True) > len(
        asked
    ) / 2  # the author's texts are longer than 16 tokens
    before, after = weights(trained[0].output_dir), weights(work.output_dir)
    assert any(not (before[k] == after[k]).all() for k in before)
    assert sorted(f.name for f in work.output_dir.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]


def test_a_loss_that_is_no_number_ends_it(trained, tmp_path, monkeypatch):
    from train import preferences
    from train.preferences import dpo

    monkeypatch.setattr(dpo, "BETA", float("nan"))
    with pytest.raises(FloatingPointError, match="the loss of train.method became nan at step 1"):
        preferences.train_preferences(again(trained, tmp_path / "adapter", method="dpo"), examples(6), SYSTEM)


def test_ctrl_c_says_from_where_the_same_command_goes_on(trained, tmp_path, monkeypatch):
    from train import preferences
    from train.preferences import dpo

    def press(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(dpo, "run_dpo", press)
    work = again(trained, tmp_path / "adapter", method="dpo")
    with pytest.raises(KeyboardInterrupt, match="the same command starts again from the beginning"):
        preferences.train_preferences(work, examples(6), SYSTEM)
    with (
        work.checkpoints.save(12, 12),
        pytest.raises(KeyboardInterrupt, match="^((?!step-12).)*$"),
    ):  # not there before it is whole
        preferences.train_preferences(work, examples(6), SYSTEM)
    with pytest.raises(KeyboardInterrupt, match="resumes from .*step-12, the end of the training on the posts"):
        preferences.train_preferences(work, examples(6), SYSTEM)
    work.checkpoints.clear()


def test_memory_that_ends_is_one_sentence(trained, tmp_path, monkeypatch):
    from train import preferences
    from train.preferences import dpo

    def allocate(*args):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(dpo, "load_adapter", allocate)
    with pytest.raises(UserError, match="Out of memory in train.method=dpo: set train.method to sft"):
        preferences.train_preferences(again(trained, tmp_path / "adapter", method="dpo"), examples(6), SYSTEM)


def test_the_stage_says_what_it_did_in_its_metrics(tiny, tiny_root, tmp_path, monkeypatch):
    """04_train with train.method dpo: the numbers that `dvc metrics diff` compares are those of the adapter it
    leaves."""
    from train import cpu

    stage, params = importlib.import_module("04_train"), load_params(ROOT / "params.yaml")
    train = settings(
        base=str(tiny_root / "tiny.gguf"),
        method="dpo",
        preference_prompts=4,
        preference_data=str(ROOT / "train/votes.jsonl"),
        epochs=1,
    )
    monkeypatch.setattr(
        stage,
        "load_params",
        lambda: params.model_copy(
            update={"train": train, "prepare": params.prepare.model_copy(update={"system": SYSTEM})}
        ),
    )
    monkeypatch.setattr(sys, "argv", ["04_train.py"])
    monkeypatch.chdir(tmp_path)
    rows = examples(9)
    for name, some in {"train": rows[:6], "valid": rows[6:8], "test": rows[8:]}.items():
        write_jsonl(tmp_path / f"data/split/{name}.jsonl", some)
    with (
        monkeypatch.context() as two,
        pytest.raises(UserError, match="train.method is dpo, which runs in one process, and this is one of 2"),
    ):
        two.setenv("WORLD_SIZE", "2")
        stage.main()
    stage.main()
    found = json.loads((tmp_path / "artifacts/train/metrics.json").read_text())
    assert found["preference"]["method"] == "dpo" and found["preference"]["pairs"] == 4
    valid = [chat.to_trl_row(e, SYSTEM) for e in rows[6:8]]
    assert found["loss_after"] == pytest.approx(
        cpu.evaluate_adapter(tiny, tmp_path / "artifacts/adapter", valid, train), abs=1e-3
    )
    about = json.loads((tmp_path / "artifacts/train/training.json").read_text())
    assert (
        about["hardware"]["cores"] >= 1
        and about["hardware"]["ram_gb"] > 1
        and about["knobs"]["method"] == "dpo"
        and about["seconds"] > 0
    )
    assert [json.loads(line)["event"] for line in (tmp_path / "artifacts/logs/train.jsonl").read_text().splitlines()][
        :2
    ] == ["validation", "start"]
    assert not (tmp_path / "artifacts/checkpoints").exists(), "what was kept for dpo's sake is gone"


@pytest.mark.parametrize(
    "content, said",
    [
        (None, "does not exist: save the answer of GET /api/blind/pairs"),
        ("{no json", "line 1 is not a JSON line"),
        (
            '{"prompt": "a", "chosen": "b", "rejected": "c"}\n\n{"prompt": "a", "chosen": "b"}',
            "line 3 is not .*rejected: Field required",
        ),
        ('{"prompt": "a", "chosen": "", "rejected": "c"}', "chosen.0.content: String should have at least 1 character"),
        (
            '{"prompt": "a", "chosen": [{"role": "user", "content": "b"}], "rejected": "c"}',
            "chosen: Value error, the message must be the assistant's",
        ),
        (
            '{"prompt": [{"role": "assistant", "content": "a"}], "chosen": "b", "rejected": "c"}',
            "prompt: Value error, the last message of the prompt must be the user's",
        ),
        (
            '{"error": {"code": "no_key", "message": "This needs a key.", "hint": ""}}',
            "save the answer of GET /api/blind/pairs as it is",
        ),
    ],
)
def test_votes_that_are_none_are_one_sentence(tiny, tmp_path, content, said):
    from train.preferences import dpo

    file = tmp_path / "votes.jsonl"
    if content:
        file.write_text(content)
    with pytest.raises(UserError, match=said):
        dpo.load_votes(str(file), tiny.tokenizer(), SYSTEM)


def test_the_project_ships_no_votes():
    assert read_jsonl(ROOT / "train/votes.jsonl") == []


def test_log_probabilities_without_triton():
    """By the definition, with temperature and soft cap, in pieces, and with its gradient."""
    import torch

    from train.kernels.cross_entropy import LOGIT_CHUNK
    from train.trl_compat import LogProbabilities

    torch.manual_seed(0)
    n, names = LOGIT_CHUNK + 3, ("entropy", "log_sum_sq_probs", "mean_logits", "is_top1")
    hidden, weight, labels = torch.randn(n, 8, requires_grad=True), torch.randn(11, 8), torch.randint(0, 11, (n,))
    z = 5 * torch.tanh(hidden @ weight.T * 2 / 5) / 0.7
    p = z.softmax(-1)
    expected = (
        p[torch.arange(n), labels].log(),
        -(p * p.log()).sum(-1),
        (p**2).sum(-1).log(),
        z.mean(-1),
        z.argmax(-1) == labels,
    )
    found = LogProbabilities.apply(hidden, weight, None, labels, 0.7, 4096, 5.0, 2.0, names)
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    (slope,) = torch.autograd.grad(expected[0].sum(), hidden, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(found[0].sum(), hidden)[0], slope, rtol=1e-4, atol=1e-5)
    assert LogProbabilities.apply(hidden, weight, None, labels, 1.0, 4096)[1:] == (None, None, None, None)


@pytest.mark.parametrize(
    "device, driver, kernel",
    [
        ("cpu", None, False),
        ("cpu", "cuda", False),
        ("cuda", None, False),
        ("cuda", "cuda", True),
        ("xpu", "cuda", False),
    ],
)
def test_trls_kernel_is_asked_only_where_a_driver_of_triton_is_active(monkeypatch, device, driver, kernel):
    """`driver`: the GPU that Triton finds. That Triton is installed decides nothing: pip brings it to machines without
    a GPU, too."""
    import torch

    from train import trl_compat

    stub_triton(monkeypatch, driver)
    patch_trl(monkeypatch, asked := Asked())
    trl_compat.patch_trl_for_cpu()
    trl_compat.patch_trl_for_cpu()  # a second call changes nothing
    chosen = trl_compat.trl.trainer.utils._ChunkedLogProbFunction
    monkeypatch.setattr(trl_compat.LogProbabilities, "apply", lambda *_: "PyTorch")
    hidden = type("Hidden", (), {"device": torch.device(device)})()
    assert chosen.apply(hidden, "weight") == ("kernel" if kernel else "PyTorch") and asked.rows == (
        [(hidden, "weight")] if kernel else []
    )


def test_where_triton_is_not_installed_pytorch_stands_in(monkeypatch):
    """As TRL finds it on a Mac, or beside a CPU build of PyTorch: its kernel is None."""
    import torch

    from train import trl_compat

    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.setitem(sys.modules, "triton.runtime", None)
    assert not trl_compat.can_run_triton(torch.device("cuda"))
    patch_trl(monkeypatch, None)
    trl_compat.patch_trl_for_cpu()
    assert trl_compat.trl.trainer.utils._ChunkedLogProbFunction is trl_compat.LogProbabilities


@pytest.mark.parametrize("installed", [True, False])
def test_dpo_runs_with_triton_and_no_gpu_and_without_triton(trained, tmp_path, monkeypatch, installed):
    """TRL's own kernel, were it asked, ends in «0 active drivers» here; without Triton TRL has none."""
    from train import preferences, trl_compat

    patch_trl(monkeypatch, NoDriver if installed else None)
    trl_compat.patch_trl_for_cpu()
    found = preferences.train_preferences(
        again(trained, tmp_path / "adapter", method="dpo", preference_prompts=4), examples(4), SYSTEM
    )
    assert found["preference"]["pairs"] == 4


class NoDriver:
    """TRL's kernel where Triton finds no GPU."""

    @staticmethod
    def apply(*_):
        raise RuntimeError("0 active drivers ([]). There should only be one.")


class Asked:
    """A kernel that notes what it is asked."""

    def __init__(self):
        self.rows = []

    def apply(self, *arguments):
        self.rows.append(arguments)
        return "kernel"


def patch_trl(monkeypatch, kernel) -> None:
    """TRL as it is imported where its kernel is this one, or None."""
    import trl.trainer.utils

    monkeypatch.setattr(trl.trainer.utils, "_ChunkedLogProbFunction", kernel)


def stub_triton(monkeypatch, kind: str | None) -> None:
    """Triton with one active driver, of that kind of GPU, or with none."""
    from types import ModuleType, SimpleNamespace

    import torch

    class Config:
        @property
        def active(self):
            if kind is None:
                raise RuntimeError("0 active drivers ([]). There should only be one.")
            return SimpleNamespace(get_active_torch_device=lambda: torch.device(kind, 0))

    runtime = ModuleType("triton.runtime")
    runtime.driver = Config()
    monkeypatch.setitem(sys.modules, "triton.runtime", runtime)
