"""Progress bars with an ETA, for what is long."""

import contextlib


def track(items, title: str):
    """A progress bar with ETA over a list."""
    from rich.progress import track

    return track(items, title, transient=True)


@contextlib.contextmanager
def counting(title: str, total: int):
    """A progress bar with ETA that is told how many more are done."""
    from rich.progress import Progress

    with Progress(transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda n: progress.advance(task, n)
