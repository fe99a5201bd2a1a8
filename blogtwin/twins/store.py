"""The store of twins, artifacts/twins/: a folder for each kept version, and which of them is live.

A version is a folder with gguf/ (twin.gguf, adapter.gguf, parity.json), eval/ (the scorecard) and, where `make all` or
`make unpack` wrote it, about.json. `make all` keeps its twin as versions/DATE-DIGEST; the server's training jobs write
CORPUS/JOB. The live twin is `finetuned` to the server: the pipeline's own in artifacts/gguf, or the version that
live.json names, until the pipeline makes another one.
"""

import contextlib
import functools
import hashlib
import os
import shutil
from collections.abc import Set
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from blogtwin.errors import UserError
from blogtwin.files import atomic_directory, atomic_path, read_json_object, sha256_file, write_json, write_jsonl
from blogtwin.hints import make_command
from blogtwin.paths import ARTIFACTS_DIR, EVAL_DIR, GGUF_DIR, SPLIT_DIR

TWINS_DIR = ARTIFACTS_DIR / "twins"
VERSIONS = "versions"
LIVE_FILE = TWINS_DIR / "live.json"
GGUF_FILES = ("twin.gguf", "adapter.gguf", "parity.json")
SCORECARD_FILES = ("metrics.json", "verdict.txt")
# Of a version, and left out by `make pack`: figures by prompt, without texts; in which split its posts were, by id.
MEASURED_FILE = "samples.jsonl"
ASSIGNMENTS_FILE = "assignments.json"
NEWEST = "newest"
DIGEST_DIGITS = 12  # of the digest in a version's name, as in its tag in Ollama
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Version:
    """A kept twin. `about` is its about.json, or what its files tell; `name` is its name to the server."""

    name: str
    folder: Path
    about: dict[str, Any]
    live: bool = False

    @property
    def gguf(self) -> Path:
        """The folder of its files."""
        return self.folder / "gguf" if (self.folder / "gguf").is_dir() else self.folder

    @property
    def digest(self) -> str:
        """SHA-256 of its twin.gguf, or of its adapter where it has only that."""
        file = next(file for file in (self.gguf / name for name in GGUF_FILES) if file.is_file())
        return self.about.get("files", {}).get(file.name) or cached_digest(file)

    @property
    def megabytes(self) -> float:
        """Size of its files, in MB of 10⁶ bytes."""
        return sum(file.stat().st_size for file in self.gguf.glob("*.gguf")) / 1e6


@functools.lru_cache(64)
def file_digest(file: Path, modified: int, size: int) -> str:
    return sha256_file(file)


def cached_digest(file: Path) -> str:
    """SHA-256 of a file, cached until the file changes."""
    status = file.stat()
    return file_digest(file.resolve(), status.st_mtime_ns, status.st_size)


@functools.lru_cache(64)
def _strings(file: Path, modified: int, size: int) -> dict[str, str]:
    from gguf import GGUFValueType

    from blogtwin.models import gguf_reader

    fields = gguf_reader.open_gguf(file).fields.items()
    return {key: field.contents() for key, field in fields if field.types and field.types[0] == GGUFValueType.STRING}


def gguf_strings(file: Path) -> dict[str, str]:
    """The strings in a GGUF's header, cached until the file changes. Any error may be raised for a damaged file."""
    status = file.stat()
    return _strings(file, status.st_mtime_ns, status.st_size)


def model_name(place: tuple[str, ...]) -> str:
    """The server's name for the twin in a folder under artifacts/, which is given as the parts of its path."""
    parts = place[1:] if place[0] == TWINS_DIR.name and len(place) > 1 else place
    return "/".join(parts[:-1] if parts[-1] == "gguf" and len(parts) > 1 else parts)


def twin_folders(project: Path = Path()) -> list[Path]:
    """The folders of all kept twins of a project; none that is being written."""
    store = project / TWINS_DIR
    found = set()
    for file in [*store.rglob("adapter.gguf"), *store.rglob("twin.gguf")]:
        folder = file.parent.parent if file.parent.name == "gguf" else file.parent
        if folder != store and not any(part.startswith(".") for part in folder.relative_to(store).parts):
            found.add(folder)
    return sorted(found)


def list_versions(project: Path = Path()) -> list[Version]:
    """All kept twins, the newest first."""
    live = live_name(project)
    found = []
    for folder in twin_folders(project):
        name = model_name(folder.relative_to(project / ARTIFACTS_DIR).parts)
        found.append(Version(name, folder, _about(folder), name == live))
    return sorted(found, key=lambda version: (version.about["created"], version.name), reverse=True)


def _about(folder: Path) -> dict[str, Any]:
    """What is known of a version: its about.json, else what its files tell."""
    if (about := read_json_object(folder / "about.json")) is not None:  # a training job writes none
        return {"created": "", "base": "", "quantization": "", "verdict": "", **about}
    version = Version("", folder, {})
    file = next(version.gguf / name for name in reversed(GGUF_FILES[:2]) if (version.gguf / name).is_file())
    try:
        base = gguf_strings(file).get("general.base_model.0.name", "")
    except Exception:  # a file may hold anything
        base = "can't be read"
    created = datetime.fromtimestamp(file.stat().st_mtime, UTC)
    return {
        "created": created.isoformat(timespec="seconds"),
        "base": base,
        "quantization": _json(version.gguf / "parity.json").get("quantization", ""),
        "verdict": _verdict_of_scorecard(folder / "eval/metrics.json"),
    }


