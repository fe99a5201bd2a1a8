"""Ctrl-C and a full disk in the middle of every stage: one sentence, everything as it was, and the same command then
completes."""

import contextlib
import json
import os
import pty
import re
import resource
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from blogtwin import console, errors, files
from tests.support.ollama_server import OllamaServer
from tests.support.workspace import ROOT, environment, make_workspace, short_suites

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
# Small, and a learning rate at which two steps are enough for a twin that the parity gate tells from its base.
SMALL = (
    "train.max_steps=2 train.max_length=256 train.learning_rate=2e-2 export.quantization=f16 export.parity_prompts=1"
    " export.parity_tokens=30 eval.num_prompts=3 eval.max_tokens=40 eval.max_scored_tokens=32"
)

# Where Ctrl-C comes: (what is called, the how manieth time).
CTRL_C = {
    "ingest, reading": ("corpus.readers:iter_source", 5),
    "ingest, remembering": ("blogtwin.files:json.dumps", 5),
    "ingest, writing": ("blogtwin.files:atomic_open", 3),
    "prepare, cutting": ("corpus.examples:build_examples", 5),
    "split, comparing": ("corpus.dedup:tokenise_words", 5),
    "split, writing": ("blogtwin.files:json.dumps", 20),
    "train, in the second step": ("train.training_log:TrainingLog.log_step", 2),
    "export_gguf, with the twin made": ("blogtwin.models.gguf_export:write_lora_gguf", 1),
    "ollama_create, with the twin unchecked": ("blogtwin.models.ollama_client:Ollama.answer", 1),
}
# Where the disk is full: (from this call on, the largest file in bytes), so that some of a stage is written and some is
# not.
FULL_DISK = {
    "ingest": ("blogtwin.files:write_jsonl_files", 4096),
    "prepare": ("blogtwin.files:write_jsonl_files", 4096),
    "split": ("blogtwin.files:write_files", 10_000),
    "train": ("train.training_log:TrainingLog.stop", 50_000),
    "export_gguf": ("blogtwin.models.gguf_export:write_merged_gguf", 4_000_000),
    "ollama_create": ("blogtwin.files:write_json", 50),
    "eval_base": ("blogtwin.config:load_params", 500),
    "eval": ("blogtwin.config:load_params", 4000),
}
# Ollama may have forgotten the version a receipt names, so the receipt goes first; a Modelfile is whole by itself.
# Of these folders nothing is an output: caches, logs, and the checkpoints that an interrupted training goes on from.
NO_OUTPUTS = {"base", "cache", "logs", "checkpoints"}
NOT_KEPT = {"ollama_create": {"artifacts/ollama/receipt.json", "artifacts/ollama/Modelfile"}}

# Runs a stage; at the nth call of a function comes Ctrl-C, or from there on no file may grow over so many bytes.
LAUNCH = """
import importlib, os, resource, runpy, signal, sys
place, nth, limit, script, *arguments = sys.argv[1:]
sys.argv, sys.path[0] = [script, *arguments], os.path.dirname(os.path.abspath(script))
import _path
module, _, name = place.partition(":")
*outer, name = name.split(".")
owner = importlib.import_module(module)
for part in outer:
    owner = getattr(owner, part)
inner, calls = getattr(owner, name), 0
def call(*a, **k):
    global calls
    calls += 1
    if calls == int(nth) and limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
    elif calls == int(nth):
        os.kill(os.getpid(), signal.SIGINT)
    return inner(*a, **k)
setattr(owner, name, call)
runpy.run_path(script, run_name="__main__")
"""


class Chain:
    """The stages of a workspace, each run only once it is needed. The twin of before is the text «of before» in every
    output."""

    def __init__(self, folder: Path, server: OllamaServer):
        self.folder, self.server = folder, server
        self.temporary = folder.parent / "temporary"
        self.temporary.mkdir()
        self.environment = {
            **environment(folder),
            "OLLAMA_HOST": server.host,
            "TMPDIR": str(self.temporary),
            "TERM": "xterm",
        }
        self.done: set[str] = set()

    def command(self, stage: str) -> list[str]:
        return [sys.executable, *STAGES[stage]["cmd"].split()[1:]]

    def outputs(self, stage: str) -> list[Path]:
        listed = [out for kind in ("outs", "metrics", "plots") for out in STAGES[stage].get(kind, [])]
        return [self.folder / (out if isinstance(out, str) else next(iter(out))) for out in listed]

    def before(self, stage: str) -> None:
        """All that comes before `stage` is done, and something lies where it writes."""
        for earlier in list(STAGES)[: list(STAGES).index(stage)]:
            self.complete(earlier)
        for path in self.outputs(stage):
            if not path.exists():
                file = path if path.suffix else path / "file"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("of before")

    def complete(self, stage: str) -> None:
        if stage not in self.done:
            self.before(stage)
            done = self.run(self.command(stage))
            assert done.returncode == 0, done.stderr[-3000:]
            self.done.add(stage)

    def run(self, command: list[str]) -> subprocess.CompletedProcess:
        return subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=300
        )

    def launch(self, stage: str, place: str, nth: int = 1, limit: int | str = "") -> subprocess.CompletedProcess:
        """Run a stage up to the nth call of `place`, and then into Ctrl-C, or with room for `limit` bytes a file."""
        if stage in NOT_KEPT:
            self.done.discard(stage)
        return self.run([sys.executable, "-c", LAUNCH, place, str(nth), str(limit), *self.command(stage)[1:]])

    def files(self, stage: str = "") -> dict:
        """Every file there is, with what would tell that it was written again. A cache may grow, by whole files."""
        there = {
            f.relative_to(self.folder): f.stat()
            for top in ("data", "artifacts")
            for f in (self.folder / top).rglob("*")
            if f.is_file()
        }
        names = {
            str(f): (s.st_size, s.st_mtime_ns, s.st_ino)
            for f, s in there.items()
            if f.parts[1] not in NO_OUTPUTS or f.name.startswith(".")
        }
        left = [f.name for f in self.temporary.iterdir() if not f.name.startswith("torchinductor_")]  # a cache, too
        return {name: stamp for name, stamp in names.items() if name not in NOT_KEPT.get(stage, ())} | dict.fromkeys(
            left
        )


