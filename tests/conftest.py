"""Fixtures for all tests. What is no fixture is in tests/support."""

import os
import re
import signal
from pathlib import Path

import pytest

from blogtwin.environment import load_environment
from tests.support.server_process import Server, write_workspace
from tests.support.workspace import ROOT, sh

# A shell's background job ignores Ctrl-C, and so would all that the tests start from there.
signal.signal(signal.SIGINT, signal.default_int_handler)
if "PYTEST_XDIST_WORKER" in os.environ:
    # Tests that run side by side share the cores: two teams of threads that wait for each other's cores take five times
    # as long.
    os.environ["OMP_NUM_THREADS"] = str(max(1, (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])))
load_environment()
os.environ["SERVE_REQUIRE_KEY"] = "0"  # tests of keys ask for them; the others need none
os.environ["HF_HUB_OFFLINE"] = "1"  # a test that reaches for a hub is wrong


def pytest_ignore_collect(collection_path, config):
    """A module that is slow as a whole is not even imported for the quick tests: torch and its friends take seconds to
    start."""
    if config.getoption("markexpr") == "not slow" and collection_path.suffix == ".py":
        text = collection_path.read_text(encoding="utf-8")
        if re.search(r"^pytestmark = .*\bpytest\.mark\.slow\b", text, re.MULTILINE):
            return True


# The longest modules start first, so that no worker is left alone with one at the end.
LONGEST = (
    "frontend/test_e2e",
    "pipeline/test_upgrade",
    "pipeline/test_interrupts",
    "pipeline/test_pipeline",
    "serve/test_training_jobs",
    "eval/test_scorecard",
    "models/test_hub",
    "train/test_mlx",
    "train/test_cuda",
    "eval/test_style",
    "corpus/test_augmentation",
    "core/test_params",
)


# Fixtures that read the weights of a model.
MODEL_FIXTURES = {"real_lengths", "served", "tiny_root"}


# First, so that `-m` sees the marks that are given here.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    for item in items:
        if MODEL_FIXTURES.intersection(item.fixturenames):
            item.add_marker("model")
        assert not item.get_closest_marker("nightly") or item.get_closest_marker("slow"), item.nodeid
    order = {ROOT / f"tests/{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(LONGEST)))


@pytest.fixture(scope="session")
def real_lengths():
    """(tokens of a text, tokens of a whole row with system message and template as 04_train asserts it), by the base's
    own tokenizer."""
    from blogtwin.config import load_params
    from blogtwin.models import chat, registry

    params = load_params(ROOT / "params.yaml")
    tokenizer = registry.resolve_base(params.train.base).tokenizer()

    def of_row(row: dict) -> int:
        return sum(
            map(len, chat.encode_example(tokenizer, chat.prompt_messages(row, params.prepare.system), row["output"]))
        )

    return lambda text: len(chat.encode(tokenizer, text)), of_row


@pytest.fixture
def run_in():
    """run_in(folder, "command", …) → CompletedProcess; asserts success unless ok=False."""

    def run(folder: Path, command: str, ok: bool = True, timeout: int = 600, **extra):
        done = sh(folder, command, timeout, **extra)
        assert not ok or done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done

    return run


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory):
    """A temporary project root whose name must show up nowhere, in which a tiny base is ready: made once, for all
    workers."""
    from filelock import FileLock

    from blogtwin.models import registry
    from tests.support.tiny_model import write_tiny_gguf

    own = tmp_path_factory.getbasetemp()
    root = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "private-folder"
    with FileLock(f"{root}.lock"), pytest.MonkeyPatch.context() as patch:
        if not root.exists():
            root.mkdir()
            patch.setattr(registry, "ROOT", root)
            registry.resolve_base(str(write_tiny_gguf(root / "tiny.gguf")))
    return root


@pytest.fixture(scope="module")
def tiny(tiny_root):
    """The tiny base of `tiny_root`, while its root is the project's."""
    from blogtwin.models import registry

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "ROOT", tiny_root)
        yield registry.resolve_base(str(tiny_root / "tiny.gguf"))


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """The files of a tiny Llama, with byte pairs, as the hub has them."""
    from transformers import AutoTokenizer

    from blogtwin.models import gguf_to_hf, registry
    from tests.support.hub_models import write_repository

    embedded = registry._embedded(registry.load_registry()["smollm2:135m"])
    tokenizer = AutoTokenizer.from_pretrained(embedded.parent, gguf_file=embedded.name)
    tokenizer.eos_token = "<|im_end|>"
    gguf_to_hf.mend_tokenizer(tokenizer, embedded)
    folder = tmp_path_factory.mktemp("private-hub") / "model"
    write_repository(folder, tokenizer)
    return folder


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """A workspace to serve from; a test that changes it must put it back."""
    return write_workspace(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="session")
def server(served, tmp_path_factory):
    """One server for all tests that only ask."""
    running = Server(served, tmp_path_factory.mktemp("home")).ready()
    yield running
    running.stop()
