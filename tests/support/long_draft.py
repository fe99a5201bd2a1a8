"""A draft that takes minutes, cancelled in its first round."""

import threading
import time

import httpx


def cancel_long_draft(server, asked: dict, name: str, seconds_to_start: float, seconds_to_stop: float) -> None:
    """Ask a server for a draft of 50 lines, cancel the request `name` in its first round, and wait until its stream has
    ended and told of it. Fails where one or the other takes longer."""
    started, said = threading.Event(), []

    def ask() -> None:
        notes = "\n".join(f"the boat number {n} was painted by Denzil" for n in range(40, 90))
        body = {**asked, "notes": notes, "candidates": 16}
        url, headers = f"{server.url}/api/draft", {"X-Request-ID": name}
        with httpx.stream("POST", url, json=body, headers=headers, trust_env=False, timeout=400) as answer:
            for line in answer.iter_lines():
                said.append(line)
                if line == "event: start":
                    started.set()

    thread = threading.Thread(target=ask)
    thread.start()
    assert started.wait(seconds_to_start)
    time.sleep(0.5)  # into the first round
    assert server.http.post(f"/api/cancel/{name}").json() == {"cancelled": True}
    thread.join(seconds_to_stop)
    assert not thread.is_alive() and any("cancelled" in line for line in said)