@pytest.fixture(scope="module")
def chain(tiny, tmp_path_factory):
    folder = make_workspace(tmp_path_factory.mktemp("interrupted") / "project")
    shutil.copytree(tiny.hf.parent.parent, folder / "artifacts/base", dirs_exist_ok=True)
    for path in sorted((folder / "data/sample").glob("*.*"), key=lambda p: p.stat().st_size)[16:]:
        path.unlink()
    short_suites(folder)
    server = OllamaServer(tmp_path_factory.mktemp("blobs"))
    made = Chain(folder, server)
    assert made.run([sys.executable, "scripts/set_param.py", f"train.base={tiny.gguf}", *SMALL.split()]).returncode == 0
    yield made
    server.close()


def assert_stopped(done: subprocess.CompletedProcess, sentence: str | None = None) -> None:
    assert done.returncode == 130, (done.returncode, done.stderr[-3000:])
    assert re.fullmatch((sentence or re.escape(console.INTERRUPTED)) + "\n", done.stderr), done.stderr[-3000:]


# --- Ctrl-C -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("where", CTRL_C)
def test_ctrl_c_in_the_middle_of_a_stage_changes_nothing(chain, where):
    stage = where.split(",")[0]
    chain.before(stage)
    before, models = chain.files(stage), dict(chain.server.models)
    done = chain.launch(stage, *CTRL_C[where])
    assert_stopped(
        done,
        (
            r"stopped: step 2 of 2 is saved in artifacts/checkpoints/\w+/step-2; the same command resumes from there\."
            if stage == "train"
            else None
        ),
    )
    assert chain.files(stage) == before
    assert chain.server.models == models  # a version that nobody checked is taken back


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "bar"), [("eval_base", "scores"), ("eval", "writes")])
def test_ctrl_c_while_llama_cpp_works_changes_nothing(chain, stage, bar):
    """On a terminal, when the progress bar of scoring, or of writing, has appeared."""
    chain.before(stage)
    before = chain.files()
    terminal, theirs = pty.openpty()
    process = subprocess.Popen(
        chain.command(stage),
        cwd=chain.folder,
        env=chain.environment,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    os.close(theirs)
    shown = ""
    while not re.search(rf"{bar}.*%", shown):
        shown += (piece := read_terminal(terminal))
        assert piece, process.communicate()
    os.killpg(process.pid, signal.SIGINT)
    drain = threading.Thread(target=lambda: [None for _ in iter(lambda: read_terminal(terminal), "")])
    drain.start()
    _, errors = process.communicate(timeout=120)
    drain.join()
    os.close(terminal)
    assert_stopped(subprocess.CompletedProcess(process.args, process.returncode, "", errors))
    assert chain.files() == before


def read_terminal(terminal: int) -> str:
    """What is shown next; "" when nobody writes to it any more, which Linux tells as an error."""
    with contextlib.suppress(OSError):
        return os.read(terminal, 4096).decode("utf-8", "replace")
    return ""


# --- a full disk ------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("stage", FULL_DISK)
def test_a_full_disk_half_way_through_a_stage_changes_nothing(chain, stage):
    chain.before(stage)
    before = chain.files(stage)
    done = chain.launch(stage, FULL_DISK[stage][0], limit=FULL_DISK[stage][1])
    assert done.returncode == 1, (done.returncode, done.stderr[-3000:])
    assert re.fullmatch(
        r"error: The disk is full.*: free some space and run the same command again; nothing is lost\.\n", done.stderr
    ), done.stderr[-3000:]
    assert chain.files(stage) == before


# --- and then ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("stage", STAGES)
def test_the_same_command_then_completes(chain, stage):
    """Every output is there, and new. After both interruptions all was as before them, so which came last does not
    matter."""
    chain.complete(stage)
    for path in chain.outputs(stage):
        files = [path] if path.is_file() else list(path.iterdir())
        assert any(f.read_bytes() != b"of before" for f in files), path


@pytest.mark.slow
def test_the_interrupted_registration_is_made_up_for(chain):
    chain.complete("ollama_create")
    receipt = json.loads((chain.folder / "artifacts/ollama/receipt.json").read_text())
    assert {receipt["model"], receipt["tag"]} == set(chain.server.models)


def test_every_stage_is_interrupted_here():
    reading = {"eval_base", "eval"}
    assert {where.split(",")[0] for where in CTRL_C} | reading == set(STAGES) == set(FULL_DISK)


@pytest.mark.slow
def test_ctrl_c_stops_make_and_the_next_dvc_repro_goes_on(chain, tmp_path, run_in):
    """In training, beside which DVC could run the base's evaluation: no stage is started after Ctrl-C, and DVC is not
    left locked."""
    chain.complete("split")
    folder = tmp_path / "project"
    shutil.copytree(chain.folder, folder, symlinks=True, copy_function=os.link)
    run_in(folder, "dvc commit --force ingest prepare split")
    said = until_ctrl_c(folder, "make all")
    assert console.INTERRUPTED in said and "Traceback" not in said, said
    assert re.findall(r"Running stage '(\w+)'", said) == ["train"]
    assert re.findall(r"Running stage '(\w+)'", until_ctrl_c(folder, "dvc repro")) == ["train"]


def until_ctrl_c(folder: Path, command: str) -> str:
    """What a command says that gets to training and is stopped there, all of its process group at once, as a terminal
    does it."""
    process = subprocess.Popen(
        command.split(),
        cwd=folder,
        env={**environment(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    said = ""
    while "trainer: cpu" not in said:
        said += (line := process.stdout.readline())
        assert line, said
    os.killpg(process.pid, signal.SIGINT)
    said += process.communicate()[0]  # its end comes when the last of the group is gone
    assert process.returncode != 0
    return said


# --- the helpers of every stage ---------------------------------------------------------------------------------------


def test_ctrl_c_during_the_imports_is_no_traceback(tmp_path):
    """Before `run` is reached: pydantic alone takes a tenth of a second."""
    (tmp_path / "yaml.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts/03_split.py")],
        cwd=tmp_path,
        env={**environment(tmp_path), "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert_stopped(done)


def press_ctrl_c_at(monkeypatch, owner, name: str, nth: int) -> None:
    """Ctrl-C after the nth call of owner.name."""
    inner, calls = getattr(owner, name), []

    def call(*args, **kwargs):
        result = inner(*args, **kwargs)
        calls.append(args)
        if len(calls) == nth:
            os.kill(os.getpid(), signal.SIGINT)
        return result

    monkeypatch.setattr(owner, name, call)


def test_a_disk_that_is_full_at_the_second_file_keeps_the_first_from_its_name(tmp_path):
    """Files that belong together: new posts beside an old list of what was left out would be a lie."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(OSError) as full:
            files.write_jsonl_files(
                {tmp_path / "discarded.jsonl": [{"n": 1}], tmp_path / "posts.jsonl": [{"n": 2}] * 1000}
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert errors.is_disk_full(full.value) and not list(tmp_path.iterdir())


def test_ctrl_c_between_two_files_that_belong_together_waits_for_the_second(tmp_path, monkeypatch):
    press_ctrl_c_at(monkeypatch, os, "replace", 1)
    with pytest.raises(KeyboardInterrupt):
        files.write_jsonl_files({tmp_path / "posts.jsonl": [{"n": 1}], tmp_path / "discarded.jsonl": [{"n": 2}]})
    assert {f.name: json.loads(f.read_text()) for f in tmp_path.iterdir()} == {
        "posts.jsonl": {"n": 1},
        "discarded.jsonl": {"n": 2},
    }


def test_ctrl_c_between_the_old_folder_and_the_new_one_waits_for_the_new_one(tmp_path, monkeypatch):
    (tmp_path / "adapter").mkdir()
    with pytest.raises(KeyboardInterrupt), files.atomic_directory(tmp_path / "adapter") as folder:
        (folder / "weights").write_text("new")
        press_ctrl_c_at(monkeypatch, files.shutil, "rmtree", 1)
    assert [f.name for f in tmp_path.iterdir()] == ["adapter"]
    assert (tmp_path / "adapter/weights").read_text() == "new"


@pytest.mark.slow
def test_ctrl_c_while_llama_cpps_own_server_starts_ends_it(tiny):
    """llama.cpp's server waits for ever when it is ended before its loop began: at once, or by an interrupt while it
    starts."""
    code = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
import xllamacpp
from blogtwin.console import run_cli
from blogtwin.inference import upstream_server
made = xllamacpp.Server
def server(params):
    os.kill(os.getpid(), signal.SIGINT)
    print("loaded all the same")
    return made(params)
def main():
    for _ in range(3):
        with upstream_server.run_upstream_server({str(tiny.gguf)!r}):
            pass
    xllamacpp.Server = server
    with upstream_server.run_upstream_server({str(tiny.gguf)!r}):
        print("Ctrl-C was lost")
run_cli(main)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert_stopped(done)
    assert done.stdout.strip() == "loaded all the same"
