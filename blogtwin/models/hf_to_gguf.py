"""A Hugging Face folder → GGUF, by llama.cpp's own converter at a pinned version.

The converter is in no wheel, but the source distribution of llama-cpp-python carries it. It is fetched once, its hash
checked, into .venv/share/; only bases that are not a GGUF already need it.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.files import atomic_directory, write_json
from blogtwin.models import gguf_reader

VERSION = "0.3.36"
SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"
CONVERTER_DIR = Path(sys.prefix) / "share"
CONVERTER_FILES = ("convert_hf_to_gguf.py", "conversion/", "gguf-py/", "LICENSE")
# pip asks even a download for its metadata, by the build backend it names: scikit-build-core, and cmake with it. This
# stands in for that one, so that nothing is built, and nothing of the archive runs before its hash is checked.
BACKEND = f"""
from pathlib import Path

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    info = Path(folder, "llama_cpp_python-{VERSION}.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: llama-cpp-python\\nVersion: {VERSION}\\n")
    return info.name
"""


def hf_to_gguf(model: Path, gguf: Path, outtype: str, name: str) -> None:
    """Write `gguf` from the folder `model`. `name` goes into its metadata, where no local path belongs."""
    script = ensure_converter() / "convert_hf_to_gguf.py"
    temporary = gguf.with_name(f".{gguf.name}.tmp")
    _restore_context(model / "config.json")
    title = gguf_reader.general_name(name, _strips_blanks(model / "tokenizer.json"))
    command = [
        sys.executable,
        str(script),
        str(model),
        "--outfile",
        str(temporary),
        "--outtype",
        outtype,
        "--model-name",
        title,
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
        if done.returncode != 0:
            raise UserError(
                f"llama.cpp's converter can't turn {name} into a GGUF ({last_line(done.stderr)}): use another base"
                " model."
            )
        temporary.replace(gguf)
    finally:
        temporary.unlink(missing_ok=True)


def _restore_context(path: Path) -> None:
    """The converter asks a GPT-2 for n_ctx, which transformers no longer writes."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if config.get("model_type") == "gpt2":
        write_json(path, {**config, "n_ctx": config["n_positions"]})


def _strips_blanks(path: Path) -> bool:
    """Whether special tokens are Phi-3's: most swallow the blanks after them, and these four do not. llama.cpp looks
    them all up."""
    added = json.loads(path.read_text(encoding="utf-8"))["added_tokens"] if path.is_file() else []
    return {t["content"] for t in added} >= {"<unk>", "<s>", "</s>", "<|endoftext|>"} and any(
        t["rstrip"] for t in added if t["content"] == "<|end|>"
    )


def ensure_converter() -> Path:
    """The folder of the converter, fetched the first time."""
    folder = CONVERTER_DIR / f"llama.cpp-{VERSION}"
    if folder.is_dir():
        return folder
    echo("fetching llama.cpp's converter (once) …")
    with tempfile.TemporaryDirectory() as download:
        _unpack(_fetch(Path(download)), folder)
    return folder


def _fetch(download: Path) -> Path:
    """The source distribution, from wherever pip is told to look."""
    (download / "scikit_build_core").mkdir()
    (download / "scikit_build_core/__init__.py").touch()
    (download / "scikit_build_core/build.py").write_text(BACKEND)
    (download / "wanted.txt").write_text(f"llama-cpp-python=={VERSION} --hash=sha256:{SHA256}\n")
    options = [
        "--no-deps",
        "--no-build-isolation",
        "--no-binary",
        "llama-cpp-python",
        "--retries",
        "2",
        "--timeout",
        "20",
    ]
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "-q",
        *options,
        "-d",
        str(download),
        "-r",
        str(download / "wanted.txt"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(download)})
    if "DO NOT MATCH THE HASHES" in done.stderr:
        raise UserError(
            f"The sources of llama-cpp-python {VERSION} are not the ones this project was tested with (SHA-256"
            " differs): nothing was unpacked; the embedded base smollm2:135m needs none."
        )
    found = list(download.glob("*.tar.gz"))
    if done.returncode != 0 or not found:
        raise UserError(
            f"The sources of llama-cpp-python {VERSION}, which carry llama.cpp's converter, can't be fetched"
            f" ({last_line(done.stderr)}): check the connection and run the same command again; the embedded base"
            " smollm2:135m needs none."
        )
    return found[0]


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as members, atomic_directory(folder) as temporary:
        for member in members:
            _, _, inside = member.name.partition("/vendor/llama.cpp/")
            if inside.startswith(CONVERTER_FILES):
                member.name = inside
                members.extract(member, temporary, filter="data")


def last_line(stderr: str) -> str:
    """What a program said last, without the name of its logger."""
    lines = [line.strip() for line in stderr.strip().split("\n") if line.strip()]
    return (
        lines[-1].removeprefix("ERROR:hf-to-gguf:").removeprefix("ERROR: ").rstrip(".")[:200]
        if lines
        else "it gave no reason"
    )
