"""What every numbered script uses: paths, params, JSONL, and how to say things.

A user's mistake is a `UserError`: one sentence, exit 1, no traceback (see `run`).
Outputs are written under a temporary name and renamed at the end, so a half-written file never looks whole.
"""

import contextlib
import difflib
import errno
import hashlib
import json
import os
import re
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated, Literal

STOPPED = "stopped: nothing half-written was kept; the same command starts this stage again."


def _stopped_while_starting(kind, error, trace) -> None:
    """What Python calls for an error that nobody caught: Ctrl-C during the imports, before `run`, is no traceback either."""
    if issubclass(kind, KeyboardInterrupt):
        print(STOPPED, file=sys.stderr)
        sys.exit(130)
    sys.__excepthook__(kind, error, trace)


sys.excepthook = _stopped_while_starting

import yaml
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, PrivateAttr, ValidationError, model_validator

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # so that a script run by hand finds train/, eval/ and serve/

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
AUTHORS = Path("authors")  # a project for each of several authors: scripts/author.py
PRESETS = ROOT / "train/presets.yaml"


def read_env(path=Path(".env")) -> None:
    """NAME=value lines become environment variables, where those are not set already."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
    for line in lines:
        name, is_there, value = line.strip().removeprefix("export ").partition("=")
        if is_there and name.isidentifier():
            os.environ.setdefault(name, value.strip().strip("\"'"))


read_env()
# Nothing here phones home, whoever starts the script.
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("UNSLOTH_DISABLE_STATISTICS", "1")
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # PyTorch's tensors in large pages, where Linux has them: training on a CPU is about 7 % faster


class UserError(Exception):
    """A mistake the user can mend; its text is one sentence: what was asked, what is there, what to do."""


# --- params -----------------------------------------------------------------------------------------------------------


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Ingest(Section):
    source: str
    min_words: int = Field(ge=1)
    max_file_mb: float = Field(gt=0)
    author: str
    role: str = Field(min_length=1)


def _share(value):
    if value == "auto":
        return value
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1
    if not 0 <= number <= 50:
        raise ValueError("it should be a number from 0 to 50, or auto")
    return number


Share = Annotated[float | str, PlainValidator(_share)]  # a union would name its parts in the place of a mistake


class Tasks(Section):
    notes: Share
    brief: Share
    outline: Share
    rewrite: Share
    answer: Share
    persona: int = Field(ge=0, le=50)


class Prepare(Section):
    seed: int
    system: str = Field(min_length=1, max_length=200)  # it stands in every training row, which has a limit
    author: str
    links: Literal["text", "keep"]
    code: Literal["keep", "drop", "placeholder"]
    quotes: Literal["keep", "drop", "placeholder"]
    tables: Literal["keep", "drop", "placeholder"]
    embeds: Literal["keep", "drop", "placeholder"]
    redact: bool
    context_tokens: int = Field(ge=0)
    tasks: Tasks
    per_post: int = Field(ge=0)
    instructions: Literal["heuristic", "model", "both"]
    instructor: str
    persona: str = Field(min_length=1)


class Split(Section):
    by: Literal["date", "random"]
    train: float = Field(gt=0, lt=1)
    valid: float = Field(gt=0, lt=1)
    test: float = Field(gt=0, lt=1)
    seed: int
    jaccard: float = Field(gt=0, le=1)
    containment: float = Field(gt=0, le=1)

    @model_validator(mode="after")
    def shares_add_up(self):
        if abs(self.train + self.valid + self.test - 1) > 1e-6:
            raise ValueError(f"train + valid + test is {self.train + self.valid + self.test:g}, it must be 1")
        return self


class Train(Section):
    """A knob that says `preset` takes its value from train/presets.yaml, before anything is checked: from then on it is a number."""

    base: str
    preset: str
    backend: Literal["auto", "cpu", "cuda", "mlx"]
    max_length: int = Field(ge=256)
    epochs: int = Field(ge=1)
    max_steps: int = Field(ge=0)
    max_tokens: int = Field(ge=0)
    batch_size: int = Field(ge=1)
    learning_rate: float = Field(gt=0, lt=1)
    warmup: float = Field(ge=0, lt=1)
    lora_rank: int = Field(ge=1)
    lora_alpha: int = Field(ge=1)
    lora_dropout: float = Field(ge=0, lt=1)
    patience: int = Field(ge=1)
    checkpoint_steps: int = Field(ge=1)
    seed: int
    warm_start: bool
    canaries: int = Field(ge=0, le=100)
    method: Literal["sft", "dpo", "grpo"]
    pairs: int = Field(ge=1)
    votes: str = Field(min_length=1)
    _by_preset: frozenset = PrivateAttr(frozenset())

    @property
    def by_preset(self) -> frozenset:
        """The knobs whose value the preset gave."""
        return self._by_preset

    @model_validator(mode="wrap")
    @classmethod
    def knobs_of_the_preset(cls, data, handler):
        if not isinstance(data, dict):
            return handler(data)
        presets = yaml.safe_load(PRESETS.read_text(encoding="utf-8"))
        name = data.get("preset")
        if "preset" in data and (not isinstance(name, str) or name not in presets):
            raise ValueError(f"preset is {name!r}, known are {', '.join(presets)}")
        given = {k: v for k, v in presets.get(name, {}).items() if data.get(k) == "preset"}
        made = handler({**data, **given})
        made._by_preset = frozenset(given)
        return made


class Export(Section):
    quantization: Literal["q8_0", "f16"]
    parity_prompts: int = Field(ge=1)
    parity_tokens: int = Field(ge=16)


class Ollama(Section):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]*$")
    num_ctx: int = Field(ge=512)


class Eval(Section):
    prompts: int = Field(ge=0)
    notes: int = Field(ge=0)
    read_tokens: int = Field(ge=0)
    max_tokens: int = Field(ge=16)
    temperature: float = Field(ge=0, le=2)
    top_p: float = Field(gt=0, le=1)
    repeat_penalty: float = Field(gt=0)
    seed: int
    impostors: str
    swap: str
    judge: str


class Params(Section):
    ingest: Ingest
    prepare: Prepare
    split: Split
    train: Train
    export: Export
    ollama: Ollama
    eval: Eval


def load_params(path="params.yaml") -> Params:
    """params.yaml, checked whole; the first mistake becomes one sentence with its place and the nearest right name."""
    try:
        # PyYAML reads 2e-4 as a string and DVC as a number: pydantic's lax mode takes both.
        data = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"There is no {path} in {Path.cwd()}: run this from the project's folder.") from None
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UserError(f"{path} is not YAML: {' '.join(str(e).split())}.") from None
    try:
        return Params.model_validate(data)
    except ValidationError as e:
        raise UserError(f"{path}: {_first_mistake(e)}") from None


def _first_mistake(error: ValidationError) -> str:
    # A misspelt knob also shows as a missing one: the unknown name is the mistake to name.
    mistakes = sorted(error.errors(), key=lambda m: m["type"] != "extra_forbidden")
    mistake = mistakes[0]
    where = ".".join(str(p) for p in mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        *parents, name = mistake["loc"]
        model = Params
        for parent in parents:
            model = model.model_fields[parent].annotation
        near = difflib.get_close_matches(name, model.model_fields, 1, cutoff=0.5)
        hint = f"did you mean {'.'.join([*parents, near[0]])}?" if near else f"known are {', '.join(model.model_fields)}."
        return f"there is no knob {where}: {hint}"
    if mistake["type"] == "missing":
        return f"{where} is missing: put it back with a value."
    message = mistake["msg"].removeprefix("Value error, ")
    if isinstance(mistake["input"], dict):  # knobs of one section that don't fit together
        return f"{where}: {message}."
    return f"{where} is {mistake['input']!r}: {message[0].lower() + message[1:]}." if where else f"{message}."


# --- files ------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def renamed(path):
    """A temporary name beside `path`, which takes its name when the block ends well and is removed when it does not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def writing(path, mode="w"):
    """Open `path` for writing; it is there when the block ends well, and as it was when it does not."""
    with renamed(path) as temporary, open(temporary, mode, **({} if "b" in mode else {"encoding": "utf-8"})) as file:
        yield file


