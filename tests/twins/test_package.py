"""One file carries a twin to another machine, and what is no such file is refused before anything is written."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest

from blogtwin.config import load_params
from blogtwin.errors import UserError
from blogtwin.twins import package as twin_package
from blogtwin.twins import store as twins
from serve import kept_twins
from tests.support.kept_twins import keep, rewrite, write_params

DEFLATED, STORED = zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED


@pytest.fixture
def package(tmp_path, monkeypatch):
    """The package of a twin with a scorecard; afterwards the working folder is another machine's."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OLLAMA_HOST", "127.0.0.1:1")
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        write_params(tmp_path / name)
    monkeypatch.chdir(tmp_path / "here")
    version = keep("a", "2026-01-01")
    (version.folder / "eval").mkdir()
    card = {"n": {"prompts": 12}, "twin": {"likelihood": {"bits_per_byte": 1.25}}, "base": {}}
    (version.folder / "eval/metrics.json").write_text(json.dumps(card))
    Path("data/raw").mkdir(parents=True)
    Path("data/raw/posts.jsonl").write_text("A secret post.")
    file = kept_twins.pack("", load_params())
    monkeypatch.chdir(tmp_path / "there")
    return tmp_path / "here" / file


def test_what_was_packed_is_the_live_twin_elsewhere(package):
    """The same bytes, under the same name, with its date and scorecard."""
    version = kept_twins.unpack(package, load_params())
    source = package.parent / version.folder
    assert version.name.startswith("versions/2026-01-01-") and twins.live_name() == version.name
    for name in ("gguf/twin.gguf", "gguf/adapter.gguf", "gguf/parity.json", "eval/metrics.json"):
        assert (version.folder / name).read_bytes() == (source / name).read_bytes()
    assert sorted(f.name for f in version.folder.iterdir()) == ["about.json", "eval", "gguf"]
    assert version.about["created"] == "2026-01-01T12:00:00+00:00" and version.about["base"] == "keeper:1"
    assert kept_twins.unpack(package, load_params()).name == version.name and len(twins.list_versions()) == 1
    again = kept_twins.pack("", load_params())  # it can be carried on
    assert zipfile.ZipFile(again).read("README.md") == zipfile.ZipFile(package).read("README.md")


def test_a_package_has_the_files_and_their_story_and_no_post(package):
    with zipfile.ZipFile(package) as archive:
        names = {"about.json", "README.md", "Modelfile", "twin.gguf", "adapter.gguf", "parity.json", "metrics.json"}
        assert set(archive.namelist()) == names
        card = archive.read("README.md").decode()
        for told in ("keeper:1", "2026-01-01", "license is mit", "| bits per byte (lower is better) |  | 1.250 |"):
            assert told in card
        assert archive.read("Modelfile").decode().startswith("FROM ./twin.gguf\n")
        everything = b"".join(archive.read(name) for name in names)
    assert b"secret" not in everything and str(package.parent).encode() not in everything


def about_of(entries: dict) -> dict:
    return json.loads(entries["about.json"][0])


def with_about(entries: dict, **changes) -> dict:
    return entries | {"about.json": (json.dumps(about_of(entries) | changes).encode(), DEFLATED)}


