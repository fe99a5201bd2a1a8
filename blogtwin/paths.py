"""Where the stages read and write, relative to the project folder in which the command runs."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RAW_DIR = Path("data/raw")
PREPARED_DIR = Path("data/prepared")
SPLIT_DIR = Path("data/split")
ARTIFACTS_DIR = Path("artifacts")
ADAPTER_DIR = ARTIFACTS_DIR / "adapter"
ADAPTER_WEIGHTS = "adapter_model.safetensors"  # file name in the adapter's folder, given by PEFT
GGUF_DIR = ARTIFACTS_DIR / "gguf"
TRAIN_DIR = ARTIFACTS_DIR / "train"
EVAL_DIR = ARTIFACTS_DIR / "eval"
LOGS_DIR = ARTIFACTS_DIR / "logs"
OLLAMA_DIR = ARTIFACTS_DIR / "ollama"
AUTHORS_DIR = Path("authors")  # one project per author: scripts/author_project.py


def prepared_base(name: str) -> Path:
    """The folder in which a base model of this name is prepared."""
    return ARTIFACTS_DIR / "base" / "".join(c if c.isalnum() or c in ".-" else "-" for c in name)
