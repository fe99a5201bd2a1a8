"""What a script prints, its progress bars, and its exit: errors are one sentence and a nonzero status, no traceback."""

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import Any, TypeVar

from blogtwin.environment import load_environment
from blogtwin.errors import UserError, is_disk_full
from blogtwin.hardware import is_main_process

T = TypeVar("T")
INTERRUPTED = "stopped: nothing half-written was kept; the same command starts this stage again."


def install_excepthook() -> None:
    """Make Ctrl-C during a script's imports, before `run_cli`, end in one sentence too."""
    sys.excepthook = _on_uncaught


def _on_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)
    sys.__excepthook__(kind, error, trace)


def echo(text: object = "") -> None:
    """Print a line, in the main process only. Surrogates are escaped: a path may contain bytes that are not UTF-8."""
    if is_main_process():
        print(str(text).encode("utf-8", "backslashreplace").decode(), flush=True)


def run_cli(main: Callable[[], object]) -> None:
    """Call `main`. A UserError, a full disk or Ctrl-C is reported in one sentence, with a nonzero exit status."""
    try:
        load_environment()
        main()
    except UserError as e:
        sys.exit(f"error: {e}")
    except KeyboardInterrupt as e:
        echo()
        print(str(e) or INTERRUPTED, file=sys.stderr)
        sys.exit(130)
    except Exception as e:
        if not is_disk_full(e):
            raise
        file = getattr(e, "filename", None)
        place = f" while writing {file}" if file else ""
        sys.exit(f"error: The disk is full{place}: free some space and run the same command again; nothing is lost.")


def track(items: Sequence[T], title: str) -> Iterable[T]:
    """The items, with a progress bar and an estimated time of arrival."""
    from rich.progress import track

    return track(items, title, transient=True)


@contextlib.contextmanager
def progress_counter(title: str, total: int) -> Iterator[Callable[[int], Any]]:
    """A progress bar with an estimated time of arrival: call the result with the number of items just finished."""
    from rich.progress import Progress

    with Progress(transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda n: progress.advance(task, n)
