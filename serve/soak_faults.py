"""What `make soak` does to a server: it kills its engines, fills its disk and moves its clock.

Never the machine's own: the disk is a small file system or a limit of the server's process, the clock is told to that
process by libfaketime.
"""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol

import psutil

SIZE = "6g"  # of the file system in memory, most of which is never used: a training job's workspace is in it
MARGIN = 1_000_000  # bytes that are left when it is made smaller, and then filled
LIBRARIES = ("/usr/lib/*/faketime/libfaketimeMT.so.1", "/usr/lib*/faketime/libfaketimeMT.so.1")


def engines_of(server: psutil.Process) -> list[psutil.Process]:
    """The processes of a server's embedded engines, which are its children that listen, the oldest first."""
    found = []
    for child in server.children():
        try:
            if any(one.status == psutil.CONN_LISTEN for one in child.net_connections("inet")):
                found.append(child)
        except psutil.Error:  # it has ended
            continue
    return sorted(found, key=psutil.Process.create_time)


class Disk(Protocol):
    """A disk of the server's own. `how`: what kind, in words."""

    how: str

    def fill(self, server: psutil.Process) -> None: ...

    def free(self, server: psutil.Process) -> None: ...

    def close(self) -> None: ...


class OwnFileSystem:
    """A file system in memory, mounted on the server's home. It is filled by making it smaller. Raises OSError where
    none can be mounted."""

    how = "a file system of its own"

    def __init__(self, home: Path):
        self.home, self.filler = home, home / "filler"
        mount("-t", "tmpfs", "-o", f"size={SIZE},mode=700", "blogtwin-soak", str(home))

    def fill(self, server: psutil.Process) -> None:
        """Leave no byte free."""
        status = os.statvfs(self.home)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        mount("-o", f"remount,size={used + MARGIN}", str(self.home))
        with open(self.filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:  # full
                pass

    def free(self, server: psutil.Process) -> None:
        self.filler.unlink(missing_ok=True)
        mount("-o", f"remount,size={SIZE}", str(self.home))

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.home)], capture_output=True)


class FileLimit:
    """A limit of zero bytes for files that the server's process writes, which is to it what a quota is: no file grows,
    and none is written over. Linux only."""

    how = "a limit of its process"

    def __init__(self) -> None:
        import resource

        self.before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill(self, server: psutil.Process) -> None:
        """Refuse every write to a file."""
        self.before = server.rlimit(psutil.RLIMIT_FSIZE)
        server.rlimit(psutil.RLIMIT_FSIZE, (0, self.before[1]))

    def free(self, server: psutil.Process) -> None:
        server.rlimit(psutil.RLIMIT_FSIZE, self.before)

    def close(self) -> None:
        """Nothing is held: the limit ends with the process."""


def choose_disk(home: Path) -> tuple[Disk | None, str]:
    """(a disk for this home, "" ), or (None, why there is none)."""
    if not sys.platform.startswith("linux"):
        return None, "only Linux has a file system in memory, or limits of another process"
    try:
        if os.geteuid() == 0:
            return OwnFileSystem(home), ""
    except OSError:  # a container may be root and not allowed to
        pass
    return FileLimit(), ""


def mount(*arguments: str) -> None:
    """Run `mount`. Raises OSError where it is refused."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"mount {' '.join(arguments)}: {done.stderr.strip()}")


# Runs the script that is named after it. Engines and jobs, which it starts, have the real clock. Python sleeps until a
# moment of the running clock, which libfaketime 0.9.10 refuses while only the other clock is moved: select is not.
WITHOUT_CHILDREN = """
import os, pathlib, runpy, select, sys, time
os.environ.pop("LD_PRELOAD")
time.sleep = lambda seconds: select.select([], [], [], seconds)
sys.argv = sys.argv[1:]
sys.path.insert(0, str(pathlib.Path(sys.argv[0]).parent))
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class Clock:
    """The clock of the server's process, by libfaketime: how many seconds it is fast stands in `file`. Time that only
    runs, such as a pause's, is not moved, as with a real clock."""

    def __init__(self, library: Path, file: Path):
        self.library, self.file = library, file
        self.move(0)

    def environment(self) -> dict[str, str]:
        """The variables that the server is started with."""
        return {
            "LD_PRELOAD": str(self.library),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def move(self, seconds: int) -> None:
        """Set how many seconds the clock is fast; below zero, it is slow."""
        temporary = self.file.with_suffix(".new")
        temporary.write_text(f"{seconds:+d}\n")
        temporary.replace(self.file)


def find_clock(file: Path) -> tuple[Clock | None, str]:
    """(a clock that is moved by `file`, ""), or (None, why there is none)."""
    for pattern in LIBRARIES:
        for library in sorted(Path("/").glob(pattern.removeprefix("/"))):
            return Clock(library, file), ""
    return None, "libfaketime is not installed (Debian's package faketime)"


def kill(process: psutil.Process, seconds: float = 10.0) -> None:
    """kill -9, and wait until it has ended."""
    process.kill()
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
