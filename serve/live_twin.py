"""A running server takes another live twin: after `make use`, `make unpack` or a new `make all`, without a restart.

What is live is looked up every few seconds (blogtwin/twins/store.py, and Ollama's receipt). The new twin is loaded
first; then new requests get it, and what is being answered is answered to its end by the one before, whose memory is
freed when nobody holds it any more. Where both do not fit into memory, requests are told to wait meanwhile.
"""

import asyncio
import contextlib
import dataclasses
import weakref

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.twins.store import chosen_twin
from serve import engines
from serve.catalog import TWIN
from serve.errors import ApiError
from serve.model_pool import Failure, LoadedModel, ModelPool

LOOK_SECONDS = 2.0
WAIT_SECONDS = 0.1  # between two looks whether a twin is still answering
LONGEST_NAME = 24  # characters that are told of a digest, or of a name in Ollama


@dataclasses.dataclass
class LiveTwin:
    """The watch over the live twin of a pool. `refused`: what could not be loaded, and is not tried again."""

    pool: ModelPool
    refused: str = ""
    retired: list[tuple[weakref.ref[LoadedModel], contextlib.ExitStack]] = dataclasses.field(default_factory=list)

    async def watch(self) -> None:
        """Look every LOOK_SECONDS, until the task is cancelled; then free what was retired."""
        try:
            while True:
                await asyncio.sleep(LOOK_SECONDS)
                await self.follow()
        finally:
            for _, exit_stack in self.retired:
                exit_stack.close()

    async def follow(self) -> None:
        """Take the live twin if it is another one than the loaded one, and free those that answer no more. A twin that
        can't be loaded is told once, and the one before stays."""
        await self._free_retired()
        if TWIN not in self.pool.loaded or self.pool.kind == "openai":
            return
        try:
            await self._take()
        except (UserError, OSError) as e:  # files that are being written: the next look sees them
            self._tell(str(e), str(e))

    async def _take(self) -> None:
        pool = self.pool
        async with pool.lock:
            if TWIN not in pool.loaded:
                return
            before = pool.tags
            pool.tags = await asyncio.to_thread(tags_of_live, pool)
            try:
                model = pool.known().get(TWIN)  # none while the pipeline makes it anew
                source = await asyncio.to_thread(pool.source_of, model) if model else ""
                if model is None or source in (pool.loaded[TWIN].source, self.refused):
                    pool.tags = before
                    return
                new = await asyncio.to_thread(pool.load_here, model)
            except ApiError as e:
                if e.code == "memory_full":
                    await self._take_in_place(source)
                    return
                pool.tags = before
                self._tell(source, f"the new twin is not served, and the one before stays: {e.message}")
                return
            except BaseException:
                pool.tags = before
                raise
            self._retire(pool.loaded[TWIN])
            pool.loaded[TWIN] = new
        echo(f"the twin is another one now ({source[:LONGEST_NAME]})")
        await self._free_retired()

    async def _take_in_place(self, source: str) -> None:
        """Free the old twin as soon as nobody is answered by it, and load the new one in its place."""
        pool = self.pool
        pool.loading.add(TWIN)  # who asks now is told to wait
        try:
            self._retire(pool.loaded.pop(TWIN))
            while self.retired:
                await self._free_retired()
                await asyncio.sleep(WAIT_SECONDS)
            pool.loaded[TWIN] = await asyncio.to_thread(pool.load_here, pool.model(TWIN))
            echo(f"the twin is another one now ({source[:LONGEST_NAME]})")
        except ApiError as e:
            pool.failed[TWIN] = Failure(e.code, e.message)
            self._tell(source, f"{TWIN} is not served: {e.message}")
        finally:
            pool.loading.discard(TWIN)

    def _retire(self, one: LoadedModel) -> None:
        self.retired.append((weakref.ref(one), one.exit_stack))

    async def _free_retired(self) -> None:
        """Close the engines of the models that no request holds any more."""
        free = [exit_stack for one, exit_stack in self.retired if one() is None]
        self.retired = [entry for entry in self.retired if entry[0]() is not None]
        for exit_stack in free:
            await asyncio.to_thread(exit_stack.close)

    def _tell(self, source: str, sentence: str) -> None:
        if source != self.refused:
            self.refused = source
            echo(f"note: {sentence}")


def tags_of_live(pool: ModelPool) -> dict[str, str]:
    """`pool.tags` with the live twin's name in Ollama, if another one is registered there by now. Without one where it
    was chosen while Ollama did not answer: the embedded engine then serves it, unless SERVE_ENGINE is ollama."""
    if TWIN not in pool.tags:
        return pool.tags
    name = engines.registered_twin()
    if name == pool.tags[TWIN]:
        return pool.tags
    if name:
        return engines.find_in_ollama()[0] or pool.tags
    if chosen_twin() and pool.settings.engine == "auto":
        return {here: there for here, there in pool.tags.items() if here != TWIN}
    return pool.tags  # also while `make retrain` holds the live twin, of which nothing may be said of Ollama
