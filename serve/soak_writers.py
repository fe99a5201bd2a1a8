"""The writers of `make soak`: each chats, drafts and votes, remembers what the server acknowledged, and judges how it
was refused. At the end each reads everything back."""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

HttpClient = Any  # httpx2.AsyncClient, imported only where it is needed
TURNS = 6  # of a chat, after which a new one is begun
PAUSE_SECONDS = 0.3  # between two acts of a writer, in the mean
LONGEST_WAIT = 5.0  # of the seconds that a refusal says to wait
MAX_TOLD = 10  # of each kind of fault
DRAFT_NOTES = "{number} rungs, one is loose\nit stood behind the shed for {years} years"


@dataclass
class Tally:
    """What all writers met. `faults`: {kind: the first of them, in words}; `refusals`: {error code: how many}."""

    acknowledged: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[str]] = field(default_factory=dict)
    requests: int = 0

    def fault(self, kind: str, what: str) -> None:
        """Remember a fault; only the first of a kind are told."""
        self.faults.setdefault(kind, []).append(what if len(self.faults.get(kind, ())) < MAX_TOLD else "")

    def count(self, kind: str) -> int:
        return len(self.faults.get(kind, ()))


@dataclass
class Chat:
    """`said`: (role, text) of each acknowledged message. `title`: None until it was renamed."""

    said: list[tuple[str, str]] = field(default_factory=list)
    title: str | None = None


