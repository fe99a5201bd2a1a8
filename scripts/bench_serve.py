"""What the server costs: its overhead over the engine asked directly, 32 streams at once, memory over many requests.

Reads   what `make all` made: the server and its embedded engine run in this process
Writes  artifacts/bench/serve.json
Run     make bench-serve
        python scripts/bench_serve.py --requests 200
"""

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

from _shared import ARTIFACTS, UserError, cores, run, say, write_json

MESSAGES = [{"role": "system", "content": "You write blog posts."}, {"role": "user", "content": "Write about the harbour in winter."}]
ROUNDS, TOKENS, STREAMS, STREAM_TOKENS = 15, 64, 32, 16


async def ask(http, url: str, key: str, model: str, tokens: int) -> dict:
    """One streamed answer: {first, seconds, tokens}; greedy and uncached, so that every one is the same work."""
    asked = {"model": model, "messages": MESSAGES, "max_tokens": tokens, "temperature": 0, "seed": 1, "stream": True, "cache_prompt": False, "repeat_penalty": 1.1}
    started, first, count = time.perf_counter(), 0.0, 0
    async with http.stream("POST", f"{url}/chat/completions", json=asked, headers={"Authorization": f"Bearer {key}"}) as answer:
        if answer.status_code != 200:
            raise UserError(f"the server answered {answer.status_code}: {(await answer.aread())[:200]!r}")
        async for line in answer.aiter_lines():
            if '"content":"' in line:
                first, count = first or time.perf_counter() - started, count + 1
    return {"first": first, "seconds": time.perf_counter() - started, "tokens": count}


def speed(answer: dict) -> float:
    return (answer["tokens"] - 1) / (answer["seconds"] - answer["first"])


async def overhead(http, url: str, engine) -> dict:
    """The same prompt to the engine and to the server, in turn; medians."""
    found: dict[str, list[dict]] = {"engine": [], "server": []}
    for _ in range(ROUNDS + 1):
        found["engine"].append(await ask(http, engine.base_url, engine.api_key, engine.model, TOKENS))
        found["server"].append(await ask(http, f"{url}/v1", "any", "base", TOKENS))
    first = {k: statistics.median(a["first"] for a in v[1:]) for k, v in found.items()}
    tokens = {k: statistics.median(map(speed, v[1:])) for k, v in found.items()}
    return {
        "first_token_ms": {k: round(1000 * v, 2) for k, v in first.items()},
        "first_token_overhead_ms": round(1000 * (first["server"] - first["engine"]), 2),
        "tokens_per_second": {k: round(v, 2) for k, v in tokens.items()},
        "tokens_per_second_lost_percent": round(100 * (1 - tokens["server"] / tokens["engine"]), 2),
    }


async def together(http, url: str) -> dict:
    """Many streams at once: how many fail, and whether one starves."""
    answers = await asyncio.gather(*(ask(http, f"{url}/v1", "any", "base", STREAM_TOKENS) for _ in range(STREAMS)), return_exceptions=True)
    good = [a for a in answers if isinstance(a, dict) and a["tokens"]]
    firsts = sorted(a["first"] for a in good)
    median = statistics.median(firsts)
    return {"streams": STREAMS, "failed": STREAMS - len(good), "first_token_median_s": round(median, 3), "first_token_slowest_s": round(firsts[-1], 3), "slowest_over_median": round(firsts[-1] / median, 2)}


async def memory(http, url: str, requests: int) -> dict:
    """Resident memory after a tenth of the requests, and after all."""
    import psutil

    process, line = psutil.Process(), asyncio.Semaphore(8)

    async def one() -> None:
        async with line:
            await ask(http, f"{url}/v1", "any", "base", 1)

    await asyncio.gather(*(one() for _ in range(requests // 10)))
    early = process.memory_info().rss
    await asyncio.gather(*(one() for _ in range(requests - requests // 10)))
    late = process.memory_info().rss
    return {"requests": requests, "early_mb": round(early / 1e6, 1), "late_mb": round(late / 1e6, 1), "grown_percent": round(100 * (late / early - 1), 2)}


async def measure(url: str, engine, requests: int) -> dict:
    import httpx

    async with httpx.AsyncClient(timeout=600, trust_env=False, limits=httpx.Limits(max_connections=None)) as http:
        return {"overhead": await overhead(http, url, engine), "together": await together(http, url), "memory": await memory(http, url, requests)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000, help="how many for the memory (default %(default)s)")
    arguments = parser.parse_args()
    started = time.perf_counter()
    import uvicorn

    from serve.main import create_app
    from serve.settings import Settings

    with tempfile.TemporaryDirectory() as home:
        app = create_app(Settings(home=Path(home), engine="llamacpp", port=0, rate="1000000/minute", _env_file=None))
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, access_log=False))
        thread = threading.Thread(target=server.run)
        thread.start()
        pool = app.state.serve.pool
        while not pool.ready and not pool.failed:
            time.sleep(0.01)
        ready = time.perf_counter() - started
        try:
            if "base" not in pool.loaded:
                raise UserError(f"The base model is not served: {pool.failed}. Run `make all`.")
            url = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
            found = {"cores": cores(), "models": list(pool.loaded), "start_to_ready_s": round(ready, 2), **asyncio.run(measure(url, pool.loaded["base"].engine, arguments.requests))}
        finally:
            server.should_exit = True
            thread.join()
    write_json(ARTIFACTS / "bench/serve.json", found)
    say(json.dumps(found, indent=2))
    say(f"wrote {ARTIFACTS}/bench/serve.json")


if __name__ == "__main__":
    run(main)
