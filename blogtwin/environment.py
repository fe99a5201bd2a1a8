"""The environment of every process: the project's .env file, and no telemetry from the libraries."""

import io
import os
from pathlib import Path

DEFAULTS = {
    # No telemetry.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",  # also in a folder without this project's .dvc/config
    "UNSLOTH_DISABLE_STATISTICS": "1",
    "UNSLOTH_COMPILE_LOCATION": "artifacts/cache/unsloth",  # its default is a folder in the project's root
    "TRL_EXPERIMENTAL_SILENCE": "1",  # no warning that rollout_func, which GRPO uses, is experimental
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    # PyTorch's tensors in huge pages, where Linux has them: training on a CPU is about 7 % faster.
    "THP_MEM_ALLOC_ENABLE": "1",
}


def load_environment() -> None:
    """Read .env of the current folder, then set `DEFAULTS`. A variable that is already set wins over both.

    Call it before the libraries are imported: they read these variables at import.
    """
    load_env_file()
    for name, value in DEFAULTS.items():
        os.environ.setdefault(name, value)


def load_env_file(path: Path = Path(".env")) -> None:
    """Set the variables of a .env file that are not set in the environment already."""
    if not path.is_file():
        return
    try:
        from dotenv import load_dotenv
    except ImportError:  # before `make setup`, when nothing can run that reads these variables
        return
    # Read here, because python-dotenv would stop at bytes that are not UTF-8. Values with a $ are taken literally.
    text = path.read_text(encoding="utf-8", errors="replace")
    load_dotenv(stream=io.StringIO(text), override=False, interpolate=False)
