"""The environment of every process: the project's .env file, and no telemetry from the libraries."""

import os
from pathlib import Path

DEFAULTS = {
    # Nothing here phones home, whoever starts the process.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "UNSLOTH_DISABLE_STATISTICS": "1",
    "UNSLOTH_COMPILE_LOCATION": "artifacts/cache/unsloth",  # else a folder beside the README
    "TRL_EXPERIMENTAL_SILENCE": "1",  # of rollout_func, on which GRPO rests
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    # PyTorch's tensors in large pages, where Linux has them: training on a CPU is about 7 % faster.
    "THP_MEM_ALLOC_ENABLE": "1",
}


def load_environment() -> None:
    """Read .env of the current folder and set `DEFAULTS`. A variable that is set already wins. Call it before the
    libraries are imported."""
    load_dotenv()
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def load_dotenv(path: Path = Path(".env")) -> None:
    """NAME=value lines become environment variables, where those are not set already."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for line in lines:
        name, is_there, value = line.strip().removeprefix("export ").partition("=")
        if is_there and name.isidentifier():
            os.environ.setdefault(name, value.strip().strip("\"'"))
