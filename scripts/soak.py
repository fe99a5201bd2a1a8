"""Let a server live through an hour in which everything goes wrong, and see whether it keeps what it acknowledged:
four writers at once, a training job, five killed engines, a full disk and a clock that moves, each its own and never
this machine's. Exits with 1 if a target is missed.

Reads   what `make all` made
Writes  artifacts/bench/soak.json; the server's data are in a temporary folder
Run     make soak
        make soak MINUTES=5
"""

import _path

import argparse
import asyncio
import sys
import tempfile
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.files import write_json
from blogtwin.paths import ARTIFACTS_DIR

OK = {True: "yes", False: "NO", None: "left out"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60, help="how long (default %(default)s)")
    minutes = parser.parse_args().minutes
    if not 0 < minutes <= 24 * 60:
        parser.error("--minutes is between 0 and 1440")
    from serve.soak import Soak

    with tempfile.TemporaryDirectory(prefix="blogtwin-soak-", ignore_cleanup_errors=True) as folder:
        soak = Soak(Path(folder), minutes)
        try:
            results = asyncio.run(soak.run())
        finally:
            soak.close()
    write_json(ARTIFACTS_DIR / "bench/soak.json", results)
    for row in ({"what": "", "asked": "asked", "measured": "measured", "ok": "ok"}, *results["targets"]):
        echo(f"{row['what']:46}  {row['asked']:12}  {OK.get(row['ok'], 'ok'):8}  {row['measured']}")
    for kind, told in (*results["faults"].items(), ("lost", results["lost"])):
        for one in told:
            echo(f"{kind}: {one}")
    echo(f"wrote {ARTIFACTS_DIR}/bench/soak.json")
    sys.exit(any(row["ok"] is False for row in results["targets"]))


if __name__ == "__main__":
    run_cli(main)