CHANGES = {
    "slip": (lambda e: e | {"../evil": (b"x", STORED)}, "holds '../evil', which no package does"),
    "absolute": (lambda e: e | {"/etc/evil": (b"x", STORED)}, "holds '/etc/evil'"),
    "folder": (lambda e: e | {"gguf/twin.gguf": (b"x", STORED)}, "holds 'gguf/twin.gguf'"),
    "bomb": (lambda e: e | {"twin.gguf": (bytes(10**7), DEFLATED)}, "a twin.gguf that is packed otherwise"),
    "text": (lambda e: e | {"README.md": (bytes(2 * 10**7), DEFLATED)}, "a README.md that is packed otherwise"),
    "changed": (lambda e: e | {"adapter.gguf": (b"GGUF", STORED)}, "adapter.gguf whose SHA-256 is not"),
    "unnamed": (lambda e: e | {"verdict.txt": (b"x", STORED)}, "verdict.txt whose SHA-256 is not"),
    "without": (lambda e: {k: v for k, v in e.items() if k != "twin.gguf"}, "holds no twin.gguf"),
    "silent": (lambda e: {k: v for k, v in e.items() if k != "about.json"}, "holds no about.json"),
    "garbage": (lambda e: e | {"about.json": (b"[1", STORED)}, "an about.json that `make pack` did not write"),
    "array": (lambda e: e | {"about.json": (b"[]", STORED)}, "an about.json that `make pack` did not write"),
    "date": (lambda e: with_about(e, created="../../x"), "an about.json that `make pack` did not write"),
    "digest": (lambda e: with_about(e, files={"twin.gguf": "../x"}), "states no digest of twin.gguf"),
    "newer": (lambda e: with_about(e, format=99), "was packed by a newer blogtwin"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_package_that_is_none_is_refused_and_nothing_is_written(package, tmp_path, name):
    change, told = CHANGES[name]
    changed = rewrite(package, tmp_path / "changed.zip", change)
    with pytest.raises(UserError) as error:
        kept_twins.unpack(changed, load_params())
    assert told in str(error.value) and "\n" not in str(error.value)
    assert not any(file.is_file() for file in Path("artifacts").rglob("*"))
    assert not (tmp_path / "evil").exists()


def test_a_file_that_is_no_twin_is_refused_though_its_digest_is_right(package, tmp_path):
    import hashlib

    other = b"GGUF" + bytes(200)
    files = {"twin.gguf": hashlib.sha256(other).hexdigest()}

    def change(entries: dict) -> dict:
        changed = with_about(entries, files=about_of(entries)["files"] | files)
        return changed | {"twin.gguf": (other, STORED)}

    with pytest.raises(UserError, match="holds a twin.gguf that is no twin's"):
        twin_package.unpack(rewrite(package, tmp_path / "changed.zip", change))


@pytest.mark.parametrize("where", ["half", "middle"])
def test_a_damaged_file_is_one_sentence(package, tmp_path, where):
    data = bytearray(package.read_bytes())
    if where == "half":
        data = data[: len(data) // 2]
    else:
        place = data.index(b"GGUF") + 40
        data[place] ^= 255
    (tmp_path / "damaged.zip").write_bytes(data)
    with pytest.raises(UserError, match="nothing was unpacked"):
        twin_package.unpack(tmp_path / "damaged.zip")
    assert not list(Path().rglob("*.gguf"))


def test_a_full_disk_is_seen_before_anything_is_written(package, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    with pytest.raises(UserError, match="needs 0 MB, and 0 MB are free here"):
        twin_package.unpack(package)


def test_what_a_package_says_of_itself_can_not_move_the_terminals_cursor(package, tmp_path):
    def change(entries: dict) -> dict:
        return with_about(entries, verdict="\x1b[2JNice\r\n" + "x" * 9000)

    verdict = twin_package.unpack(rewrite(package, tmp_path / "changed.zip", change)).about["verdict"]
    assert verdict.isprintable() and len(verdict) == 300


def test_lm_studio_gets_the_twin_that_was_unpacked_and_then_the_live_one(package, tmp_path, monkeypatch):
    """Only where it is installed, and `make use` puts nothing there that nobody asked for."""
    models = tmp_path / "home/.lmstudio/models"
    models.mkdir(parents=True)
    other = keep("b", "2026-02-01")
    kept_twins.use("newest", load_params())
    assert not list(models.iterdir())
    there = models / "blogtwin/blogtwin/blogtwin.gguf"
    version = kept_twins.unpack(package, load_params())
    assert there.samefile(version.gguf / "twin.gguf")
    kept_twins.use(other.digest[:8], load_params())
    assert there.samefile(other.gguf / "twin.gguf") and [f.name for f in there.parent.iterdir()] == [there.name]
    kept_twins.use(other.digest[:8], load_params())
    assert [f.name for f in there.parent.iterdir()] == [there.name]
