"""`make setup`: which build of PyTorch it installs, by uv or by pip, what it says of the cost, and what constraints.txt
pins.

The installs run for real, with the real pip, in a temporary project whose packages are small wheels beside it; uv is a
stand-in.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import namedtuple
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from blogtwin import installation, venv
from tests.support.workspace import ROOT

UV = """#!/bin/sh
case "$(cat uv.mode) $*" in
*--version) echo "uv {version} (stand-in)" ;;
*"cache dir") pwd ;;
hangs*) sleep 600 & echo $! >child.pid; wait; touch outlived ;;
*) exec "{python}" uv.py "$@" ;;
esac
"""
UV_PY = """
import json, os, subprocess, sys, time
arguments, mode = sys.argv[1:], open("uv.mode").read()
with open("uv.log", "a") as log:
    log.write(json.dumps(arguments) + "\\n")
if mode == "fails":
    sys.exit("error: no such index")
elif arguments[:2] == ["pip", "compile"] and "-" in arguments:
    print(sys.stdin.read().strip() + "+cpu\\nsympy==1.14.0")
elif arguments[:2] == ["pip", "compile"]:
    target = arguments[arguments.index("--output-file") + 1]
    open("before.txt", "w").write(open(target).read() if os.path.exists(target) else "")
    open(target, "w").write(
        "nvidia-cublas==13.1   # via torch\\ntiny==1.0             # via -r requirements.txt\\ntorch==1.0\\n"
        "triton==3.7\\ntriton-windows==3.8\\n"
    )
elif mode == "breaks":
    sys.exit("error: the connection broke off")
elif mode == "is slow":
    time.sleep(600)
else:
    options = {"--torch-backend", "--python"}  # pip has neither, and their values
    rest = [a for n, a in enumerate(arguments) if not options & set(arguments[max(0, n - 1) : n + 1])]
    sys.exit(subprocess.run([".venv/bin/python", "-m", *rest, "--disable-pip-version-check"]).returncode)
"""
on_linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uv is asked on Linux only")


def write_wheel(folder: Path, name: str) -> None:
    """A wheel of version 1.0 that holds one module."""
    folder.mkdir(exist_ok=True)
    info = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{name}.py", "")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


@pytest.fixture
def project(tmp_path):
    """A project with bootstrap.py and three small packages, whose .venv has a uv that works."""
    for name in ("torch", "tiny", "weights"):
        write_wheel(tmp_path / "wheels", name)
    for folder in ("scripts", "train", "blogtwin", ".venv/bin"):
        (tmp_path / folder).mkdir(parents=True)
    for file in (
        "scripts/bootstrap.py",
        "blogtwin/__init__.py",
        "blogtwin/dvc.py",
        "blogtwin/errors.py",
        "blogtwin/files.py",
        "blogtwin/hardware.py",
        "blogtwin/hints.py",
        "blogtwin/paths.py",
        "blogtwin/renamed_params.py",
        "blogtwin/repository.py",
        "blogtwin/signals.py",
        "blogtwin/venv.py",
        "blogtwin/workplace.py",
    ):
        shutil.copy(ROOT / file, tmp_path / file)
    text = (ROOT / "blogtwin/installation.py").read_text()
    embedded = re.sub(
        r"^EMBEDDED = .*", 'EMBEDDED = ["./wheels/weights-1.0-py3-none-any.whl"]', text, count=1, flags=re.M
    )
    # What is installed here takes next to nothing, so that the result does not hang on how full this disk is.
    small = 'SIZES = dict.fromkeys(("CPU", "CUDA", "macOS"), (0.1, 0.1))'
    small_sizes, replaced = re.subn(r"^SIZES = .*", small, embedded, count=1, flags=re.M)
    assert replaced
    (tmp_path / "blogtwin/installation.py").write_text(small_sizes)
    (tmp_path / "requirements.txt").write_text("--no-index\n--find-links ./wheels\ntorch==1.0\ntiny==1.0\n")
    (tmp_path / "constraints.txt").write_text("tiny==1.0\ntorch==1.0\n")
    (tmp_path / "train/requirements-cuda.txt").write_text("# nothing\n")
    (tmp_path / ".venv/bin/uv").write_text(UV.format(python=sys.executable, version=installation.UV))
    (tmp_path / ".venv/bin/uv").chmod(0o755)
    (tmp_path / "uv.py").write_text(UV_PY)
    (tmp_path / "uv.mode").write_text("works")
    return tmp_path


def environment(project: Path, **extra: str) -> dict[str, str]:
    """No settings of this machine's pip and uv."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PIP_", "UV_", "FORCE_CPU", "GIT_"))}
    return {**keep, "HOME": str(project), "PIP_CONFIG_FILE": os.devnull, **extra}


