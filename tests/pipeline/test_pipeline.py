"""The whole chain for real: Make, DVC, the embedded base model, llama.cpp; on few posts and few steps, as a user would
drive it."""

import json
import os
import re
import shutil
import subprocess

import pytest

from tests.support.import_log import HEAVY, HTTP_CLIENT, LIGHT, TABLE, Watch
from tests.support.workspace import ROOT, environment, make_small_workspace

STAGES = ["ingest", "prepare", "split", "train", "export_gguf", "ollama_create", "eval_base", "eval"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    return make_small_workspace(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def made(workspace):
    """After the first `make all`."""
    done = subprocess.run(
        "make all", shell=True, cwd=workspace, env=environment(workspace), capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return workspace, done.stdout


@pytest.mark.slow
@pytest.mark.dvc
@pytest.mark.model
def test_make_all_makes_a_proven_twin(made):
    """Every artifact of the contract is there, the export is the trained model, and the twin is better than the base
    even after 3 steps."""
    folder, output = made
    for path in (
        "data/raw/posts.jsonl",
        "data/raw/discarded.jsonl",
        "artifacts/adapter/backend.json",
        "artifacts/gguf/twin.gguf",
        "artifacts/gguf/adapter.gguf",
        "artifacts/eval/report.html",
        "artifacts/eval/samples.jsonl",
        "artifacts/train/loss.tsv",
    ):
        assert (folder / path).stat().st_size > 0, path
    parity = json.loads((folder / "artifacts/gguf/parity.json").read_text())
    for name in ("twin", "adapter"):
        # Three steps make a small twin, of which q8_0 rounds a larger share away. Seen on AVX512-BF16, seeds 42, 1, 2,
        # 3:
        # 0.080, 0.100, 0.079, 0.084 in bf16, 0.100, 0.086, 0.083 in fp32 (42, 1, 2); on AVX2 (fp32) 0.108. The gate of
        # stage 05 asks for what the second half says.
        assert parity[name]["delta_to_twin"] < 0.15 and parity[name]["delta_to_twin"] < parity[name]["delta_to_base"]
        assert (
            parity[name]["prompt_ids_equal"]
            and parity[name]["end_token_stops"]
            and parity[name]["agreement_with_twin"] > 0.75
        )
    metrics = json.loads((folder / "artifacts/eval/metrics.json").read_text())
    assert metrics["gain"]["bits_per_byte"]["over_base"]["mean"] > 0 and metrics["n"]["prompts"] == 2
    training = json.loads((folder / "artifacts/train/metrics.json").read_text())
    assert training["loss_after"] < training["loss_before"] and training["steps"] == 3 and training["device"] == "cpu"
    assert {"tokens", "tokens_per_s", "trainable_share", "peak_memory_mb", "seconds", "versions"} <= training.keys()
    assert json.loads((folder / "artifacts/ollama/receipt.json").read_text())["status"] == "absent"
    assert "your twin, on 2 held-out posts" in output and "next:" in output


@pytest.mark.slow
@pytest.mark.dvc
@pytest.mark.model
def test_second_make_all_does_nothing(made, run_in, tmp_path):
    """No stage runs, and what looks whether one has to is six short processes, of which none imports a heavy
    package."""
    folder, _ = made
    watch = Watch(tmp_path / "watch")
    done = run_in(folder, "make all", **watch.environment)
    assert "Running stage" not in done.stdout and "up to date" in done.stdout
    processes = watch.processes()
    assert [command for command, _ in processes] == [
        "bootstrap.py",
        "06_ollama_create.py --drop-stale",
        "dvc repro eval",
        "dvc repro",
        "twins.py keep",
        "print_summary.py",
    ]
    for command, packages in processes:
        assert not packages & HEAVY, command
        more = HTTP_CLIENT if "06_" in command else TABLE if "summary" in command else set()
        assert command.startswith("dvc ") or packages <= LIGHT | more, (command, packages - LIGHT)


@pytest.mark.slow
@pytest.mark.dvc
@pytest.mark.model
def test_no_post_and_no_text_reaches_git(made, run_in):
    """After a run, `git add -A` stages numbers only: no post, no example, no sample of what was written."""
    folder, _ = made
    staged = run_in(folder, "git add -A && git diff --cached --name-only").stdout.split()
    allowed = re.compile(r"dvc\.lock|artifacts/(train|eval)/[a-z_]+\.(json|tsv)")
    assert staged and all(allowed.fullmatch(name) for name in staged), staged
    text = run_in(folder, "git diff --cached").stdout
    for post in (folder / "data/sample").glob("*.md"):
        for line in post.read_text().split("\n"):
            assert len(line) < 60 or line not in text


@pytest.mark.slow
@pytest.mark.nightly
@pytest.mark.dvc
@pytest.mark.model
def test_experiment_reruns_training_and_after_only(made, run_in):
    """`dvc exp run -S` with another learning rate; the diff shows it, the curves are drawn, the base is not asked
    again."""
    folder, _ = made
    run_in(folder, "git add -A && git commit -qm made")
    output = run_in(folder, "dvc exp run -S train.learning_rate=1e-4", timeout=900).stdout
    assert sorted(re.findall(r"Running stage '(\w+)'", output)) == ["eval", "export_gguf", "ollama_create", "train"]
    diff = run_in(folder, "dvc metrics diff").stdout
    assert (
        "twin.likelihood.bits_per_byte" in diff and "loss_after" in diff and "base.likelihood.bits_per_byte" not in diff
    )
    paired = run_in(folder, "make diff A=HEAD").stdout
    assert "twin: . against HEAD, 2 prompts" in paired and "bits per byte" in paired
    run_in(folder, "dvc plots show")
    page = (folder / "artifacts/plots/index.html").read_text()
    assert "training loss" in page and "validation loss" in page


@pytest.mark.slow
@pytest.mark.dvc
@pytest.mark.model
def test_smoke_answers_from_both_voices(made, run_in):
    folder, _ = made
    output = run_in(folder, 'python scripts/ask.py "Write about a kettle." --max-tokens 12').stdout
    assert "── base" in output and "── twin" in output and output.count("tokens in") == 2


@pytest.mark.slow
@pytest.mark.dvc
@pytest.mark.model
def test_one_suite_runs_by_itself(made, run_in):
    """Every case of the suite is answered by both voices and judged; an unknown one is named with what is there."""
    folder, _ = made
    output = run_in(folder, "python scripts/07_eval.py --suite structure").stdout
    assert output.count("  base ") == 2 and re.search(r"structure: base \d\.\d\d, twin \d\.\d\d", output)
    wrong = run_in(folder, "python scripts/07_eval.py --suite structur", ok=False)
    assert wrong.returncode == 1 and "structure" in wrong.stderr


@pytest.mark.slow
@pytest.mark.dvc
@pytest.mark.model
def test_own_blog_makes_its_own_twin(made, run_in, tmp_path):
    """`make blog FROM=` then `dvc repro split`: the new posts are used, the sample stays, Git sees a pointer only."""
    folder, _ = made
    posts = tmp_path / "my posts"
    posts.mkdir()
    for i, path in enumerate(sorted((ROOT / "data/sample").glob("*.md"))[:7]):
        shutil.copy(path, posts / f"private {i}.md")
    said = run_in(folder, f"make blog FROM='{posts}'").stdout
    assert "copied 7 files" in said and "make all" in said
    run_in(folder, "dvc repro split")
    assert "7 posts" in run_in(folder, "make report").stdout and (folder / "artifacts/data/report.html").is_file()
    rows = [json.loads(line) for line in (folder / "data/raw/posts.jsonl").read_text().splitlines()]
    assert {r["source"] for r in rows} == {f"private {i}.md" for i in range(7)}
    assert len(list((folder / "data/sample").iterdir())) == 9
    run_in(folder, "git add -A")
    assert "private" not in run_in(folder, "git ls-files").stdout
    assert "data/blog.dvc" in run_in(folder, "git ls-files").stdout
    run_in(
        folder,
        "git checkout -q HEAD -- params.yaml && git reset -q && rm -rf data/blog data/blog.dvc && dvc checkout -q",
        ok=False,
    )


def test_stages_are_described_and_menu_is_whole(run_in):
    """dvc.yaml has the eight stages with a sentence each; `make` prints every verb with one."""
    import yaml

    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    assert list(stages) == STAGES and all(s["desc"] for s in stages.values())
    menu = run_in(ROOT, "make").stdout
    for verb in [
        "setup",
        "all",
        "test",
        "train",
        "eval",
        "ollama",
        "serve",
        "doctor",
        "blog",
        "exp",
        "diff",
        "validate-metrics",
        "plots",
        "report",
        "lint",
        "clean",
    ]:
        assert re.search(rf"^  make {verb} +\S", menu, re.M), verb


@pytest.mark.parametrize("script", sorted(p.name for p in (ROOT / "scripts").glob("0*.py")))
def test_help_answers_at_once(script, run_in, tmp_path):
    """Before the arguments are read, one process has imported what reads params.yaml, and no other package."""
    watch = Watch(tmp_path)
    output = run_in(ROOT, f"python scripts/{script} --help", **watch.environment).stdout
    assert f"python scripts/{script}" in output and "Writes" in output
    ((command, packages),) = watch.processes()
    assert command == f"{script} --help" and packages <= LIGHT


@pytest.mark.parametrize(
    "script",
    [
        "02_prepare.py",
        "03_split.py",
        "04_train.py",
        "05_export_gguf.py",
        "06_ollama_create.py",
        "07_eval.py",
        "print_summary.py",
        "ask.py x",
    ],
)
def test_a_stage_without_its_input_says_what_to_run(script, run_in, tmp_path):
    (tmp_path / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    done = run_in(tmp_path, f"python {ROOT}/scripts/{script}", ok=False)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert re.fullmatch(
        r"error: There is no .* yet: run `make all`.*\.\n|error: There is no .*: run `make all`.*\.\n", done.stderr
    ), done.stderr
    assert os.listdir(tmp_path) == ["params.yaml"]
