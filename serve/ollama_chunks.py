"""OpenAI's completions from an Ollama, over its own /api/chat and /api/generate: its /v1 drops the penalties of a
request and cuts a prompt that does not fit in half, without a word."""

import json
import time
import uuid

from blogtwin.inference.chat_stream import OLLAMA_LAST_N, hold_notes
from serve.openai_chunks import Chunk

OPTIONS = {"max_tokens": "num_predict", "stop": "stop", "seed": "seed", "temperature": "temperature", "top_p": "top_p"}
OPTIONS |= {name: name for name in ("top_k", "min_p", "presence_penalty", "frequency_penalty", "repeat_penalty")}


def own_request(body: dict) -> tuple[str, dict]:
    """(path, request) in Ollama's own protocol for one of OpenAI's, with Ollama's name for the repeat penalty. A plain
    completion is the prompt as it is (`raw`). The penalty looks back on the prompt, too, so it is switched off where
    that lists notes."""
    options = {OPTIONS[name]: value for name, value in body.items() if name in OPTIONS}
    if isinstance(options.get("stop"), str):
        options["stop"] = [options["stop"]]
    is_chat = "messages" in body
    asked = body["messages"] if is_chat else [{"role": "user", "content": body["prompt"]}]
    options["repeat_last_n"] = 0 if hold_notes(asked) else OLLAMA_LAST_N
    request = {"model": body["model"], "options": options, "stream": True, "truncate": False, "shift": False}
    if is_chat:
        more = {name: body[name] for name in ("messages", "logprobs", "top_logprobs") if name in body}
        return "/api/chat", {**request, **more, "think": False}
    counted = body.get("logprobs")  # of a plain completion: how many alternatives
    more = {} if counted is None else {"logprobs": True, "top_logprobs": counted}
    return "/api/generate", {**request, **more, "prompt": body["prompt"], "raw": True}


def new_answer(path: str) -> Chunk:
    """What all chunks of an answer from that path of Ollama's have in common."""
    kind, name = ("chatcmpl", "chat.completion.chunk") if path == "/api/chat" else ("cmpl", "text_completion")
    return {"id": f"{kind}-{uuid.uuid4().hex[:24]}", "object": name, "created": int(time.time())}


def read_line(line: str, answer: Chunk) -> list[Chunk]:
    """The chunks of a line of Ollama's stream; `answer` is `new_answer()`. Raises ValueError for no JSON object."""
    if not line.strip():
        return []
    event = json.loads(line)
    if not isinstance(event, dict):
        raise ValueError(f"a line is {line[:80]}")
    if "error" in event:
        return [{"error": event["error"]}]
    tokens, choice = event.get("logprobs"), {"index": 0, "text": event.get("response") or ""}
    if answer["object"] == "chat.completion.chunk":
        text = (event.get("message") or {}).get("content") or ""
        choice = {"index": 0, "delta": {"role": "assistant", "content": text}}
    logprobs = {"logprobs": {"content": tokens}} if tokens else {}
    if not event.get("done"):
        return [{**answer, "choices": [{**choice, **logprobs, "finish_reason": None}]}]
    end = "length" if event.get("done_reason") == "length" else "stop"
    read, written = event.get("prompt_eval_count") or 0, event.get("eval_count") or 0
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    last = {**answer, "choices": [{**choice, **logprobs, "finish_reason": end}]}
    return [last, {**answer, "choices": [], "usage": usage}]