def setup(project: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "scripts/bootstrap.py", *arguments]
    return subprocess.run(
        command, cwd=project, env=environment(project, **extra), capture_output=True, text=True, timeout=600
    )


def uv_calls(project: Path) -> list[list[str]]:
    log = project / "uv.log"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.is_file() else []


def uv_installs(project: Path) -> list[list[str]]:
    return [call for call in uv_calls(project) if call[:2] == ["pip", "install"]]


def is_installed(project: Path, *names: str) -> bool:
    return (
        subprocess.run(
            [project / ".venv/bin/python", "-c", f"import {', '.join(names)}"], capture_output=True
        ).returncode
        == 0
    )


def assert_whole(project: Path, done: subprocess.CompletedProcess) -> None:
    assert done.returncode == 0, done.stdout + done.stderr
    assert (project / ".venv/.ready").is_file() and is_installed(project, "torch", "tiny", "weights")


@pytest.mark.slow
def test_uv_picks_the_build_and_the_second_setup_does_nothing(project):
    done = setup(project)
    assert_whole(project, done)
    if sys.platform.startswith("linux"):
        first, second = uv_installs(project)[:2]
        assert first[first.index("--torch-backend") + 1] == "auto" and first[-4:] == [
            "-r",
            "requirements.txt",
            "-c",
            "constraints.txt",
        ]
        assert second[-2:] == ["--no-deps", "./wheels/weights-1.0-py3-none-any.whl"]
        assert re.search(
            r"PyTorch's CPU build: \d\.\d GB to download, \d\.\d GB on disk, about \d minutes? at 100 Mbit/s",
            done.stdout,
        ), done.stdout
    calls = len(uv_calls(project))
    (project / ".venv/bin/python").unlink()
    (project / ".venv/bin/python").write_text("#!/bin/sh\ntouch started\n")
    (project / ".venv/bin/python").chmod(0o755)
    again = setup(project)
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "") and len(uv_calls(project)) == calls
    assert not (project / "started").exists()  # neither pip nor venv


