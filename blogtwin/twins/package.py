"""One file to carry a twin away, blogtwin-NAME.zip, and back: `make pack` and `make unpack`.

It holds the twin's GGUF files, a Modelfile, a card (README.md) and the scorecard's figures; no post, and no path.
about.json comes first and has the SHA-256 of every other file. What unpacks it trusts nothing: the names are a fixed
list without folders, so that none can lie elsewhere; the large files are stored, so that they can't grow.
"""

import hashlib
import json
import re
import shutil
import zipfile
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

from blogtwin.errors import UserError
from blogtwin.files import atomic_directory, atomic_path, sha256_file
from blogtwin.inference.ollama import render_modelfile
from blogtwin.reference_docs import markdown_table
from blogtwin.twins.store import (
    DIGEST_DIGITS,
    GGUF_FILES,
    SCORECARD_FILES,
    TWINS_DIR,
    VERSIONS,
    Version,
    gguf_strings,
    list_versions,
)

ABOUT = "about.json"
CARD, MODELFILE = "README.md", "Modelfile"
WRITTEN = (CARD, MODELFILE)  # made for the package, and not kept in the store
MAX_TEXT_BYTES = 10_000_000  # of every file that is no GGUF
CHUNK = 1 << 20
FORMAT = 1  # raised when an older `make unpack` can't read the package any more
# What about.json must hold, as the store keeps it.
TEXTS = ("created", "base", "quantization", "verdict")


