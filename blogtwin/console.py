"""What a script prints, its progress bars, and how its errors end: one sentence and a nonzero exit, no traceback."""

import contextlib
import sys

from blogtwin.environment import load_environment
from blogtwin.errors import UserError, is_disk_full
from blogtwin.hardware import is_main_process

INTERRUPTED = "stopped: nothing half-written was kept; the same command starts this stage again."


def install_excepthook() -> None:
    """Let Ctrl-C during a script's imports, before `run_cli`, end in a sentence too."""
    sys.excepthook = _on_uncaught


def _on_uncaught(kind, error, trace) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)
    sys.__excepthook__(kind, error, trace)


def echo(text="") -> None:
    if not is_main_process():
        return
    print(str(text).encode("utf-8", "backslashreplace").decode(), flush=True)  # a path may hold bytes that are no text


def run_cli(main) -> None:
    """Call `main`; a mistake, a full disk or Ctrl-C ends in one sentence and a nonzero exit."""
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
        name = f" while writing {e.filename}" if getattr(e, "filename", None) else ""
        sys.exit(f"error: The disk is full{name}: free some space and run the same command again; nothing is lost.")


def track(items, title: str):
    """A progress bar with ETA over a list."""
    from rich.progress import track

    return track(items, title, transient=True)


@contextlib.contextmanager
def progress_counter(title: str, total: int):
    """A progress bar with ETA that is told how many more are done."""
    from rich.progress import Progress

    with Progress(transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda n: progress.advance(task, n)