@pytest.fixture
def here(project, monkeypatch):
    """The same project for bootstrap's functions in this process, by this Python's pip, without settings of this
    machine."""
    for name in [n for n in os.environ if n.startswith(("PIP_", "UV_", "FORCE_CPU"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name, value in {"ROOT": project, "VENV": project / ".venv", "PYTHON": Path(sys.executable)}.items():
        monkeypatch.setattr(installation, name, value)
    return project


@on_linux
def test_uv_is_asked_for_the_build_that_suits_the_machine(here, monkeypatch, capsys):
    assert installation.choose_installer() == ("CPU", here / ".venv/bin/uv") and capsys.readouterr().out == ""
    monkeypatch.setenv("FORCE_CPU", "1")
    installation.choose_installer()
    assert [call[call.index("--torch-backend") + 1] for call in uv_calls(here)] == ["auto", "cpu"]


@on_linux
@pytest.mark.parametrize(
    "printed, build",
    [
        ("torch==2.13.0+cpu\n", "CPU"),
        ("torch==2.13.0\n", "CUDA"),
        ("torch==2.13.0+cu126\n", "CUDA"),
        ("torch==2.13.0+rocm6.4\n", "rocm6"),
        ("torch==2.13.0+xpu\n", "xpu"),
    ],
)
def test_the_build_is_what_uv_resolves(here, monkeypatch, printed, build):
    monkeypatch.setattr(installation, "pip_settings", list)
    monkeypatch.setattr(installation, "fetch_uv", lambda: Path("uv"))
    monkeypatch.setattr(installation, "command_output", lambda *_, **__: f"sympy==1.14.0\n{printed}triton==3\n")
    assert installation.choose_installer() == (build, Path("uv"))


@pytest.mark.slow
@on_linux
def test_a_uv_that_hangs_is_killed_with_all_that_it_started(here, monkeypatch, capsys):
    """It is given 5 seconds here; the stand-in waits for 600, and leaves a file where nobody ended it."""
    monkeypatch.setattr(installation, "PROBE_SECONDS", 5)
    monkeypatch.setattr(installation, "pip_settings", list)
    (here / "uv.mode").write_text("hangs")
    assert (
        installation.choose_installer() == ("CUDA", None)
        and "can't be reached, so pip installs" in capsys.readouterr().out
    )
    child = Path("/proc") / (here / "child.pid").read_text().strip() / "cmdline"
    assert not (here / "outlived").exists() and not (child.exists() and b"sleep" in child.read_bytes())


@on_linux
@pytest.mark.parametrize(("fetching", "left"), [(0, 20), (15, 5), (60, 5)])
def test_fetching_uv_and_its_answer_share_twenty_seconds(here, monkeypatch, fetching, left):
    """By a clock that is set: where uv itself takes long to arrive, it still has five seconds to answer."""
    clock, given = iter([1000.0, 1000.0 + fetching]), []
    monkeypatch.setattr(installation, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    monkeypatch.setattr(installation, "pip_settings", list)
    monkeypatch.setattr(installation, "fetch_uv", lambda: Path("uv"))
    monkeypatch.setattr(installation, "command_output", lambda command, seconds, *_, **__: given.append(seconds))
    assert installation.choose_installer() == ("CUDA", None) and given == [left]


@on_linux
def test_a_uv_that_does_not_resolve_means_pip(here, capsys):
    (here / "uv.mode").write_text("fails")
    assert (
        installation.choose_installer() == ("CUDA", None)
        and "can't be reached, so pip installs" in capsys.readouterr().out
    )


@pytest.mark.slow
@on_linux
def test_a_uv_that_can_not_be_fetched_means_pip(here, monkeypatch, capfd):
    (here / ".venv/bin/uv").unlink()
    for name in (
        "HTTPS_PROXY",
        "HTTP_PROXY",
        "https_proxy",
        "http_proxy",
    ):  # a proxy in the environment is for uv too; nobody answers there
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert installation.choose_installer() == ("CUDA", None)
    printed = capfd.readouterr()
    assert (
        "can't be reached, so pip installs" in printed.out and not printed.err
    )  # nothing of pip's own that would alarm


@on_linux
@pytest.mark.parametrize(
    "setting, value",
    [
        ("index-url", "http://127.0.0.1:9/simple"),
        ("extra-index-url", "http://127.0.0.1:9/simple"),
        ("find-links", "/nowhere"),
        ("cert", "/nowhere.pem"),
        ("proxy", "http://127.0.0.1:9"),
    ],
)
def test_settings_of_pip_in_the_environment_mean_pip(here, monkeypatch, capsys, setting, value):
    """uv does not read them, and is not tried."""
    monkeypatch.setenv(f"PIP_{setting.upper().replace('-', '_')}", value)
    assert (
        installation.choose_installer() == ("CUDA", None)
        and f"pip has settings of its own here ({setting})" in capsys.readouterr().out
    )
    assert not uv_calls(here)


@on_linux
def test_settings_in_a_file_of_pip_mean_pip_too(here, monkeypatch):
    (here / "pip.conf").write_text("[global]\ntimeout = 60\n[install]\nindex-url = http://127.0.0.1:9/simple\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(here / "pip.conf"))
    found = installation.pip_settings()  # this machine's own file may add to them
    assert "index-url" in found and "timeout" not in found
    assert installation.choose_installer() == ("CUDA", None) and not uv_calls(here)


@on_linux
def test_settings_that_change_nothing_of_what_is_installed_do_not_mean_pip(here, monkeypatch):
    for name, value in {
        "PIP_TIMEOUT": "60",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_CACHE_DIR": str(here),
        "PIP_ROOT_USER_ACTION": "ignore",
    }.items():
        monkeypatch.setenv(name, value)
    assert installation.pip_settings() == []


@pytest.mark.slow
@on_linux
def test_where_uv_breaks_off_in_the_install_pip_goes_on(project):
    (project / "uv.mode").write_text("breaks")
    done = setup(project)
    assert_whole(project, done)
    assert "pip installs what is still missing" in done.stdout and len(uv_installs(project)) == 1


@pytest.mark.slow
def test_a_failure_is_one_sentence_and_the_next_setup_goes_on(project):
    (project / "uv.mode").write_text("fails")
    wheel = project / "wheels/weights-1.0-py3-none-any.whl"
    wheel.rename(project / "elsewhere.whl")
    done = setup(project)
    *_, last = done.stderr.splitlines()
    assert (
        done.returncode == 1
        and last.startswith("error: pip could not install")
        and "run `make setup` again" in last
        and "Traceback" not in done.stderr
    )
    assert not (project / ".venv/.ready").exists() and is_installed(project, "torch", "tiny")
    (project / "elsewhere.whl").rename(wheel)
    # so that only what is missing can be installed
    (project / "wheels/torch-1.0-py3-none-any.whl").unlink()
    assert_whole(project, setup(project))


@pytest.mark.slow
@on_linux
def test_ctrl_c_is_one_sentence_and_the_next_setup_goes_on(project):
    (project / "uv.mode").write_text("is slow")
    command = [sys.executable, "scripts/bootstrap.py"]
    running = subprocess.Popen(
        command,
        cwd=project,
        env=environment(project),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    until = time.monotonic() + 300
    while not uv_installs(project) and time.monotonic() < until:
        time.sleep(0.1)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    _, said = running.communicate(timeout=300)
    assert running.returncode == 130 and said.splitlines()[-1].startswith("stopped: run `make setup` again"), said
    assert 'File "scripts/bootstrap.py"' not in said and 'bootstrap.py", line' not in said
    (project / "uv.mode").write_text("works")
    assert_whole(project, setup(project))


def test_too_little_room_is_one_sentence_before_anything_is_fetched(tmp_path, monkeypatch):
    """pip needs room for what it fetches too; uv links from its cache where that is on the same disk."""
    Usage = namedtuple("Usage", "total used free")
    monkeypatch.setattr(installation, "VENV", tmp_path)
    monkeypatch.setattr(installation, "ROOT", tmp_path.parent)
    monkeypatch.setattr(installation, "uses_cuda", lambda: False)
    monkeypatch.setattr(installation, "command_output", lambda command, *_: str(tmp_path / "cache/of/it"))
    monkeypatch.setattr(installation.tempfile, "gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr(installation.shutil, "disk_usage", lambda path: Usage(0, 0, int(11e9)))
    with pytest.raises(
        SystemExit,
        match=(
            r"^error: 12\.5 GB of disk space are needed \(6\.1 in .*\), and 11\.0 GB are free: free some, then run"
            r" `make setup` again\.$"
        ),
    ):
        installation.announce_install("CUDA", None)
    installation.announce_install("CUDA", Path("uv"))
    installation.announce_install("CPU", None)
    monkeypatch.setattr(installation.shutil, "disk_usage", lambda path: Usage(0, 0, int(1e9)))
    with pytest.raises(SystemExit, match=r"^error: 2\.0 GB of disk space are needed"):
        installation.announce_install("CPU", Path("uv"))


def test_what_is_there_already_is_not_announced_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(installation, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(installation, "ROOT", tmp_path)
    monkeypatch.setattr(installation, "uses_cuda", lambda: False)
    monkeypatch.setattr(installation, "folder_size_gb", lambda folder: 1.95)
    installation.announce_install("CPU", None)
    assert capsys.readouterr().out == "bringing .venv up to date (about a minute) …\n"


def test_a_changed_pin_without_make_lock_is_one_sentence(project):
    text = (project / "requirements.txt").read_text()
    (project / "requirements.txt").write_text(text.replace("tiny==1.0", "tiny==2.0"))
    done = setup(project)
    assert (
        done.returncode == 1
        and done.stderr
        == "error: requirements.txt pins tiny==2.0, and constraints.txt pins tiny==1.0: run `make lock`, then the same"
        " command again.\n"
    )
    (project / "requirements.txt").write_text(text + "another==1.0\n")
    assert "constraints.txt does not have another" in setup(project).stderr


NO_LINKS = """
import os
def refuse(*_, **__):
    raise PermissionError(1, "Operation not permitted")
os.symlink = refuse
"""


@pytest.mark.slow
def test_a_disk_without_links_is_named_as_one(project):
    """exFAT: the call that makes a link fails, here in every Python that starts."""
    shutil.rmtree(project / ".venv")
    (project / "sitecustomize.py").write_text(NO_LINKS)
    done = setup(project, PYTHONPATH=str(project))
    assert done.returncode == 1 and "without symbolic links" in done.stderr, done
    assert "python3-venv" not in done.stderr and done.stderr.count("\n") == 1


DEBIAN = """The virtual environment was not created successfully because ensurepip is not
available.  On Debian/Ubuntu systems, you need to install the python3-venv
package using the following command.
"""


def test_only_a_python_without_ensurepip_is_told_the_package_that_has_it(tmp_path):
    assert "apt install python3-venv" in venv.why_no_venv(tmp_path / ".venv", DEBIAN)
    full = venv.why_no_venv(tmp_path / ".venv", "Error: [Errno 28] No space left on device: '/x'\n")
    assert "No space left on device" in full and "apt" not in full


@pytest.mark.slow
def test_a_python_that_is_a_link_which_finds_no_library_is_followed(tmp_path, monkeypatch):
    """As uv and mise may put one into ~/.local/bin: what it makes does not start."""
    real, link = os.path.realpath(sys.executable), tmp_path / "python3"
    link.write_text(
        '#!/bin/sh\n# -m venv FOLDER\nmkdir -p "$3/bin"\n'
        'printf \'#!/bin/sh\\necho "No module named encodings" >&2\\nexit 1\\n\' >"$3/bin/python"\n'
        'chmod +x "$3/bin/python"\n'
    )
    link.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(link))
    monkeypatch.setattr(os.path, "realpath", lambda path, **_: real if str(path) == str(link) else str(path))
    venv.make_venv(tmp_path / "venv")
    found = subprocess.run(
        [tmp_path / "venv/bin/python", "-c", "import pip, sys; print(sys.prefix)"], text=True, capture_output=True
    )
    assert found.stdout.strip() == str(tmp_path / "venv"), found


@pytest.mark.slow
def test_a_python_that_is_gone_is_replaced(project):
    assert setup(project).returncode == 0 and setup(project).stdout == ""
    for link in (project / ".venv/bin").glob("python*"):
        link.unlink()
        link.symlink_to("/nowhere/python")
    done = setup(project)
    assert done.returncode == 0 and is_installed(project, "tiny", "torch", "weights"), done


def other_pythons() -> list[Path]:
    """Pythons of other versions on this machine: on PATH, or kept by pyenv."""
    here = f"3.{sys.version_info.minor}"
    names = [f"3.{minor}" for minor in range(11, 15) if f"3.{minor}" != here]
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = [next(iter(sorted(kept.glob(f"{name}.*/bin/python"))), shutil.which(f"python{name}")) for name in names]
    return [Path(python) for python in found if python]


@pytest.mark.slow
@pytest.mark.parametrize("python", other_pythons() or [pytest.param(None, marks=pytest.mark.skip("no other Python"))])
def test_setup_works_with_the_other_pythons_of_this_machine(project, python):
    shutil.rmtree(project / ".venv")
    options = {"cwd": project, "env": environment(project), "capture_output": True, "text": True}
    done = subprocess.run([python, "scripts/bootstrap.py"], **options)
    assert done.returncode == 0 and is_installed(project, "tiny", "torch", "weights"), done


@pytest.mark.slow
def test_make_lock_starts_from_the_pins_there_are_and_leaves_the_builds_own_out(project):
    before = (project / "constraints.txt").read_text()
    done = setup(project, "--lock")
    assert done.returncode == 0 and "3 pins" in done.stdout, done
    assert (project / "before.txt").read_text() == before
    pins = [
        line.split()[0] for line in (project / "constraints.txt").read_text().splitlines() if not line.startswith("#")
    ]
    assert pins == ["tiny==1.0", "torch==1.0", "triton-windows==3.8"]
    (command,) = [call for call in uv_calls(project) if call[:2] == ["pip", "compile"]]
    assert (
        "--universal" in command
        and command[command.index("--python-version") + 1] == "3.11"
        and command[-2:] == ["requirements.txt", "train/requirements-cuda.txt"]
    )


@pytest.mark.slow
def test_make_lock_that_fails_leaves_the_file_as_it_was(project):
    before = (project / "constraints.txt").read_text()
    (project / "uv.mode").write_text("fails")
    done = setup(project, "--lock")
    assert done.returncode == 1 and done.stderr.splitlines()[-1].startswith(
        "error: there is no set of packages that satisfies"
    )
    assert (project / "constraints.txt").read_text() == before


# --- what is pinned ---------------------------------------------------------------------------------------------------


def requirements(name: str) -> list[Requirement]:
    lines = (line.split("#")[0].strip() for line in (ROOT / name).read_text().splitlines())
    return [Requirement(line) for line in lines if line]


@pytest.mark.parametrize("name", ["requirements.txt", "train/requirements-cuda.txt"])
def test_every_first_level_pin_is_in_the_constraints_and_equal(name):
    locked = {canonicalize_name(r.name): r for r in requirements("constraints.txt")}
    differing = [
        str(r)
        for r in requirements(name)
        if locked.get(canonicalize_name(r.name), Requirement("none")).specifier != r.specifier
    ]
    assert requirements(name) and not differing, (
        f"{differing} are not in constraints.txt as they are in {name}: run `make lock`"
    )


def test_what_is_installed_here_is_what_is_pinned():
    """Only what this platform and Python have a pin for; a build's own suffix, as in 2.13.0+cpu, is no other
    version."""
    pinned = {
        canonicalize_name(r.name): r.specifier
        for r in requirements("constraints.txt")
        if not r.marker or r.marker.evaluate()
    }
    installed = {
        canonicalize_name(d.metadata["Name"]): d.version
        for d in metadata.distributions(path=[p for p in sys.path if p.startswith(sys.prefix)])
    }
    differing = [
        f"{name} is {installed[name]}, pinned {pinned[name]}"
        for name in sorted(installed.keys() & pinned)
        if not pinned[name].contains(installed[name], prereleases=True)
    ]
    assert len(installed.keys() & pinned) > 100 and not differing, f"{'; '.join(differing)}: run `make setup`"


@pytest.mark.parametrize("python", ["3.11.7", "3.12.1", "3.13.0"])
def test_the_constraints_have_one_pin_for_each_python_and_none_of_a_builds_own(python):
    """Two that hold on one machine would contradict each other; torch's CUDA libraries are torch's own affair."""
    here = {
        "python_full_version": python,
        "python_version": python.rpartition(".")[0],
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for sys_platform, machine, name in (
        ("linux", "x86_64", "posix"),
        ("linux", "aarch64", "posix"),
        ("darwin", "arm64", "posix"),
    ):
        where = {
            **here,
            "sys_platform": sys_platform,
            "platform_machine": machine,
            "os_name": name,
            "platform_system": sys_platform.capitalize(),
        }
        names = [
            canonicalize_name(r.name)
            for r in requirements("constraints.txt")
            if not r.marker or r.marker.evaluate(where)
        ]
        assert len(names) == len(set(names))
        wanted = {
            canonicalize_name(r.name)
            for r in requirements("requirements.txt")
            if not r.marker or r.marker.evaluate(where)
        }
        assert wanted <= set(names)
        assert not [n for n in names if n.startswith(("nvidia-", "cuda-")) or n == "triton"]
