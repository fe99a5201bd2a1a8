"""Where the stages read and write, relative to the project folder that the command runs in."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RAW = Path("data/raw")
PREPARED = Path("data/prepared")
SPLIT = Path("data/split")
ARTIFACTS = Path("artifacts")
ADAPTER = ARTIFACTS / "adapter"
WEIGHTS = "adapter_model.safetensors"  # in it, as PEFT calls them
GGUF = ARTIFACTS / "gguf"
TRAIN = ARTIFACTS / "train"
EVAL = ARTIFACTS / "eval"
LOGS = ARTIFACTS / "logs"
OLLAMA = ARTIFACTS / "ollama"
AUTHORS = Path("authors")  # a project for each of several authors: scripts/author_project.py
