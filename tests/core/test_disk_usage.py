"""`make gc` (scripts/collect_garbage.py): what it frees, and above all what it never frees."""

import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import gguf
import pytest
import yaml

from blogtwin import disk_usage
from blogtwin.files import sha256_file
from blogtwin.paths import ROOT
from blogtwin.sampling import SamplingParams
from blogtwin.twins.store import cached_digest, superseded
from eval import systems
from serve import database, housekeeping
from tests.support.workspace import make_workspace, sh
from train import checkpoints

LONG_AGO = time.time() - 7 * 86400
NOBODY = 2**22 + 1  # above Linux's highest process number


def write_adapter(path: Path, base_name: str, day: int) -> Path:
    """The header of a twin's adapter, so many days old."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_string("general.base_model.0.name", base_name)
    writer.add_string("blogtwin.base_digest", f"{base_name} digest")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    os.utime(path, (time.time() - day * 86400,) * 2)
    return path


def write_base(project: Path, name: str, digest: str = "") -> Path:
    folder = project / "artifacts/base" / name.replace(":", "-")
    (folder / "hf").mkdir(parents=True)
    (folder / "hf/model.safetensors").write_bytes(bytes(1000))
    (folder / "base.json").write_text(json.dumps({"name": name, "stamp": "", "digest": digest or f"{name} digest"}))
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (LONG_AGO, LONG_AGO))
    return folder


def write_old(path: Path, text: str = "text") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (LONG_AGO, LONG_AGO))
    return path


def write_checkpoint(project: Path, key: str, step: int, base_digest: str) -> Path:
    told = {"step": step, "of": 99, "from": None, "belongs": {"the base model": base_digest[:16]}}
    return write_old(
        project / f"artifacts/checkpoints/{key}/step-{step}/{checkpoints.MANIFEST}", json.dumps(told)
    ).parent


# --- each rule by itself ----------------------------------------------------------------------------------------------


def test_of_each_authors_twins_the_newest_stays_and_what_a_chat_is_kept_with(tmp_path):
    for day, place in enumerate(
        ("anna/c/gguf", "anna/b/gguf", "anna/a", "ben/x/gguf", "alone/gguf", "anna/.d.1.tmp/gguf")
    ):
        write_adapter(tmp_path / "artifacts/twins" / place / "adapter.gguf", "smollm2:135m", day)
    twins = tmp_path / "artifacts/twins"

    def old(keep: int = 3, in_use: frozenset = frozenset(), project: Path = tmp_path) -> list[Path]:
        return [version.folder for version in superseded(project, keep, in_use)]

    assert old() == [twins / "anna/a", twins / "anna/b"]
    assert old(in_use={"anna/a"}) == [twins / "anna/b"]
    assert old(project=tmp_path / "elsewhere") == []
    for day, place in enumerate(("new", "live", "chatted", "old", "older")):
        write_adapter(twins / "versions" / place / "gguf/adapter.gguf", "smollm2:135m", day)
    (twins / "live.json").write_text('{"twin": "versions/live", "instead_of": ""}')
    versions = [folder.name for folder in old(1, {"versions/chatted", "anna/a", "anna/b"})]
    assert versions == ["older", "old"]  # the oldest first, and not the live one


def test_a_base_is_needed_by_name_by_its_files_name_or_by_digest(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("smollm2:135m", "llama3.2:1b", "own", "other"):
        write_base(tmp_path, name)
    (tmp_path / "artifacts/base/torn/hf").mkdir(parents=True)
    found = housekeeping.unneeded_bases({"smollm2:135m", "/home/me/models/own.gguf"}, {"llama3.2:1b dig"})
    assert [f.name for f in found] == ["other", "torn"]


def test_a_checkpoint_that_a_training_can_go_on_from_is_not_torn(tmp_path):
    whole = write_checkpoint(tmp_path, "a", 20, "d" * 64)
    older = write_checkpoint(tmp_path, "a", 10, "d" * 64)
    half = write_old(tmp_path / "artifacts/checkpoints/a/.step-40.12.tmp/weights").parent
    empty = write_old(tmp_path / "artifacts/checkpoints/b/step-3/weights").parent
    assert set(checkpoints.unfinished_runs(tmp_path)) == {whole, older}
    assert checkpoints.incomplete_checkpoints(tmp_path) == [half, empty]


def test_answers_are_kept_of_models_that_are_here(tmp_path, monkeypatch):
    """By the names that eval/systems.py itself gives them."""
    monkeypatch.chdir(tmp_path)
    model = SimpleNamespace(sequences=1, write=lambda *_: [{"text": "answer"}])
    for name in ("a.gguf", "b.gguf"):
        Path(name).write_text(name)
        systems.generate_cached(model, Path(name), [[1]], [SamplingParams(1, 0, 1, 1)], [1])
    files = set(Path("artifacts/cache/answers").iterdir())
    gone = systems.answers_of_other_models(Path(), {sha256_file("a.gguf")})
    assert len(files) == 2 and len(gone) == 1 and set(systems.answers_of_other_models(Path(), set())) == files
    assert gone[0].name.startswith(sha256_file("b.gguf")[: systems.MODEL_DIGITS])


def test_another_version_of_the_loop_writes_its_answers_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.gguf").write_text("a")
    written = []
    model = SimpleNamespace(sequences=1, write=lambda *_: written.append(1) or [{"text": "answer"}])
    asked = (model, Path("a.gguf"), [[1]], [SamplingParams(1, 0, 1, 1)], [1])
    for version in ("one", "one", "two"):
        monkeypatch.setattr(systems, "code_fingerprint", lambda files, version=version: version)
        systems.generate_cached(*asked)
    assert len(written) == 2
    assert all((ROOT / file).is_file() for file in systems.WRITING_CODE)


def test_only_what_was_half_written_long_ago_by_a_process_that_is_gone(tmp_path):
    left = write_old(tmp_path / f"artifacts/.gguf.{NOBODY}.tmp/twin.gguf").parent
    write_old(left / f".inner.{NOBODY}.tmp")
    write_old(tmp_path / f"data/raw/.posts.jsonl.{os.getpid()}.tmp")
    (tmp_path / f"artifacts/.new.{NOBODY}.tmp").write_text("written now, perhaps in a container")
    os.utime(left, (LONG_AGO, LONG_AGO))
    assert disk_usage.abandoned_files([tmp_path]) == [left]


def test_a_twin_that_can_not_be_read_leaves_all_bases_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text("train: {base: 'smollm2:135m'}\n")
    for name in ("smollm2:135m", "llama3.2:1b"):
        write_base(tmp_path, name)

    def bases(serving: bool = False) -> disk_usage.StorageKind:
        return housekeeping.base_storage([Path()], housekeeping.read_params([Path()]), [], [], serving)

    assert bases().unneeded == [Path("artifacts/base/llama3.2-1b")] and bases(serving=True).unneeded == []
    (tmp_path / "artifacts/gguf").mkdir()
    (tmp_path / "artifacts/gguf/adapter.gguf").write_bytes(b"no GGUF")
    assert not bases().unneeded and "left alone" in bases().note


def test_the_models_of_chats_are_read_from_a_database_of_any_version_which_stays_as_it_was(tmp_path):
    """The server that it belongs to may be of another version, and running."""
    for version, folder in (("session (model)", tmp_path / "old"), ("session (model, created_at)", tmp_path / "new")):
        folder.mkdir()
        with sqlite3.connect(folder / "serve.db") as db:
            db.execute(f"create table {version}")
            db.execute("create table message (model)")
            db.execute("insert into session (model) values (?)", (folder.name,))
            db.execute("insert into message values ('anna/a')")
        db.close()
    before = (tmp_path / "old/serve.db").read_bytes()
    homes = [tmp_path / name for name in ("old", "new", "nowhere")]
    assert housekeeping.chat_models(homes) == {"old", "new", "anna/a"}
    assert (tmp_path / "old/serve.db").read_bytes() == before


def test_a_twin_that_a_run_is_compared_with_stays_under_both_names_of_its_parameter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("other_twin", "swap"):
        Path("params.yaml").write_text(f"train: {{base: b}}\neval: {{{name}: artifacts/twins/anna/a/gguf/twin.gguf}}\n")
        for day, version in enumerate(("b", "a")):
            write_adapter(Path("artifacts/twins/anna") / version / "gguf/adapter.gguf", "b", day)
        params = housekeeping.read_params([Path()])
        assert housekeeping.twin_storage([Path()], params, [], False).unneeded == []
        assert housekeeping.twin_storage([Path()], [], [], False).unneeded == [Path("artifacts/twins/anna/a")]


@pytest.mark.parametrize("line, runs", [
    ("/x/.venv/bin/python scripts/04_train.py", True), ("python -u /x/scripts/07_eval.py --system base", True),
    ("python /x/.venv/bin/dvc repro eval", True), ("python -m dvc exp run --queue", True),
    ("vim scripts/04_train.py", False), ("python scripts/serve_api.py", False),
    ("python -m dvc gc --workspace", False), ("python -m dvc plots show", False),
])  # fmt: skip
def test_what_counts_as_running(line, runs):
    assert bool(disk_usage.STAGE_COMMAND.search(line)) == runs


# --- all of them, in a project with branches, experiments, an author and a server's workspace -------------------------


def posts_hash(project: Path) -> str:
    """The object of data/raw/posts.jsonl that dvc.lock names."""
    outs = yaml.safe_load((project / "dvc.lock").read_text())["stages"]["ingest"]["outs"]
    return next(out["md5"] for out in outs if out["path"] == "data/raw/posts.jsonl")


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A workspace whose DVC cache has the posts of a branch, a tag, an experiment, an author, a job, and of nobody."""
    folder = make_workspace(tmp_path_factory.mktemp("project") / "blogtwin")
    posts = folder.parent / "posts"
    posts.mkdir()
    for n in range(9):  # of 65, 75, 85 … words
        words = [
            "".join(letters)
            for letters in itertools.islice(
                itertools.product("abcdefghi"[n], "etaoinshrdl", "aeiou", "mnprst"), 65 + 10 * n
            )
        ]
        (posts / f"2020-01-0{n + 1}-day.md").write_text(f"---\ntitle: Day {n}\n---\n" + " ".join(words))

    def make(minimum: int, *commands: str) -> str:
        """Read the posts of so many words and more; the commands say where that is then named."""
        do(f"python scripts/set_param.py ingest.source={posts} ingest.min_words={minimum} && dvc repro --quiet ingest")
        sha = posts_hash(folder)
        for command in commands:
            do(command)
        return sha

    def do(command: str) -> None:
        done = sh(folder, command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    hashes = {"main": make(60, "git add -A", "git commit -qm main")}
    hashes["branch"] = make(
        70,
        "git checkout -qb other",
        "python scripts/set_param.py train.base=llama3.2:3b",
        "git add -A",
        "git commit -qm other",
        "git checkout -q -",
    )
    hashes["tag"] = make(80, "git add -A", "git commit -qm tagged", "git tag v1", "git reset -q --hard HEAD~1")
    do("dvc exp run --quiet --name kept -S ingest.min_words=90 ingest")
    hashes["experiment"] = posts_hash(folder)
    hashes["nobody"] = make(100)
    hashes["workspace"] = make(110)
    do(
        f"make blog AUTHOR=anna FROM={posts} && cd authors/anna && "
        "python scripts/set_param.py ingest.min_words=120 && dvc repro --quiet ingest"
    )
    hashes["author"] = posts_hash(folder / "authors/anna")
    code = (
        "import sys; sys.path.insert(0, '.'); from pathlib import Path; from serve.training_jobs import TrainingJobs; "
        "home = Path(sys.argv[1]); clone = TrainingJobs(home, None).clone; clone.prepare(); "
        "clone.add_corpus('mine', home / 'corpora/mine', Path('data/corpus-mine'))"
    )
    home = folder.parent / "a server's"
    shutil.copytree(posts, home / "corpora/mine")
    (home / "corpora/mine/2021-01-01-only-here.md").write_text("Only in the corpus that was uploaded.")
    do(f'python -c "{code}" "{home}"')
    assert len(set(hashes.values())) == len(hashes)
    return folder, hashes, home


def gc(folder: Path, arguments: str = "--yes", **extra: str) -> subprocess.CompletedProcess:
    return sh(folder, f"make gc ARGS={arguments}", timeout=600, **extra)


@pytest.mark.slow
def test_what_runs_or_waits_is_left_alone(project):
    folder, *_ = project
    (folder.parent / "elsewhere/scripts").mkdir(parents=True, exist_ok=True)
    script = folder.parent / "elsewhere/scripts/04_train.py"
    script.write_text("import time; time.sleep(600)")
    training = subprocess.Popen([sys.executable, script], cwd=folder / "authors/anna")
    try:
        done = gc(folder)
    finally:
        training.kill()
        training.wait()
    assert (
        done.returncode == 2
        and done.stderr.startswith("error: A stage or DVC is running here (…")
        and "04_train.py" in done.stderr
    ), done
    assert sh(folder, "dvc exp run --queue --quiet -S ingest.min_words=61 ingest").returncode == 0
    done = gc(folder)
    assert done.returncode == 2 and "1 experiment waits in DVC's queue" in done.stderr, done
    assert sh(folder, "dvc queue remove --queued").returncode == 0
    done = sh(folder, "make gc AUTHOR=anna")
    assert done.returncode == 2 and "All authors share one cache" in done.stderr, done


@pytest.mark.slow
def test_it_frees_what_nothing_needs_and_nothing_else(project):
    folder, hashes, home = project
    files = folder / ".dvc/cache/files/md5"
    for name in ("llama3.2:1b", "llama3.2:3b", "mistral:7b", "phi3:mini", "gemma2:2b"):
        write_base(folder, name, {"phi3:mini": "f" * 64}.get(name, ""))
    needs_1b = write_adapter(folder / "artifacts/twins/ben/new/gguf/adapter.gguf", "llama3.2:1b", 1).parent
    old = write_adapter(folder / "artifacts/twins/ben/old/gguf/adapter.gguf", "mistral:7b", 3).parent.parent
    chatted = write_adapter(folder / "artifacts/twins/ben/older/gguf/adapter.gguf", "llama3.2:1b", 5).parent
    with database.Database(home / "serve.db").open() as db:
        database.add_session(db, "me", "A chat", "ben/older")
    unfinished = write_checkpoint(folder, "a", 20, "f" * 64)
    torn = write_old(folder / f"artifacts/checkpoints/a/.step-40.{NOBODY}.tmp/weights").parent
    os.utime(torn, (LONG_AGO, LONG_AGO))
    (folder / "artifacts/gguf").mkdir(exist_ok=True)
    (folder / "artifacts/gguf/twin.gguf").write_text("the twin")
    ours = write_old(
        folder / f"artifacts/cache/answers/{cached_digest(folder / 'artifacts/gguf/twin.gguf')[:16]}-1.json"
    )
    of_nobody = write_old(folder / "artifacts/cache/answers/0123456789abcdef-1.json")
    log = write_old(folder / "artifacts/logs/train.jsonl")
    needed = [
        needs_1b,
        chatted,
        unfinished,
        ours,
        log,
        folder / "artifacts/gguf/twin.gguf",
        *(folder / f"artifacts/base/{n}" for n in ("llama3.2-1b", "llama3.2-3b", "phi3-mini")),
    ]
    needed += [files / sha[:2] / sha[2:] for name, sha in hashes.items() if name != "nobody"]
    unneeded = [old, torn, of_nobody, *(folder / f"artifacts/base/{n}" for n in ("mistral-7b", "gemma2-2b"))]
    unneeded.append(files / hashes["nobody"][:2] / hashes["nobody"][2:])
    assert all(path.exists() for path in [*needed, *unneeded])

    for arguments, answer in (("--dry-run", "y"), ("", "n")):
        done = sh(folder, f"echo {answer} | make gc ARGS={arguments}", timeout=600)
        assert (
            done.returncode == 0
            and "DVC cache" in done.stdout
            and "ben/old" in done.stdout
            and "mistral-7b" in done.stdout
        ), done
        assert all(path.exists() for path in [*needed, *unneeded])
    assert "nothing was freed" in done.stdout
    done = sh(folder, "echo y | make gc", timeout=600)
    assert done.returncode == 0 and "freed 0.00 GB" in done.stdout, done
    assert all(path.exists() for path in needed), [p for p in needed if not p.exists()]
    assert not any(path.exists() for path in unneeded), [p for p in unneeded if p.exists()]
    done = gc(folder)
    assert done.returncode == 0 and "nothing to free" in done.stdout, done


@pytest.mark.slow
def test_what_was_needed_comes_out_of_the_cache_again(project):
    """For every branch, tag and experiment, the author and the job; and a stage whose output was freed runs again."""
    folder, hashes, home = project
    assert (
        gc(folder).returncode == 0
        and not (folder / ".dvc/cache/files/md5" / hashes["nobody"][:2] / hashes["nobody"][2:]).exists()
    )
    assert sh(folder, "git stash -q && git branch start").returncode == 0
    experiment = sh(folder, "git for-each-ref --format='%(objectname)' 'refs/exps/*/*/kept'").stdout.strip()
    for name, revision in {"branch": "other", "tag": "v1", "experiment": experiment, "main": "start"}.items():
        done = sh(folder, f"rm -rf data/raw && git checkout -q {revision} && dvc checkout data/raw/posts.jsonl")
        assert (
            done.returncode == 0 and (folder / "data/raw/posts.jsonl").is_file() and posts_hash(folder) == hashes[name]
        ), done
    done = sh(folder / "authors/anna", "rm -rf data/raw data/blog && dvc checkout data/raw/posts.jsonl data/blog.dvc")
    assert done.returncode == 0 and (folder / "authors/anna/data/blog").is_dir(), done
    done = sh(home / "workspace", "rm -rf data/corpus-mine && dvc checkout data/corpus-mine.dvc")
    assert done.returncode == 0 and (home / "workspace/data/corpus-mine/2021-01-01-only-here.md").is_file(), done
    # DVC's own record of runs still knows the output of 100 words and more, and must not believe it
    done = sh(folder, "python scripts/set_param.py ingest.min_words=100 && dvc repro ingest")
    assert (
        done.returncode == 0 and posts_hash(folder) == hashes["nobody"] and (folder / "data/raw/posts.jsonl").is_file()
    ), done


def test_a_cache_outside_of_the_project_is_left_alone(tmp_path):
    kind = disk_usage.dvc_cache(tmp_path, ["gc"])
    assert not kind.unneeded and "left alone" in kind.note


@pytest.mark.slow
def test_the_servers_workspace_signs_the_cache_and_is_found_by_it(project):
    folder, _, home = project
    cache = folder / ".dvc/cache"
    assert (cache / disk_usage.SHARERS_FILE).read_text().split("\n")[:1] == [str((home / "workspace").resolve())]
    code = (
        "import sys; sys.path.insert(0, '.'); from pathlib import Path; "
        "from blogtwin.disk_usage import sharing_projects; "
        "print(*sharing_projects(Path('.dvc/cache').resolve(), Path('nowhere')), sep='\\n')"
    )
    assert sh(folder, f'python -c "{code}"').stdout.split("\n")[:2] == [
        str((folder / "authors/anna").resolve()),
        str((home / "workspace").resolve()),
    ]