def _json(file: Path) -> dict[str, Any]:
    """A JSON file's object; empty where there is none."""
    return read_json_object(file) or {}


def _verdict_of_scorecard(file: Path) -> str:
    """What the figures alone tell of the verdict."""
    closer = _json(file).get("twin", {}).get("verdict", {}).get("closer_than_prompting")
    return "" if closer is None else "Closer to you than prompting." if closer else "Not closer than prompting."


# --- which is live ----------------------------------------------------------------------------------------------------


def live_choice(project: Path = Path()) -> dict[str, str]:
    """{"twin", "instead_of", "ollama"} that `make use` or `hold_live` wrote; empty where the pipeline's own is live.

    A choice ends when the pipeline makes another twin than the one that it was made instead of; one that is held does
    not.
    """
    choice = _json(project / LIVE_FILE)
    folder = project / TWINS_DIR / choice.get("twin", "")
    if not choice or not (folder / "gguf").is_dir():
        return {}
    return choice if choice.get("held") or choice.get("instead_of") == pipeline_digest(project) else {}


def chosen_twin() -> dict[str, str]:
    """`live_choice`, where somebody made it; empty for what is only held until two twins are compared."""
    choice = live_choice()
    return {} if choice.get("held") else choice


def live_name(project: Path = Path()) -> str:
    """The name of the live version; empty where none of the store is."""
    if choice := live_choice(project):
        return choice["twin"]
    digest = pipeline_digest(project)[:DIGEST_DIGITS]
    same = sorted((project / TWINS_DIR / VERSIONS).glob(f"[!.]*-{digest}")) if digest else []
    return f"{VERSIONS}/{same[0].name}" if same else ""


def live_gguf_dir(project: Path = Path()) -> Path:
    """The folder of the live twin's files, which may not exist."""
    choice = live_choice(project)
    return project / TWINS_DIR / choice["twin"] / "gguf" if choice else project / GGUF_DIR


def pipeline_digest(project: Path = Path()) -> str:
    """SHA-256 of the twin that the pipeline made last; empty where there is none."""
    file = project / GGUF_DIR / "twin.gguf"
    return cached_digest(file) if file.is_file() else ""


def choose_live(version: Version, in_ollama: str = "") -> None:
    """Make a version the live one. `in_ollama`: its name there, if it was registered."""
    write_json(LIVE_FILE, {"twin": version.name, "instead_of": pipeline_digest(), "ollama": in_ollama})


def hold_live(version: Version) -> None:
    """Make a version the live one until another one is chosen, whatever the pipeline makes meanwhile."""
    before = live_choice()
    ollama = before.get("ollama", "") if before.get("twin") == version.name else ""
    write_json(LIVE_FILE, {"twin": version.name, "instead_of": pipeline_digest(), "ollama": ollama, "held": True})


def held_version() -> Version | None:
    """The version that `hold_live` made the live one; None if none is held."""
    choice = live_choice()
    return next((v for v in list_versions() if choice.get("held") and v.name == choice["twin"]), None)


def release_held() -> None:
    """End what `hold_live` began: the pipeline's own twin is live. A choice of `make use` stays."""
    if live_choice().get("held"):
        LIVE_FILE.unlink(missing_ok=True)


def live_version() -> Version | None:
    """The kept version that is live; None where none is, also where the pipeline's own is and was not kept."""
    return next((version for version in list_versions() if version.live), None)


def find_version(asked: str) -> Version:
    """The version that is asked for: by its name, the beginning of its name or of its digest, `newest`, or empty for
    the live one. Raises UserError."""
    versions = list_versions()
    if not versions:
        raise UserError(
            f"No twin is kept yet: run `{make_command('all')}`, or `{make_command('unpack', FROM='FILE')}`."
        )
    short = asked.strip().removeprefix(f"{VERSIONS}/")
    if not short:
        found = [version for version in versions if version.live] or versions[:1]
    elif short == NEWEST:
        found = versions[:1]
    else:
        exact = [v for v in versions if short in (v.name, v.name.removeprefix(f"{VERSIONS}/"))]
        found = exact or [
            v for v in versions if v.name.removeprefix(f"{VERSIONS}/").startswith(short) or v.digest.startswith(short)
        ]
    if len(found) == 1:
        return found[0]
    what = f"is the beginning of {len(found)} twins" if found else "is none of the twins that are kept"
    names = ", ".join(version.name.removeprefix(f"{VERSIONS}/") for version in found or versions)
    raise UserError(f"TWIN is {asked}, which {what} ({names}): `{make_command('twins')}` lists them.")


# --- keeping and removing ---------------------------------------------------------------------------------------------