@contextlib.contextmanager
def making(folder):
    """A fresh temporary folder that takes the name `folder` when the block ends well, and is gone when it does not."""
    folder = Path(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        with ctrl_c_later():  # between these two there is neither the old folder nor the new one
            shutil.rmtree(folder, ignore_errors=True)
            os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def read_jsonl(path) -> list[dict]:
    """The rows of a JSONL file."""
    try:
        # split on \n only: a post may hold U+2028 and the like, which splitlines() would take for a line end
        return [json.loads(line) for line in Path(path).read_text(encoding="utf-8").split("\n") if line.strip()]
    except FileNotFoundError:
        raise UserError(f"There is no {path} yet: run `make all`, or the stage that writes it.") from None


def write_jsonl(path, rows) -> None:
    write_all({path: rows})


def write_all(tables: dict) -> None:
    """{path: rows} → JSONL files, all of them or none."""
    write_texts({path: json_lines(rows) for path, rows in tables.items()})


def json_lines(rows):
    """Each row as a line of a JSONL file."""
    return (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_texts(files: dict) -> None:
    """{path: lines} → files, all of them or none: each is whole on the disk before the first takes its name."""
    with contextlib.ExitStack() as stack:
        for path, lines in files.items():
            file = stack.enter_context(writing(path))
            file.writelines(lines)
            file.flush()
        with ctrl_c_later():
            stack.close()


def write_json(path, data) -> None:
    with writing(path) as file:
        json.dump(data, file, ensure_ascii=False, indent=2)
        file.write("\n")


def digest(path) -> str:
    """SHA-256 of a file, in hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def dvc_cache(project: Path = Path(".")) -> Path:
    """The folder of DVC's cache of a project. Raises CalledProcessError where DVC knows none."""
    import subprocess

    done = subprocess.run([sys.executable, "-m", "dvc", "cache", "dir"], cwd=project, capture_output=True, text=True, check=True)
    return (project / done.stdout.strip()).resolve()


@contextlib.contextmanager
def ctrl_c_later():
    """Hold Ctrl-C back until the block has ended: for what must be done whole once it is begun."""
    if threading.current_thread() is not threading.main_thread():  # no other thread hears it
        yield
        return
    pressed = []
    before = signal.signal(signal.SIGINT, lambda *_: pressed.append(True))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed and callable(before):
        before(signal.SIGINT, None)


def cores() -> int:
    """Processor cores this process may use: fewer than the machine has where a container, `taskset` or OMP_NUM_THREADS says so."""
    there = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return min(there, int(wanted)) if wanted.isdigit() and int(wanted) else there


def is_first() -> bool:
    """Whether this is the process that writes and talks; `accelerate launch` starts several, and numbers them by RANK."""
    return os.environ.get("RANK", "0") == "0"


# --- talking ----------------------------------------------------------------------------------------------------------


def say(text="") -> None:
    if not is_first():
        return
    print(str(text).encode("utf-8", "backslashreplace").decode(), flush=True)  # a path may hold bytes that are no text


def disk_is_full(error: Exception) -> bool:
    """Whether that is what an error says. Libraries that write by themselves have no errno: safetensors tells the number in its
    text, numpy only how much of an array it wrote, PyTorch only that it could not."""
    numbers = errno.ENOSPC, errno.EDQUOT, errno.EFBIG
    told = rf"\(os error ({'|'.join(map(str, numbers))})\)|^\d+ requested and \d+ written$|PytorchStreamWriter failed writing|unexpected pos \d+ vs"
    return getattr(error, "errno", None) in numbers or bool(re.search(told, str(error)))


def run(main) -> None:
    """Call `main`; a mistake, a full disk or Ctrl-C ends in one sentence and a nonzero exit."""
    try:
        main()
    except UserError as e:
        sys.exit(f"error: {e}")
    except KeyboardInterrupt as e:
        say()
        print(str(e) or STOPPED, file=sys.stderr)
        sys.exit(130)
    except Exception as e:
        if not disk_is_full(e):
            raise
        name = f" while writing {e.filename}" if getattr(e, "filename", None) else ""
        sys.exit(f"error: The disk is full{name}: free some space and run the same command again; nothing is lost.")
