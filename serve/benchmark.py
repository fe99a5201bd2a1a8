"""What the server adds to its engine: overhead, time to first token, concurrent streams, cancellation, memory."""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from blogtwin.console import echo
from blogtwin.errors import UserError
from blogtwin.hints import make_command
from blogtwin.inference.client import Engine
from blogtwin.paths import ROOT
from serve.openai_chunks import error_message, parse_line, text_of

# Short: reading the prompt is the engine's work, and its time varies.
MESSAGES = [
    {"role": "system", "content": "You write."},
    {"role": "user", "content": "Write about rain."},
]
# Greedy and, by its seed, uncached, so that every answer is the same work; complete, so that engine and server get the
# same request.
DECODING = {"temperature": 0, "top_p": 0.95, "repeat_penalty": 1.1, "seed": 1}
HttpClient = Any  # httpx2.AsyncClient, imported only where it is needed: `--help` must answer at once
RATE = "1000000/minute"  # no rate limit
TOKENS = 32  # of an answer whose overhead is measured
STREAMS, STREAM_TOKENS = 32, 32  # concurrent streams, and tokens of each
CLIENTS, SAMPLES = 8, 10  # concurrent clients while memory is measured, and how often it is
MAX_CANCELS = 10
LONG_PROMPT = "rain " * 1500  # takes the engine seconds to read


def start_to_ready(home: str) -> float:
    """Seconds from the command of `make serve` to a server that is ready. Raises UserError."""
    import httpx2

    environment = {
        **os.environ,
        "SERVE_HOME": home,
        "SERVE_ENGINE": "llamacpp",
        "SERVE_RATE": RATE,
        "SERVE_REQUIRE_KEY": "0",
    }
    with httpx2.Client(trust_env=False) as http:
        started = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, ROOT / "scripts/serve_api.py", "--port", "0"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        ) as server:
            try:
                url = server.stdout.readline().strip().rpartition(" ")[2]
                if not url:
                    raise UserError("The server did not start: see its message above.")
                while not (health := http.get(f"{url}/api/v1/health").json())["ready"]:
                    if health["failed"]:
                        raise UserError(
                            f"The server has no model: {'; '.join(one['reason'] for one in health['failed'].values())}."
                            f" Run `{make_command('all')}`."
                        )
                    time.sleep(0.02)
                return time.perf_counter() - started
            finally:
                server.terminate()


async def stream_completion(http: HttpClient, url: str, key: str, model: str, tokens: int) -> dict:
    """One streamed answer: {first, seconds, tokens}; `first`: seconds to the first token. Raises UserError."""
    asked = {"model": model, "messages": MESSAGES, "max_tokens": tokens, "stream": True, **DECODING}
    started, first, count = time.perf_counter(), 0.0, 0
    async with http.stream(
        "POST", f"{url}/chat/completions", json=asked, headers={"Authorization": f"Bearer {key}"}
    ) as answer:
        if answer.status_code != 200:
            raise UserError(f"{url} answered {answer.status_code}: {(await answer.aread())[:200]!r}.")
        async for line in answer.aiter_lines():
            chunk = parse_line(line) or {}
            if "error" in chunk:
                raise UserError(f"{url} ended its answer with an error: {error_message(chunk['error'])[:200]}.")
            if text_of(chunk):
                first, count = first or time.perf_counter() - started, count + 1
    return {"first": first, "seconds": time.perf_counter() - started, "tokens": count}


def tokens_per_second(answer: dict) -> float:
    """After the first token."""
    return (answer["tokens"] - 1) / (answer["seconds"] - answer["first"])


