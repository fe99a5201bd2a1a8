"""A project of its own for each test of kept twins: an empty folder with params.yaml, and no Ollama."""

import pytest

from tests.support.kept_twins import write_params


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    write_params(tmp_path)
    return tmp_path
