"""The .env file: what its lines may look like, and that a variable of the real environment wins."""

import os
import sys

import pytest

from blogtwin.dvc import run_dvc
from blogtwin.environment import load_env_file


@pytest.fixture
def env_file(tmp_path, monkeypatch):
    """load(text): the variables that a .env file of this text adds to an environment that has PORT=1."""
    monkeypatch.setattr(os, "environ", {"PORT": "1"})

    def load(text: str | bytes) -> dict[str, str]:
        path = tmp_path / ".env"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        load_env_file(path)
        return {name: value for name, value in os.environ.items() if name in ("NAME", "OTHER")}

    return load


@pytest.mark.parametrize(
    "line, value",
    [
        ("NAME=plain", "plain"),
        ("export NAME=exported", "exported"),
        ("  NAME = 'single quotes' ", "single quotes"),
        ('NAME="double quotes"', "double quotes"),
        ("NAME=a=b==", "a=b=="),
        ("NAME=a#b", "a#b"),
        ("NAME=a  # a comment", "a"),
        ("NAME='$HOME'", "$HOME"),
        ("NAME=${HOME}x$y", "${HOME}x$y"),
        ('NAME=["https://a.example"]', '["https://a.example"]'),
        ("NAME=", ""),
        ("NAME=naïve\r", "naïve"),
    ],
)
def test_load_env_file_reads_quotes_export_and_comments(env_file, line, value):
    assert env_file(f"# NAME=commented out\n\n{line}\n") == {"NAME": value}


def test_load_env_file_never_overrides_the_real_environment(env_file):
    assert env_file("PORT=2\nNAME=x\n") == {"NAME": "x"} and os.environ["PORT"] == "1"


def test_load_env_file_skips_lines_it_can_not_read(env_file):
    assert env_file("no assignment\nNAME=x\n") == {"NAME": "x"}
    assert env_file(b"OTHER=\xff\n") == {"NAME": "x", "OTHER": "\ufffd"}


def test_load_env_file_without_a_file_or_before_make_setup_changes_nothing(env_file, tmp_path, monkeypatch):
    load_env_file(tmp_path / "missing")
    monkeypatch.setitem(sys.modules, "dotenv", None)  # not installed
    assert env_file("NAME=x\n") == {}


@pytest.mark.slow
@pytest.mark.dvc
def test_dvc_reports_nothing_even_where_no_project_tells_it_not_to(tmp_path):
    """A report that it means to send is first a file in the folder of temporary files."""
    (tmp_path / "temporary").mkdir()
    (tmp_path / "home").mkdir()
    environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary"), "HOME": str(tmp_path / "home"), "CI": "1"}
    assert run_dvc(tmp_path, "status", env=environment).returncode != 0, "there is no project"
    assert list((tmp_path / "temporary").iterdir()) == []