def quartiles(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": round(middle, 2), "lower_quartile": round(low, 2), "upper_quartile": round(high, 2)}


async def measure_overhead(http: HttpClient, url: str, engine: Engine, rounds: int) -> dict:
    """The same prompt to the engine and to the server, in alternating order. Quartiles of the differences per round."""
    sides = {"engine": (engine.base_url, engine.api_key, engine.model), "server": (f"{url}/v1", "any", "base")}
    found: dict[str, list[dict]] = {side: [] for side in sides}
    for number in range(rounds + 1):
        for side in sorted(sides, reverse=number % 2 == 1):
            found[side].append(await stream_completion(http, *sides[side], TOKENS))
        if number:  # the first round is a warm-up
            engine_s, server_s = (found[side][-1]["first"] for side in sides)
            echo(
                f"round {number}/{rounds}: first token after {1000 * engine_s:.1f} ms from the engine,"
                f" {1000 * server_s:.1f} ms through the server"
            )
    pairs = list(zip(found["engine"], found["server"]))[1:]
    return {
        "rounds": rounds,
        "tokens": TOKENS,
        "engine_first_token_ms": quartiles([1000 * direct["first"] for direct, _ in pairs]),
        "engine_tokens_per_second": quartiles([tokens_per_second(direct) for direct, _ in pairs]),
        "more_to_first_token_ms": quartiles([1000 * (through["first"] - direct["first"]) for direct, through in pairs]),
        "tokens_per_second_lost_percent": quartiles(
            [100 * (1 - tokens_per_second(through) / tokens_per_second(direct)) for direct, through in pairs]
        ),
    }


async def measure_cancel(http: HttpClient, url: str, engine: Engine, times: int) -> dict:
    """Milliseconds from POST /api/cancel until the engine is idle: during an answer, and during a long prompt."""
    busy, key = f"{engine.base_url.removesuffix('/v1')}/busy", {"Authorization": f"Bearer {engine.api_key}"}

    async def is_idle() -> bool:
        return not (await http.get(busy, headers=key)).raise_for_status().json()["busy"]

    async def cancel_once(prompt: str, name: str) -> float:
        async def read_answer() -> None:
            asked = {
                "model": "base",
                "messages": [{"role": "user", "content": prompt}],
                "max_tokens": 400,
                "stream": True,
                **DECODING,
            }
            async with http.stream(
                "POST", f"{url}/v1/chat/completions", json=asked, headers={"X-Request-ID": name}
            ) as answer:
                await answer.aread()

        reading = asyncio.create_task(read_answer())
        while await is_idle():
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.5)
        started = time.perf_counter()
        (await http.post(f"{url}/api/cancel/{name}")).raise_for_status()
        while not await is_idle():
            await asyncio.sleep(0.002)
        taken = 1000 * (time.perf_counter() - started)
        await reading
        return taken

    found: dict = {"times": times}
    for phase, prompt in (("answer", MESSAGES[-1]["content"]), ("prompt", LONG_PROMPT)):
        values = [await cancel_once(prompt, f"cancel-{phase}-{number}") for number in range(times)]
        found |= {f"{phase}_ms": quartiles(values), f"{phase}_slowest_ms": round(max(values), 1)}
    echo(
        f"cancelled: the engine is idle after {found['answer_ms']['median']} ms during an answer, and after"
        f" {found['prompt_ms']['median']} ms during a long prompt (medians); slowest {found['answer_slowest_ms']} and"
        f" {found['prompt_slowest_ms']} ms"
    )
    return found


async def measure_concurrency(http: HttpClient, url: str) -> dict:
    """Many concurrent streams: how many fail and why, and whether one starves. Times in seconds."""
    answers = await asyncio.gather(
        *(stream_completion(http, f"{url}/v1", "any", "base", STREAM_TOKENS) for _ in range(STREAMS)),
        return_exceptions=True,
    )
    good = [a for a in answers if isinstance(a, dict) and a["tokens"]]
    reasons = sorted({str(a) if isinstance(a, Exception) else "an empty answer" for a in answers if a not in good})
    firsts = [a["first"] for a in good] or [float("inf")]
    found = {
        "streams": STREAMS,
        "failed": STREAMS - len(good),
        "reasons": reasons,
        "first_token_median_s": round(statistics.median(firsts), 3),
        "first_token_slowest_s": round(max(firsts), 3),
    }
    found["slowest_over_median"] = round(max(firsts) / statistics.median(firsts), 2) if good else STREAMS
    echo(
        f"{STREAMS} streams at once: {found['failed']} failed, first token after {found['first_token_median_s']} s"
        f" (median), {found['first_token_slowest_s']} s (slowest)"
    )
    return found


def resident_mb(process: int) -> float:
    """The resident memory of the server and its engines, in MB of 10⁶ bytes. Its processes are multiprocessing's; what
    runs a command, or a training job, is not counted."""
    import psutil

    server, found = psutil.Process(process), 0
    for one in (server, *server.children()):
        try:
            if one == server or any("multiprocessing" in word for word in one.cmdline()):
                found += one.memory_info().rss
        except psutil.Error:  # it has ended
            continue
    return round(found / 1e6, 1)


async def measure_memory(http: HttpClient, url: str, process: int, requests: int) -> dict:
    """The resident memory of the server and its engines (MB of 10⁶ bytes) after each tenth of the requests; the first
    tenth is a warm-up."""

    async def stream() -> None:
        await stream_completion(http, f"{url}/v1", "any", "base", 1)

    async def whole() -> None:
        (
            await http.post(f"{url}/api/generate", json={"prompt": "Rain.", "model": "base", "max_tokens": 1})
        ).raise_for_status()

    samples = []
    for tenth in range(1, SAMPLES + 1):
        left = iter(range(max(CLIENTS, requests // SAMPLES)))

        async def some(left: Iterator[int] = left) -> None:
            for number in left:
                await (stream() if number % 2 else whole())

        await asyncio.gather(*(some() for _ in range(CLIENTS)))
        samples.append(resident_mb(process))
        echo(f"memory {10 * tenth} %: {samples[-1]} MB")
    return {
        "requests": max(CLIENTS, requests // SAMPLES) * SAMPLES,
        "mb": samples,
        "grown_percent": round(100 * (samples[-1] / samples[1] - 1), 2),
    }


async def measure_server(server: dict, process: int, rounds: int, requests: int) -> dict:
    """All measurements of a running server, {url, engine}, whose process id is `process`."""
    import httpx2

    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)  # as blogtwin/inference/client.py has it
    async with httpx2.AsyncClient(timeout=600, trust_env=False, limits=limits) as http:
        return {
            "overhead": await measure_overhead(http, server["url"], server["engine"], rounds),
            "cancel": await measure_cancel(http, server["url"], server["engine"], min(rounds, MAX_CANCELS)),
            "together": await measure_concurrency(http, server["url"]),
            "memory": await measure_memory(http, server["url"], process, requests),
        }
