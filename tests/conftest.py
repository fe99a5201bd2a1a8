"""Paths for the tests, and a workspace: a copy of the project's files in a temporary folder, with Git, DVC and the same
Python."""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from blogtwin.environment import load_environment

ROOT = Path(__file__).resolve().parent.parent
# A shell's background job ignores Ctrl-C, and so would all that the tests start from there.
signal.signal(signal.SIGINT, signal.default_int_handler)
if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests that run side by side share the cores: two teams of threads that wait for each other's cores take five times
    # as long.
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])))
load_environment()
os.environ["HF_HUB_OFFLINE"] = "1"  # a test that reaches for a hub is wrong


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: takes more than a few seconds; `make test-fast` leaves it out")


def pytest_ignore_collect(collection_path, config):
    """A module that is slow as a whole is not even imported for the quick tests: torch and its friends take seconds to
    start."""
    if (
        config.getoption("markexpr") == "not slow"
        and collection_path.suffix == ".py"
        and "\npytestmark = pytest.mark.slow" in collection_path.read_text(encoding="utf-8")
    ):
        return True


@pytest.fixture(scope="session")
def real_lengths():
    """(tokens of a text, tokens of a whole row with system message and template as 04_train asserts it), by the base's
    own tokenizer."""
    from blogtwin.config import load_params
    from blogtwin.models import chat, registry

    params = load_params(ROOT / "params.yaml")
    tokenizer = registry.resolve_base(params.train.base).tokenizer()

    def of_row(row: dict) -> int:
        return sum(
            map(len, chat.encode_example(tokenizer, chat.prompt_messages(row, params.prepare.system), row["output"]))
        )

    return lambda text: len(chat.encode(tokenizer, text)), of_row


# The longest modules start first, so that no worker is left alone with one at the end.
LONGEST = (
    "test_page",
    "test_interrupted",
    "test_pipeline",
    "test_upgrade",
    "test_eval",
    "test_serve_jobs",
    "test_mlx",
    "test_hub_base",
    "test_style",
    "test_tasks",
    "test_params",
)


def pytest_collection_modifyitems(items):
    order = {name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(LONGEST)))


def environment(folder: Path) -> dict:
    """The environment `make` gives: the same Python first on PATH, nothing of the caller's project."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("DVC", "GIT_", "MAKE", "MFLAGS"))}
    return {
        **keep,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "OLLAMA_HOST": "127.0.0.1:1",
    }


def sh(folder: Path, command: str, timeout: int = 300, **extra) -> subprocess.CompletedProcess:
    """A command as a user gives it in a folder."""
    return subprocess.run(
        command,
        shell=True,
        cwd=folder,
        env={**environment(folder), **extra},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


@pytest.fixture
def run_in():
    """run_in(folder, "command", …) → CompletedProcess; asserts success unless ok=False."""

    def run(folder: Path, command: str, ok: bool = True, timeout: int = 600, **extra):
        done = sh(folder, command, timeout, **extra)
        assert not ok or done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    return run


def embedded_base() -> None:
    """The embedded base, made ready in the project itself: it takes its seconds, and is the same for all workers and
    workspaces."""
    from filelock import FileLock

    from blogtwin.models import registry

    (ROOT / "artifacts").mkdir(exist_ok=True)
    with FileLock(ROOT / "artifacts/base.lock"), pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "ROOT", ROOT)  # where `tiny` holds another
        registry.resolve_base("smollm2:135m")


def copy_project(folder: Path) -> None:
    """The project's files as Git has them (changed ones as they are)."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    for name in listed.splitlines():
        if name.startswith("artifacts/") or name == "dvc.lock" or not (ROOT / name).is_file():
            continue
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)


STAMP = """
import sys
try:
    from blogtwin import installation
except ImportError:  # a version of the project before blogtwin/
    sys.path.insert(0, "scripts")
    import bootstrap as installation
print(installation.fingerprint(), end="")
"""


def link_venv(folder: Path) -> None:
    """A .venv of its own to the eye, this Python's inside; `make setup` has nothing to do there. Again after the
    project's files changed."""
    (folder / ".venv").mkdir(exist_ok=True)
    for part in ("bin", "lib", "share", "pyvenv.cfg"):
        if (Path(sys.prefix) / part).exists() and not (folder / ".venv" / part).is_symlink():
            (folder / ".venv" / part).symlink_to(Path(sys.prefix) / part)
    (folder / ".venv/.ready").write_text(
        subprocess.run([sys.executable, "-c", STAMP], cwd=folder, capture_output=True, text=True, check=True).stdout
    )


def commit_all(folder: Path, message: str) -> None:
    """Everything that Git does not ignore, committed; the folder becomes a repository when it is none."""
    for command in (
        "git init -q",
        "git config user.email test@example.org",
        "git config user.name test",
        "git add -A",
        f"git commit -qm {message}",
    ):
        subprocess.run(command, shell=True, cwd=folder, env=environment(folder), check=True)


def make_workspace(folder: Path) -> Path:
    """The project's files, committed, with a .venv that is this Python's."""
    copy_project(folder)
    embedded_base()
    shutil.copytree(ROOT / "artifacts/base", folder / "artifacts/base", copy_function=os.link)
    link_venv(folder)
    commit_all(folder, "start")
    return folder


def short_suites(folder: Path) -> None:
    """A workspace whose suites have two cases, and ask for a few words: what they measure has tests of its own."""
    for suite in (folder / "eval/suites").rglob("*.yaml"):
        text = re.sub(r"^max_tokens: \d+", "max_tokens: 8", suite.read_text(), flags=re.M)
        suite.write_text("  - id: ".join(text.split("  - id: ")[:3]))


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory):
    """A temporary project root whose name must show up nowhere, in which a tiny base is ready: made once, for all
    workers."""
    from filelock import FileLock
    from tiny import write_tiny_gguf

    from blogtwin.models import registry

    own = tmp_path_factory.getbasetemp()
    root = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "private-folder"
    with FileLock(f"{root}.lock"), pytest.MonkeyPatch.context() as patch:
        if not root.exists():
            root.mkdir()
            patch.setattr(registry, "ROOT", root)
            registry.resolve_base(str(write_tiny_gguf(root / "tiny.gguf")))
    return root


def with_tiny(folder: Path, tiny_root: Path) -> str:
    """What `train.base` is to be in a workspace that shall have the tiny base of `tiny_root`, ready to be used."""
    (ready,) = (tiny_root / "artifacts/base").glob("tiny-*")
    shutil.copytree(ready, folder / "artifacts/base" / ready.name, copy_function=os.link)
    return f"{tiny_root}/tiny.gguf"


@pytest.fixture(scope="module")
def tiny(tiny_root):
    """The tiny base of `tiny_root`, while its root is the project's."""
    from blogtwin.models import registry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "ROOT", tiny_root)
        yield registry.resolve_base(str(tiny_root / "tiny.gguf"))


from serving import served, server  # noqa: F401  fixtures; below, since serving.py takes ROOT from here
