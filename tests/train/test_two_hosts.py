"""Two hosts, which are network namespaces joined by a cable, run the line of docs/training.md as it is written."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from blogtwin.files import read_json_object
from tests.support.workspace import ROOT, copy_project, environment, sh, with_tiny

SMALL = "train.max_steps=2 train.max_length=256 train.batch_size=1"
IP = shutil.which("ip") or ""
NAMES = [f"blogtwin-{os.getpid()}-{n}" for n in (1, 2)]

pytestmark = [pytest.mark.slow, pytest.mark.nightly, pytest.mark.model]


def ip(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([IP, *arguments], capture_output=True, text=True)


@pytest.fixture
def hosts():
    """Two network namespaces at 10.0.0.1 and 10.0.0.2; skips where they can't be made."""
    if not IP:
        pytest.skip("there is no `ip` (iproute2)")
    try:
        for name in NAMES:
            if (made := ip("netns", "add", name)).returncode:
                pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
        cable = ip(
            "link", "add", "cable", "netns", NAMES[0], "type", "veth", "peer", "name", "cable", "netns", NAMES[1]
        )
        if cable.returncode:
            pytest.skip(f"no cable can be laid between network namespaces: {cable.stderr.strip()}")
        for number, name in enumerate(NAMES, 1):
            for setting in (f"addr add 10.0.0.{number}/24 dev cable", "link set cable up", "link set lo up"):
                assert ip("-n", name, *setting.split()).returncode == 0
        yield NAMES
    finally:
        for name in NAMES:
            ip("netns", "del", name)


def documented() -> str:
    page = re.sub(r"\\\n\s*", "", (ROOT / "docs/training.md").read_text(encoding="utf-8"))
    (line,) = re.findall(r"^accelerate launch .*--machine_rank 0.*$", page, re.M)
    return line


def test_two_hosts_train_one_sharded_twin(hosts, tiny_root, tmp_path):
    """Only the first writes; the adapter is whole."""
    first, second = tmp_path / "first", tmp_path / "second"
    copy_project(first)
    base = with_tiny(first, tiny_root)
    stages = " && ".join(f"{sys.executable} scripts/{name}.py" for name in ("01_ingest", "02_prepare", "03_split"))
    made = sh(first, f"{sys.executable} scripts/set_param.py train.base={base} {SMALL} && {stages}", timeout=900)
    assert made.returncode == 0, made.stderr[-2000:]
    shutil.copytree(first, second, copy_function=os.link)
    running = []
    for rank, (name, folder) in enumerate(zip(hosts, (first, second))):
        env = {
            **environment(folder),
            "ACCELERATE_USE_CPU": "true",
            "GLOO_SOCKET_IFNAME": "cable",
            "OMP_NUM_THREADS": "1",
        }
        line = documented().replace("--machine_rank 0", f"--machine_rank {rank}")
        with open(folder / "said.txt", "w") as said:
            command = [IP, "netns", "exec", name, "/bin/sh", "-c", line]
            running.append(subprocess.Popen(command, cwd=folder, env=env, stdout=said, stderr=said))
    try:
        ends = [process.wait(timeout=900) for process in running]
    finally:
        for process in running:
            process.kill()
    said = [(folder / "said.txt").read_text() for folder in (first, second)]
    assert ends == [0, 0], said[0][-2000:] + said[1][-2000:]
    assert "step 2/2" in said[0] and "step 1/2" not in said[1]
    assert (read_json_object(first / "artifacts/train/training.json") or {})["steps"] == 2
    assert not (second / "artifacts/adapter").exists()
    assert (first / "artifacts/adapter/adapter_model.safetensors").stat().st_size > 1000