def why_no_sentence(status: int, body: Any) -> str:
    """What is wrong with a refusal; empty where it is an error of this API with a sentence that a user can read."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict) or not {"code", "message", "hint"} <= error.keys():
        return f"{status}, which is no error of this API: {str(body)[:200]}"
    message = str(error["message"]).strip()
    if error["code"] == "internal":
        return f"{status}: an error that nobody foresaw"
    if len(message.split()) < 3 or message[-1] not in ".!?":
        return f"{status}, which is no sentence: {message[:200]!r}"
    return ""


class Writer:
    """One of several at once, with a key of its own. `http` has the server's address; `gate` is closed while memory is
    measured; `over` is set before the server is killed: what it was asked then was not acknowledged."""

    def __init__(self, name: str, key: str, tally: Tally, seed: int, tokens: int):
        self.name, self.tally, self.tokens = name, tally, tokens
        self.headers = {"Authorization": f"Bearer {key}"}
        self.random = random.Random(seed)
        self.gate, self.over = asyncio.Event(), asyncio.Event()
        self.gate.set()
        self.idle = asyncio.Event()
        self.chats: dict[str, Chat] = {}
        self.removed: list[str] = []
        self.votes: list[str] = []
        self.choices: list[str] = []  # the text before each, which nobody else has
        self.talk: str | None = None
        self.number = 0

    async def work(self, http: HttpClient) -> None:
        """Write until `over` is set: one of each first, then as it comes."""
        acts = (
            (self.say, 8),
            (self.say_streamed, 8),
            (self.vote, 6),
            (self.draft, 2),
            (self.rename, 1),
            (self.remove, 1),
            (self.ask_wrongly, 1),
        )
        first = [self.say, self.say_streamed, self.vote, self.draft]
        while not self.over.is_set():
            self.idle.set()
            await self.gate.wait()
            self.idle.clear()
            (act,) = self.random.choices([act for act, _ in acts], [weight for _, weight in acts])
            await (first.pop(0) if first else act)(http)
            await asyncio.sleep(self.random.expovariate(1 / PAUSE_SECONDS))
        self.idle.set()

    def word(self) -> str:
        """A word that no other text has."""
        self.number += 1
        return f"{self.name}{self.number}"

    async def ask(self, http: HttpClient, method: str, path: str, asked: dict | None = None) -> Any:
        """The answer as JSON; None where it was refused, or did not come."""
        import httpx2

        self.tally.requests += 1
        try:
            answer = await http.request(method, path, json=asked, headers=self.headers)
        except httpx2.HTTPError as e:
            self.broken(method, path, e)
            return None
        try:
            body = answer.json()
        except ValueError:
            body = answer.text
        if answer.status_code < 400:
            return body
        await self.refused(answer.status_code, body, answer.headers.get("retry-after"), f"{method} {path}")
        return None

    def broken(self, method: str, path: str, error: Exception) -> None:
        if not self.over.is_set():
            self.tally.fault("broken", f"{method} {path}: {type(error).__name__} {error}"[:200])

    async def refused(self, status: int, body: Any, retry_after: str | None, what: str) -> None:
        """Judge a refusal, and wait as it says."""
        if why := why_no_sentence(status, body):
            self.tally.fault("server error" if status >= 500 else "no sentence", f"{what}: {why}")
        else:
            self.tally.refusals[body["error"]["code"]] += 1
        if retry_after:
            await asyncio.sleep(min(float(retry_after), LONGEST_WAIT))

    def question(self) -> dict:
        """The next one of the chat that goes on, or the first one of a new chat."""
        if self.talk is not None and len(self.chats[self.talk].said) >= 2 * TURNS:
            self.talk = None
        return {"message": f"Write about {self.word()}.", "session_id": self.talk, "max_tokens": self.tokens}

    def acknowledge(self, session: str, role: str, text: str) -> None:
        self.talk = session
        self.chats.setdefault(session, Chat()).said.append((role, text))
        self.tally.acknowledged["messages"] += 1

    async def say(self, http: HttpClient) -> None:
        asked = self.question()
        if found := await self.ask(http, "POST", "/api/v1/chat/completions", asked):
            self.acknowledge(found["session_id"], "user", asked["message"])
            self.acknowledge(found["session_id"], "assistant", found["message"]["content"])

    async def say_streamed(self, http: HttpClient) -> None:
        """The question is acknowledged by the event `session`, the answer by the event `answered`."""
        asked, session = {**self.question(), "stream": True}, ""
        async for name, data in self.events(http, "/api/v1/chat/completions", asked):
            if name == "session":
                session = data["session_id"]
                self.acknowledge(session, "user", asked["message"])
            elif name == "answered":
                self.acknowledge(session, "assistant", data["message"]["content"])

    async def events(self, http: HttpClient, path: str, asked: dict) -> Any:
        """(name, data) of each event. A refusal, before the first or as the last one, is judged."""
        import httpx2

        self.tally.requests += 1
        name, ended = "", False
        try:
            async with http.stream("POST", path, json=asked, headers=self.headers) as answer:
                if answer.status_code >= 400:
                    text = (await answer.aread()).decode("utf-8", "replace")
                    await self.refused(answer.status_code, _json_or(text), answer.headers.get("retry-after"), path)
                    return
                async for line in answer.aiter_lines():
                    if line.startswith("event: "):
                        name = line[7:]
                    elif line.startswith("data: "):
                        data = json.loads(line[6:])
                        if name == "error":
                            await self.refused(502, data, None, path)
                        ended = name in ("error", "answered", "draft")
                        yield name, data
            if not ended:
                self.broken("POST", path, ValueError("the stream ended in the middle"))
        except httpx2.HTTPError as e:
            self.broken("POST", path, e)

    async def vote(self, http: HttpClient) -> None:
        """A blind comparison of texts that are there, and a vote."""
        found = await self.ask(http, "POST", "/api/blind", {"one": "base", "other": "finetuned"})
        vote = {"preferred": self.random.choice(("left", "right", "tie")), "more_similar": "left"}
        if found and await self.ask(http, "POST", f"/api/blind/{found['id']}/vote", vote):
            self.votes.append(found["id"])
            self.tally.acknowledged["votes"] += 1

    async def draft(self, http: HttpClient) -> None:
        """A draft from notes, and the choice of one of its sentences, which the server keeps."""
        notes = DRAFT_NOTES.format(number=self.random.randint(5, 20), years=self.random.randint(3, 30))
        asked = {"title": "The ladder", "notes": notes, "candidates": 1, "seconds": 5}
        whole = ""
        async for name, data in self.events(http, "/api/draft", asked):
            if name == "draft":
                whole = data["text"]
                self.tally.acknowledged["drafts"] += 1
        if not whole:
            return
        before = f"This is {self.word()}."
        choice = {"notes": notes, "lines": [0], "before": before, "chosen": whole[:500], "rejected": "It was a ladder."}
        if await self.ask(http, "POST", "/api/draft/choice", choice):
            self.choices.append(before)
            self.tally.acknowledged["choices"] += 1

    async def rename(self, http: HttpClient) -> None:
        if self.chats:
            session, title = self.random.choice(list(self.chats)), f"The {self.word()}"
            if await self.ask(http, "PATCH", f"/api/v1/chat/sessions/{session}", {"title": title}):
                self.chats[session].title = title
                self.tally.acknowledged["renamed chats"] += 1

    async def remove(self, http: HttpClient) -> None:
        """Delete a chat that has ended."""
        ended = [session for session in self.chats if session != self.talk]
        if ended:
            session = self.random.choice(ended)
            if await self.ask(http, "DELETE", f"/api/v1/chat/sessions/{session}"):
                del self.chats[session]
                self.removed.append(session)
                self.tally.acknowledged["deleted chats"] += 1

    async def ask_wrongly(self, http: HttpClient) -> None:
        """What is refused also on a good day."""
        method, path, asked = self.random.choice(
            (
                ("GET", "/api/v1/chat/sessions/none", None),
                ("POST", "/api/generate", {"prompt": "Rain.", "model": "nobody"}),
                ("POST", "/api/generate", {"prompt": "rain " * 10_000}),
                ("POST", "/api/generate", {"max_tokens": 3}),
                ("POST", "/api/v1/training/jobs", {"corpus": "sample"}),
                ("PUT", "/api/models", None),
                ("GET", "/api/nothing", None),
            )
        )
        if await self.ask(http, method, path, asked) is not None:
            self.tally.fault("no sentence", f"{method} {path} was not refused")

    async def read_back(self, http: HttpClient) -> list[str]:
        """Read all that was acknowledged; what is lost of it, in words."""
        lost = []
        for session, chat in self.chats.items():
            status, found = await self.read(http, "GET", f"/api/v1/chat/sessions/{session}")
            saved = [(m["role"], m["content"]) for m in found["messages"]] if status == 200 else []
            lost += [f"{role} of {self.name}: {text[:60]!r}" for role, text in missing(chat.said, saved)]
            if chat.title is not None and (status != 200 or found["title"] != chat.title):
                lost.append(f"the title {chat.title!r}")
        for session in self.removed:
            status, _ = await self.read(http, "GET", f"/api/v1/chat/sessions/{session}")
            lost += [f"the removal of chat {session} ({status})"] if status != 404 else []
        for vote in self.votes:  # a second one is refused, and changes nothing
            status, found = await self.read(http, "POST", f"/api/blind/{vote}/vote", {"preferred": "tie"})
            lost += [] if status == 409 and found["error"]["code"] == "voted_before" else [f"vote {vote} ({status})"]
        return lost

    async def read(self, http: HttpClient, method: str, path: str, asked: dict | None = None) -> tuple[int, Any]:
        """(status, body), after the waits that the rate limit asks for."""
        for _ in range(60):
            answer = await http.request(method, path, json=asked, headers=self.headers)
            if answer.status_code != 429:
                break
            await asyncio.sleep(min(float(answer.headers["retry-after"]), LONGEST_WAIT))
        return answer.status_code, answer.json()


def _json_or(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def missing(said: list[tuple[str, str]], saved: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The messages of `said` that are not in `saved`, in this order; others may stand between them."""
    left, at = [], 0
    for message in said:
        try:
            at = saved.index(message, at) + 1
        except ValueError:
            left.append(message)
    return left
