"""What writes a draft, in the process that drafts: models whose weights are on this machine, and those elsewhere."""

import functools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from blogtwin.drafting.plain_prompt import plain_messages
from blogtwin.inference.client import Engine

if TYPE_CHECKING:
    from blogtwin.drafting.drafter import Writer

MAX_COPIED_WORDS = 14  # in a row, of a post that was learnt


@dataclass(frozen=True)
class LocalModel:
    """A model in llama.cpp, under the fence. `weights`: the GGUF that writes, with `adapter` on it where it has none
    inside; `base_folder` holds the tokenizer. `digest`: of what writes, for the receipt. `is_twin`: whether it was
    trained to write from notes; another model is shown examples."""

    name: str
    digest: str
    system: str
    is_twin: bool
    weights: Path
    adapter: Path | None
    base_folder: Path


@dataclass(frozen=True)
class EngineModel:
    """A model that a server elsewhere holds. `digest`: its name there, since its bytes can't be read. `concurrency`:
    requests that may be sent at a time; with another one it is the same model."""

    name: str
    digest: str
    system: str
    is_twin: bool
    engine: Engine
    concurrency: int = field(default=1, compare=False)


WritingModel = LocalModel | EngineModel


def messages_of(model: WritingModel) -> Callable[[Sequence[str]], list[dict[str, str]]]:
    """The chat that asks the model for a passage from lines of notes."""
    from eval.drafting import trained_messages

    return functools.partial(trained_messages, model.system) if model.is_twin else plain_messages


class LoadedLocalModel:
    """The weights in memory, and their measured speed in tokens per second."""

    def __init__(self, model: LocalModel) -> None:
        from transformers import AutoTokenizer

        from eval.drafting import NotesModel

        tokenizer = AutoTokenizer.from_pretrained(model.base_folder)
        system = model.system if model.is_twin else ""
        self.notes_model = NotesModel(model.weights, model.adapter, tokenizer, messages_of(model), system)
        self.notes_model.model.pieces()
        self.tokens_per_second = self.notes_model.measure_speed()

    def writer(self, model: LocalModel, source: str) -> "Writer":
        """What writes candidates for notes with their title, the `source`."""
        return self.notes_model.writer(source, model.name)

    def close(self) -> None:
        """Free the memory."""
        self.notes_model.model.close()


class LoadedEngineModel:
    """What is known of an engine: how it takes the beginning of an answer, and its measured speed in tokens per second.
    Raises EngineFailed, and DraftStopped where `should_stop` says so."""

    def __init__(self, model: EngineModel, should_stop: Callable[[], bool]) -> None:
        from blogtwin.drafting.candidates import Request
        from blogtwin.drafting.engine_writer import EngineWriter

        self.should_stop = should_stop
        writer = EngineWriter(model.engine, messages_of(model), model.name, model.concurrency, should_stop)
        writer.find_continuation()
        started = time.perf_counter()
        writer.write(Request(("one line",), "", "", frozenset(), model.concurrency, 1.0, 0))
        self.continuation = writer.continuation
        self.tokens_per_second = max(1, writer.written_tokens) / (time.perf_counter() - started)

    def writer(self, model: EngineModel, source: str) -> "Writer":
        """What writes candidates for the notes of one draft."""
        from blogtwin.drafting.engine_writer import EngineWriter

        writer = EngineWriter(model.engine, messages_of(model), model.name, model.concurrency, self.should_stop)
        writer.continuation = self.continuation
        return writer

    def close(self) -> None:
        """Nothing is held."""


LoadedModel = LoadedLocalModel | LoadedEngineModel


class PostChecks:
    """Copying from the posts that were learnt."""

    def __init__(self, project: Path) -> None:
        from blogtwin.files import read_jsonl
        from blogtwin.paths import SPLIT_DIR
        from corpus.examples import join_parts
        from eval.memorization import CopyDetector

        file = project / SPLIT_DIR / "train.jsonl"
        self.copies = CopyDetector(list(join_parts(read_jsonl(file)).values()) if file.is_file() else [])

    def is_copied(self, text: str) -> bool:
        """Whether a longer run of a post stands in the text than may."""
        return self.copies.longest_match(text)[0] >= MAX_COPIED_WORDS


class LoadedModels:
    """The models of the last draft: those that the next one needs too are kept, the others freed first. `should_stop`:
    whether the draft is no longer wanted."""

    def __init__(self, should_stop: Callable[[], bool]) -> None:
        self.should_stop = should_stop
        self.models: list[tuple[WritingModel, LoadedModel]] = []
        self.posts: dict[Path, PostChecks] = {}

    def keep_only(self, wanted: Sequence[WritingModel]) -> None:
        """Free all others. An engine is asked anew for each draft: it may be gone, or another one by now."""
        kept = []
        for model, loaded in self.models:
            if model in wanted and isinstance(model, LocalModel):
                kept.append((model, loaded))
            else:
                loaded.close()
        self.models = kept

    def load(self, model: WritingModel) -> LoadedModel:
        """The model, loaded if it is not."""
        found = next((loaded for known, loaded in self.models if known == model), None)
        if found is None:
            found = (
                LoadedLocalModel(model) if isinstance(model, LocalModel) else LoadedEngineModel(model, self.should_stop)
            )
            self.models.append((model, found))
        return found

    def checks(self, project: Path) -> PostChecks:
        """The posts of a project, read once."""
        if project not in self.posts:
            self.posts = {project: PostChecks(project)}
        return self.posts[project]
