"""A Hugging Face folder → GGUF, by llama.cpp's own converter at a pinned version.

The converter is in no wheel, but the source distribution of llama-cpp-python carries it. It is fetched once, its hash
checked, into .venv/share/; only bases that are not a GGUF already need it.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from _shared import UserError, digest, making, say

VERSION = "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
WANTED = ("convert_hf_to_gguf.py", "conversion/", "gguf-py/", "LICENSE")


def hf_to_gguf(model: Path, gguf: Path, outtype: str, name: str) -> None:
    """Write `gguf` from the folder `model`. `name` goes into its metadata, where no local path belongs."""
    script = converter() / "convert_hf_to_gguf.py"
    temporary = gguf.with_name(f".{gguf.name}.tmp")
    command = [sys.executable, str(script), str(model), "--outfile", str(temporary), "--outtype", outtype, "--model-name", name]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        if done.returncode != 0:
            reason = (done.stderr.strip().split("\n") or ["no reason given"])[-1]
            raise UserError(f"llama.cpp's converter can't turn {name} into a GGUF: {reason}.")
        temporary.replace(gguf)
    finally:
        temporary.unlink(missing_ok=True)


def converter() -> Path:
    """The folder of the converter, fetched the first time."""
    folder = Path(sys.prefix) / "share" / f"llama.cpp-{VERSION}"
    if folder.is_dir():
        return folder
    say("fetching llama.cpp's converter (once) …")
    with tempfile.TemporaryDirectory() as download:
        requirement = f"llama-cpp-python=={VERSION}"
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", download, requirement]
        done = subprocess.run(command, capture_output=True, text=True)
        found = list(Path(download).glob("*.tar.gz"))
        if done.returncode != 0 or not found:
            raise UserError(f"{requirement}, whose sources carry llama.cpp's converter, can't be fetched: check the connection; the embedded base smollm2:135m needs no converter.")
        if digest(found[0]) != SHA256:
            raise UserError(f"The sources of {requirement} are not the ones this project was tested with (SHA-256 differs): nothing was unpacked.")
        with tarfile.open(found[0]) as archive, making(folder) as temporary:
            for member in archive.getmembers():
                _, _, inside = member.name.partition("/vendor/llama.cpp/")
                if inside.startswith(WANTED):
                    member.name = inside
                    archive.extract(member, temporary, filter="data")
    return folder