def pack(version: Version, target: Path, columns: list[str], rows: list[list[str]]) -> Path:
    """Write a version to the zip file `target`, which is replaced. `columns` and `rows`: the scorecard's table, both
    empty where nothing was measured. Raises UserError for a version without a twin.gguf."""
    if not (version.gguf / "twin.gguf").is_file():
        raise UserError(f"{version.name} has no twin.gguf, only an adapter: train it again, and pack that.")
    files = {name: version.gguf / name for name in GGUF_FILES if (version.gguf / name).is_file()}
    scorecard = version.folder / "eval"
    files |= {name: scorecard / name for name in SCORECARD_FILES if (scorecard / name).is_file()}
    texts = {
        CARD: render_card(version, columns, rows),
        MODELFILE: render_modelfile("./twin.gguf", version.about["ollama_settings"]),
    }
    digests = {name: sha256_file(file) for name, file in files.items()}
    digests |= {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()}
    about = {**version.about, "format": FORMAT, "files": digests}
    with (
        atomic_path(target) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        archive.writestr(ABOUT, json.dumps(about, indent=2, ensure_ascii=False))
        for name, text in texts.items():
            archive.writestr(name, text)
        for name, file in files.items():
            archive.write(file, name, zipfile.ZIP_STORED if name.endswith(".gguf") else None)
    return target


def render_card(version: Version, columns: list[str], rows: list[list[str]]) -> str:
    """The package's README.md: what the model is, where it comes from, its licence, its scorecard, how to run it."""
    about = version.about
    title = about.get("author") or "one blog"
    name = about.get("ollama_name") or "blogtwin"
    license = about.get("license") or "unknown"
    built = " Built with Llama." if license.lower().startswith("llama") else ""
    scorecard = "\n\n".join(filter(None, [about["verdict"], markdown_table(columns, rows) if rows else ""]))
    digests = "\n".join(
        f"- `{file}`: SHA-256 `{about['files'][file]}`" for file in GGUF_FILES[:2] if file in about.get("files", {})
    )
    posts = f", on {about['posts']} posts," if about.get("posts") else ""
    origin = about.get("repo") or "a model of the author's own"
    return f"""# A twin of {title}

A language model that writes in the voice of {title}. It learnt rhythm and habits, not facts: it invents what it tells.
It can repeat parts of the posts it was trained on (see “longest copy”): treat the file as you treat the posts.

## Where it comes from

- A LoRA adapter, trained with blogtwin{posts} and merged into {about["base"]} ({origin}).
- `twin.gguf` is in {about["quantization"]}; made on {about["created"][:10]}.
{digests}

No post is in this package.

## License

The base model's license is {license}.{built} It holds for this model, too. What the author grants beyond that is up to
the author.

## Scorecard

{scorecard or "Not measured."}

## Run it

- blogtwin: `make unpack FROM=…` with this file, then `make serve`.
- Ollama: unpack the file, then `ollama create {name} -f Modelfile` and `ollama run {name}`.
- LM Studio: `make unpack` puts it there, or import `twin.gguf` yourself.
- llama.cpp: `llama-server -m twin.gguf`.
"""


def unpack(file: Path) -> Version:
    """Check a package and add it to the store; the version, which may have been there before. Raises UserError: then
    nothing was written."""
    try:
        with zipfile.ZipFile(file) as archive:
            entries = _checked_entries(archive, file)
            about = _read_about(archive, file)
            return _store(archive, entries, about, file)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as e:
        if isinstance(e, OSError) and not isinstance(e, FileNotFoundError | IsADirectoryError | PermissionError):
            raise  # the disk is full, for example
        raise UserError(
            f"{file} can't be read as a package of `make pack` ({_reason(e)}): nothing was unpacked."
        ) from None


def _reason(error: Exception) -> str:
    return (
        "there is no such file"
        if isinstance(error, FileNotFoundError)
        else str(error).splitlines()[0].rstrip(".")[:100]
    )


def _refuse(file: Path, why: str) -> UserError:
    return UserError(f"{file} {why}: nothing was unpacked. Pack the twin again where it was made.")


def _checked_entries(archive: zipfile.ZipFile, file: Path) -> dict[str, zipfile.ZipInfo]:
    """{name: entry}. Raises UserError for a name that no package has, twice the same, a file that is missing, one that
    would grow, and where the disk has no room."""
    known = {ABOUT, *WRITTEN, *GGUF_FILES, *SCORECARD_FILES}
    entries: dict[str, zipfile.ZipInfo] = {}
    for entry in archive.infolist():
        name = entry.filename
        if name not in known or name in entries:
            raise _refuse(file, f"holds {name[:80]!r}{' twice' if name in entries else ', which no package does'}")
        grows = name.endswith(".gguf") and (
            entry.compress_type != zipfile.ZIP_STORED or entry.file_size != entry.compress_size
        )
        if grows or (not name.endswith(".gguf") and entry.file_size > MAX_TEXT_BYTES):
            raise _refuse(file, f"holds a {name} that is packed otherwise than `make pack` does it")
        entries[name] = entry
    for name in (ABOUT, *GGUF_FILES[:1]):
        if name not in entries:
            raise _refuse(file, f"holds no {name}")
    wanted = sum(entry.file_size for entry in entries.values())
    free = shutil.disk_usage(".").free
    if wanted > free:
        raise UserError(
            f"{file} needs {wanted / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free here: free some space first."
        )
    return entries


def _read_about(archive: zipfile.ZipFile, file: Path) -> dict[str, Any]:
    """The package's about.json, of which what is unknown is dropped. Raises UserError for one that is none."""
    try:
        about = json.loads(archive.open(ABOUT).read(MAX_TEXT_BYTES))
        if about["format"] > FORMAT:
            raise UserError(
                f"{file} was packed by a newer blogtwin: update this one (`git pull`), then unpack it again."
            )
        created = datetime.fromisoformat(about["created"]).isoformat(timespec="seconds")
        given = about["ollama_settings"]
        settings = {
            "template": str(given["template"]),
            "system": str(given["system"]),
            "parameters": dict(given["parameters"]),
        }
        texts = {key: _printable(about[key]) for key in TEXTS}
        files = {str(name): str(digest) for name, digest in about["files"].items()}
    except (ValueError, KeyError, TypeError, AttributeError):
        raise _refuse(file, f"holds an {ABOUT} that `make pack` did not write") from None
    more = {
        key: about[key] for key in ("repo", "license", "base_digest", "author", "ollama_name", "posts") if key in about
    }
    return {**more, **texts, "created": created, "ollama_settings": settings, "files": files}


def _printable(text: str) -> str:
    """A text for the terminal: no control characters, at most 300 characters."""
    return re.sub(r"[^\S ]+|[\x00-\x1f\x7f-\x9f]", " ", str(text))[:300]


def _store(archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], about: dict[str, Any], file: Path) -> Version:
    """Write the files to the store, each checked against its digest while it is read. Raises UserError."""
    digest = about["files"].get("twin.gguf", "")
    if not re.fullmatch("[0-9a-f]{64}", digest):
        raise _refuse(file, "states no digest of twin.gguf")
    folder = TWINS_DIR / VERSIONS / f"{about['created'][:10]}-{digest[:DIGEST_DIGITS]}"
    with atomic_directory(folder) as temporary:
        for name in entries:
            if name != ABOUT:
                place = "gguf" if name in GGUF_FILES else "eval" if name in SCORECARD_FILES else "."
                _extract(archive, name, temporary / place / name, about["files"].get(name, ""), file)
        for name in WRITTEN:  # they are made again for the next package
            (temporary / name).unlink(missing_ok=True)
        _check_twin(temporary / "gguf", file)
        (temporary / ABOUT).write_text(json.dumps(about, indent=2, ensure_ascii=False), encoding="utf-8")
    return next(version for version in list_versions() if version.folder == folder)


def _extract(archive: zipfile.ZipFile, name: str, target: Path, digest: str, file: Path) -> None:
    """Write one file. Raises UserError where its SHA-256 is not the one that about.json states."""
    target.parent.mkdir(parents=True, exist_ok=True)
    found = hashlib.sha256()
    with archive.open(name) as source, open(target, "wb") as out:
        while block := source.read(CHUNK):
            found.update(block)
            out.write(block)
    if found.hexdigest() != digest:
        raise _refuse(file, f"holds a {name} whose SHA-256 is not the one that its {ABOUT} states")


def _check_twin(folder: Path, file: Path) -> None:
    """Raises UserError where a GGUF can't be read, or is no twin."""
    for path in folder.glob("*.gguf"):
        try:
            is_twin = "blogtwin.base_digest" in gguf_strings(path)
        except Exception:  # a file may hold anything
            is_twin = False
        if not is_twin:
            raise _refuse(file, f"holds a {path.name} that is no twin's")
