"""Measure what the server costs: time from start to ready, its overhead over direct requests to the engine, how soon a
cancelled generation stops, 32 streams at once, and memory over many requests.

The server is a process of its own, and its engines are; this one sends the requests.

Reads   what `make all` made
Writes  artifacts/bench/serve.json
Run     make bench-serve
        python scripts/bench_serve.py --rounds 3 --requests 100
"""

import _path

import argparse
import asyncio
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from multiprocessing.connection import Connection
from pathlib import Path

from blogtwin.console import echo, run_cli
from blogtwin.errors import UserError
from blogtwin.files import write_json
from blogtwin.hardware import available_cpus
from blogtwin.hints import make_command
from blogtwin.paths import ARTIFACTS_DIR
from serve.benchmark import RATE, measure_server, start_to_ready

TARGETS = {
    "ready within 5 s": lambda results: results["start_to_ready_s"]["slowest"] < 5,
    "less than 5 ms more to the first token": lambda results: (
        results["overhead"]["more_to_first_token_ms"]["median"] < 5
    ),
    "less than 2 % of tokens/s lost": lambda results: (
        results["overhead"]["tokens_per_second_lost_percent"]["median"] < 2
    ),
    "a cancelled engine writes no more after 200 ms": lambda results: results["cancel"]["answer_slowest_ms"] < 200,
    "32 streams at once: none fails": lambda results: not results["together"]["failed"],
    "32 streams at once: slowest first token under 3x the median": lambda results: (
        results["together"]["slowest_over_median"] < 3
    ),
    "memory flat: less than 2 % more at the end": lambda results: results["memory"]["grown_percent"] < 2,
}


def serve(home: str, pipe: Connection) -> None:
    """The server's own process. Through `pipe` it sends {url, engine, models, failed} once the models are loaded."""
    from serve import server
    from serve.main import create_app
    from serve.settings import Settings

    app = create_app(Settings(home=Path(home), engine="llamacpp", rate=RATE, require_key=False, _env_file=None))
    listening = server.bind("127.0.0.1", 0)

    def send_address() -> None:
        pool = app.state.serve.pool
        while not pool.ready and not pool.failed:
            time.sleep(0.01)
        base = pool.loaded.get("base")
        pipe.send(
            {
                "url": f"http://127.0.0.1:{listening.getsockname()[1]}",
                "engine": base and base.engine,
                "models": list(pool.loaded),
                "failed": "; ".join(one.reason for one in pool.failed.values()),
            }
        )

    threading.Thread(target=send_address, daemon=True).start()
    server.run_server(app, listening, [])


def measure_one_server(home: str, rounds: int, requests: int) -> dict:
    """Start a server, measure it (serve.benchmark.measure_server), and end it. Raises UserError if it does not serve
    the base model."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    server = context.Process(target=serve, args=(home, sender))  # no daemon: those may not start processes
    server.start()
    sender.close()  # so that recv() ends if the server does
    try:
        address = receiver.recv()
        if address["engine"] is None:
            raise UserError(f"The base model is not served: {address['failed']}. Run `{make_command('all')}`.")
        return {"models": address["models"], **asyncio.run(measure_server(address, server.pid, rounds, requests))}
    except EOFError:
        raise UserError("The server ended before it was ready; see its error message above.") from None
    finally:
        server.terminate()
        server.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=3, help="number of starts (default %(default)s)")
    parser.add_argument(
        "--rounds", type=int, default=60, help="answers of engine and server to compare (default %(default)s)"
    )
    parser.add_argument(
        "--requests", type=int, default=2000, help="requests for the memory measurement (default %(default)s)"
    )
    arguments = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as in scripts/serve_api.py
    with tempfile.TemporaryDirectory() as home:
        starts = []
        for number in range(1, arguments.starts + 1):
            starts.append(round(start_to_ready(home), 2))
            echo(f"start {number}/{arguments.starts}: ready after {starts[-1]} s")
        results = {
            "cores": available_cpus(),
            "start_to_ready_s": {"median": statistics.median(starts), "slowest": max(starts)},
            **measure_one_server(home, max(2, arguments.rounds), arguments.requests),
        }
    results["reached"] = {what: bool(holds(results)) for what, holds in TARGETS.items()}
    write_json(ARTIFACTS_DIR / "bench/serve.json", results)
    for what, holds in results["reached"].items():
        echo(f"{'reached' if holds else 'MISSED '}  {what}")
    echo(f"wrote {ARTIFACTS_DIR}/bench/serve.json")


if __name__ == "__main__":
    run_cli(main)
