"""The server that `make soak` runs: a process of its own, on a home of its own."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import psutil

from blogtwin.errors import UserError
from blogtwin.paths import ROOT
from serve.soak_faults import WITHOUT_CHILDREN, Clock

START_SECONDS = 600


class ServerProcess:
    """`make serve`'s own process on a home, once it says its address. Raises UserError when it does not."""

    def __init__(self, home: Path, said: Path, clock: Clock | None):
        settings = {
            "SERVE_HOME": str(home),
            "SERVE_ENGINE": "llamacpp",
            "SERVE_HOST": "127.0.0.1",
            "SERVE_WORKERS": "1",
        }
        prelude = ["-c", WITHOUT_CHILDREN] if clock else []
        with open(said, "w") as out:
            self.popen = subprocess.Popen(
                [sys.executable, *prelude, ROOT / "scripts/serve_api.py", "--port", "0"],
                env={**os.environ, **settings, **(clock.environment() if clock else {})},
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        until = time.monotonic() + START_SECONDS
        while (found := re.search(r"serving on (\S+)", said.read_text())) is None:
            if self.popen.poll() is not None or time.monotonic() > until:
                raise UserError(f"The server did not start: {' '.join(said.read_text().split())[-300:]}")
            time.sleep(0.05)
        self.url, self.process = found[1], psutil.Process(self.popen.pid)

    def kill(self) -> None:
        """kill -9 for it; its engines end by themselves."""
        self.popen.kill()
        self.popen.wait()