def keep_twin(
    about: dict[str, Any],
    dvc_cache: Path | None = None,
    measured: list[dict[str, Any]] | None = None,
    made_in: Path = Path(),
) -> Version:
    """Keep the twin that a pipeline made as a version, with its scorecard if that is its own; the version, which may
    have been kept before. `made_in`: the folder of that pipeline, this project's own or what a training job left.

    `about` is written to about.json, with date, digests and verdict; `measured` are the figures by prompt, which are
    written where there is a scorecard. The files are hard links to those in DVC's cache, or else in artifacts/gguf, and
    copies only on file systems without links. A version that was kept before is never removed on the way.
    """
    digest = pipeline_digest(made_in)
    before = next((v for v in list_versions() if v.digest == digest and v.name.startswith(f"{VERSIONS}/")), None)
    created = before.about["created"] if before else datetime.now(UTC).isoformat(timespec="seconds")
    folder = before.folder if before else TWINS_DIR / VERSIONS / f"{created[:10]}-{digest[:DIGEST_DIGITS]}"
    gguf = made_in / GGUF_DIR
    sources = {f"gguf/{name}": gguf / name for name in GGUF_FILES if (gguf / name).is_file()}
    sources |= _scorecard(folder, made_in)
    if before and before.about.get("verdict") == _verdict(sources) and (folder / "about.json").is_file():
        return before
    with contextlib.nullcontext(folder) if before else atomic_directory(folder) as place:
        for name, source in sources.items():
            if not (before and name.startswith("gguf/") and (place / name).is_file()):
                with atomic_path(place / name) as temporary:
                    link_or_copy(
                        _in_cache(source, dvc_cache) if dvc_cache and name.endswith(".gguf") else source, temporary
                    )
        if measured and "eval/metrics.json" in sources:
            write_jsonl(place / "eval" / MEASURED_FILE, measured)
        if assignments := _json(made_in / SPLIT_DIR / ASSIGNMENTS_FILE):
            write_json(place / "eval" / ASSIGNMENTS_FILE, assignments)
        files = {Path(name).name: cached_digest(source) for name, source in sources.items()}
        write_json(place / "about.json", {"created": created, **about, "verdict": _verdict(sources), "files": files})
    return next(version for version in list_versions() if version.folder == folder)


def is_kept() -> bool:
    """Whether the pipeline's twin, if there is one, is kept as a version, with the verdict that it has now."""
    digest = pipeline_digest()
    if not digest:
        return True
    folders = (TWINS_DIR / VERSIONS).glob(f"[!.]*-{digest[:DIGEST_DIGITS]}")
    return any(_json(folder / "about.json").get("verdict") == _verdict(_scorecard(folder)) for folder in folders)


def _scorecard(folder: Path, made_in: Path = Path()) -> dict[str, Path]:
    """The scorecard of the pipeline's twin, {eval/name: file}: the newest one, or what its version in `folder` has."""
    found = made_in / EVAL_DIR if scorecard_is_of_twin(made_in) else folder / "eval"
    return {f"eval/{name}": found / name for name in SCORECARD_FILES if (found / name).is_file()}


def _verdict(sources: dict[str, Path]) -> str:
    """The first line of the scorecard's verdict; empty where it was not measured."""
    file = sources.get("eval/verdict.txt")
    return file.read_text(encoding="utf-8").partition("\n")[0] if file else ""


def scorecard_is_of_twin(project: Path = Path()) -> bool:
    """Whether the scorecard in artifacts/eval is that of the twin in artifacts/gguf, as DVC's lock file knows it."""
    try:
        stages = yaml.safe_load((project / "dvc.lock").read_text(encoding="utf-8"))["stages"]
        exported = {out["path"]: out["md5"] for out in stages["export_gguf"]["outs"]}[GGUF_DIR.as_posix()]
        scored = {dep["path"]: dep["md5"] for dep in stages["eval"]["deps"]}[GGUF_DIR.as_posix()]
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        return False
    return bool(exported == scored)


def _in_cache(file: Path, cache: Path) -> Path:
    """The same file in DVC's cache; itself where it is not there."""
    with open(file, "rb") as data:
        digest = hashlib.file_digest(data, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    cached = cache / "files/md5" / digest[:2] / digest[2:]
    return cached if cached.is_file() and cached.stat().st_size == file.stat().st_size else file


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, which costs no space; copy it where the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def superseded(project: Path, keep: int, in_use: Set[str] = frozenset()) -> list[Version]:
    """The versions that nothing needs any more, the oldest first: of those that `make all` kept all but the newest
    `keep`, of each corpus's training jobs all but the newest one. Never the live one, and none that is in use, by
    name."""
    groups: dict[str, list[Version]] = {}
    for version in list_versions(project):
        group, _, own = version.name.rpartition("/")
        if group and own:
            groups.setdefault(group, []).append(version)
    old = [v for group, some in groups.items() for v in some[keep if group == VERSIONS else 1 :]]
    return sorted((v for v in old if not v.live and v.name not in in_use), key=lambda v: (v.about["created"], v.name))
