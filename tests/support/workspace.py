"""A workspace: a copy of the project's files in a temporary folder, with Git, DVC and the same Python."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


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
print((getattr(installation, "fingerprint", None) or installation.stamp)(), end="")
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


# A training of a few steps, and a scorecard of two prompts.
SMALL = (
    "train.max_steps=3 train.max_length=512 eval.num_prompts=2 eval.max_tokens=24 eval.max_scored_tokens=64"
    " export.parity_prompts=1 export.parity_tokens=60 split.test_fraction=0.2"
)


def make_small_workspace(folder: Path) -> Path:
    """A workspace whose sample is 8 short posts and whose training is 3 steps."""
    make_workspace(folder)
    sample = folder / "data/sample"
    short = sorted(sample.glob("*.md"), key=lambda p: p.stat().st_size)[:8]
    for path in sample.iterdir():
        if path not in short and path.name != "ABOUT":
            path.unlink()
    short_suites(folder)
    subprocess.run(
        [sys.executable, "scripts/set_param.py", *SMALL.split()], cwd=folder, env=environment(folder), check=True
    )
    commit_all(folder, "small")
    return folder


def with_tiny(folder: Path, tiny_root: Path) -> str:
    """What `train.base` is to be in a workspace that shall have the tiny base of `tiny_root`, ready to be used."""
    (ready,) = (tiny_root / "artifacts/base").glob("tiny-*")
    shutil.copytree(ready, folder / "artifacts/base" / ready.name, copy_function=os.link)
    return f"{tiny_root}/tiny.gguf"
