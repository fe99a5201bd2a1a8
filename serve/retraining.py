"""`make watch`: looks for new posts, trains the twin again, and lets it go live only if it is no worse.

While a training runs, the twin that was live stays live (`hold_live`), also through a crash: the next look, or the next
training, settles what was left open. Old and new twin are both in the store of versions.
"""

import contextlib
import importlib.util
import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from blogtwin.config import Params, load_params
from blogtwin.console import echo
from blogtwin.dvc import DVC, run_dvc
from blogtwin.edit_params import set_params
from blogtwin.errors import UserError
from blogtwin.files import read_jsonl
from blogtwin.hints import make_command
from blogtwin.paths import RAW_DIR
from blogtwin.twins import store
from blogtwin.twins.assignments import known_posts
from blogtwin.twins.live import make_live
from corpus.import_posts import BLOG_DIR
from corpus.watch import Fingerprint, bring_posts
from eval.promotion import Decision
from serve.job_workspace import stage_environment
from serve.kept_twins import compare_versions, keep

Run = Callable[..., int]  # of DVC, with its arguments: the exit status
# What DVC says when another of its commands has locked the project, or a file that this one needs.
BUSY = re.compile(r"Unable to acquire lock|is busy, it is being blocked", re.I)
MAX_REASON = 300  # characters


@dataclass(frozen=True)
class Look:
    """What a look at the posts found."""

    posts: int
    new: int  # since the look before
    behind: int  # posts that came after the last training, and that no kept twin was made from

    def __str__(self) -> str:
        """“3 new posts; the twin is 40 posts behind”."""
        known = f"is {_posts(self.behind)} behind" if self.behind else "knows them all"
        return f"{_posts(self.new, 'new ')}; the twin {known}"


def _posts(count: int, kind: str = "") -> str:
    return f"{count or 'no'} {kind}post{'' if count == 1 else 's'}"


class Watch:
    """Looks at a source of posts, again and again. `source`: as `make blog` takes it; empty: the folder
    ingest.source."""

    def __init__(self, source: str, run: Run):
        self.source, self.run = source, run
        self.seen: set[str] | None = None  # ids of the posts at the last look
        self.files: Fingerprint | None = None

    def look(self) -> Look | None:
        """Bring new posts in, and say what was found; None if that failed, which is said."""
        with self.goes_on():
            return self.bring_and_count()
        return None

    def bring_and_count(self) -> Look:
        """Bring new posts in, and say what was found. Raises UserError, and so does `run` where it says why itself."""
        if self.source:
            self.files = bring_posts(self.source, load_params().ingest, ids_of_posts(), self.files)
            set_params(Path("params.yaml"), {"ingest.source": str(BLOG_DIR)})
        if self.run("repro", "ingest"):
            raise UserError("The posts could not be read, as is said above.")
        return self._count()

    @contextlib.contextmanager
    def goes_on(self) -> Iterator[None]:
        """Say what goes wrong in the block, and go on: a disk or a network comes back."""
        try:
            yield
        except UserError as e:
            echo(f"{e} The next look may go better.")

    def _count(self) -> Look:
        posts, known = ids_of_posts(), known_posts()
        new = posts - (known if self.seen is None else self.seen)
        self.seen = posts
        found = Look(len(posts), len(new), len(posts - known))
        echo(str(found))
        return found


def ids_of_posts() -> set[str]:
    """The ids of the posts that stage 01 read last."""
    file = RAW_DIR / "posts.jsonl"
    return {row["id"] for row in read_jsonl(file)} if file.is_file() else set()


def retrain(params: Params, run: Run) -> Decision | None:
    """Run the pipeline, keep the twin it makes, and make that one live if it is no worse; None where nothing changed.

    Raises UserError if a stage fails: the live twin is the one of before.
    """
    held = store.held_version()
    if held is None:
        if store.pipeline_digest():
            keep(params)  # the pipeline's own, which may not be kept yet
        held = store.live_version()
    if held:
        store.hold_live(held)
    # The scorecard comes before Ollama, which shall not be given a twin that is worse.
    if run("repro", "eval"):
        raise UserError(f"A stage failed, as is said above. {_still(held)} Run `{make_command('retrain')}` again.")
    keep(params)
    return settle(params, held, run)


def settle(params: Params, held: store.Version | None, run: Run) -> Decision | None:
    """Decide between the held twin and the one that the pipeline made last, which is kept."""
    digest = store.pipeline_digest()
    new = next((version for version in store.list_versions() if version.digest == digest), None)
    if held is None or new is None or new.digest == held.digest:
        if new is not None:
            store.release_held()
        return None
    decision = compare_versions(held, new)
    if decision.promoted:
        store.release_held()
        if run("repro"):  # registers it in Ollama
            echo(f"note: {new.name} is live here, and a stage after the scorecard failed, as is said above")
    else:
        make_live(held, params)
    echo(outcome(held, new, decision))
    return decision


def outcome(live: store.Version, new: store.Version, decision: Decision) -> str:
    """What became of a new twin that was compared with the live one, as a sentence or two."""
    if decision.promoted:
        return f"{new.name} is the twin now, in place of {live.name}: {decision.reason}"
    return f"{live.name} stays the twin: {decision.reason}. `{make_command('use', TWIN=new.name)}` takes {new.name}"


def _still(held: store.Version | None) -> str:
    return f"The twin is still {held.name}." if held else "There is no twin yet."


def run_dvc_here(*arguments: str) -> int:
    """Run DVC in the project, with its output in this terminal; its exit status."""
    return subprocess.run([*DVC, *arguments], cwd=Path()).returncode


def run_dvc_quietly(*arguments: str) -> int:
    """Run DVC in the project without output: 0. Raises UserError: DVC is missing or busy, or why it failed."""
    if importlib.util.find_spec("dvc") is None:
        raise UserError("This server has no DVC, as in the container image: look for new posts where the twin is made.")
    done = run_dvc(Path(), *arguments, env=stage_environment())
    if done.returncode == 0:
        return 0
    said = f"{done.stdout}\n{done.stderr}"
    if BUSY.search(said):
        raise UserError(f"DVC is at work in this project, as during `{make_command('all')}`.")
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith("ERROR: failed to")]
    reason = (lines or ["DVC does not say why."])[-1][-MAX_REASON:]
    if reason.startswith("error: "):  # a stage's own sentence
        raise UserError(reason.removeprefix("error: "))
    raise UserError(f"The posts could not be read: {reason}")
