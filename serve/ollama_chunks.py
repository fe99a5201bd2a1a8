"""OpenAI's chat completions from an Ollama, over its own /api/chat: its /v1 drops the penalties of a request and cuts a
prompt that does not fit in half, without a word."""

import json
import time
import uuid

from blogtwin.inference.chat_stream import OLLAMA_LAST_N, hold_notes
from serve.openai_chunks import Chunk

OPTIONS = {"max_tokens": "num_predict", "stop": "stop", "seed": "seed", "temperature": "temperature", "top_p": "top_p"}
OPTIONS |= {name: name for name in ("top_k", "min_p", "presence_penalty", "frequency_penalty", "repeat_penalty")}


def own_request(body: dict) -> dict:
    """A request of OpenAI's protocol, with Ollama's name for the repeat penalty, as one of /api/chat. The penalty looks
    back on the prompt, too, so it is switched off where that lists notes."""
    options = {OPTIONS[name]: value for name, value in body.items() if name in OPTIONS}
    if isinstance(options.get("stop"), str):
        options["stop"] = [options["stop"]]
    options["repeat_last_n"] = 0 if hold_notes(body["messages"]) else OLLAMA_LAST_N
    asked = {name: body[name] for name in ("model", "messages", "logprobs", "top_logprobs") if name in body}
    return {**asked, "options": options, "stream": True, "truncate": False, "shift": False, "think": False}


def new_answer() -> Chunk:
    """What all chunks of an answer have in common."""
    return {"id": f"chatcmpl-{uuid.uuid4().hex[:24]}", "object": "chat.completion.chunk", "created": int(time.time())}


def read_line(line: str, answer: Chunk) -> list[Chunk]:
    """The chunks of a line of /api/chat's stream; `answer` is `new_answer()`. Raises ValueError for no JSON object."""
    if not line.strip():
        return []
    event = json.loads(line)
    if not isinstance(event, dict):
        raise ValueError(f"a line is {line[:80]}")
    if "error" in event:
        return [{"error": event["error"]}]
    message, tokens = event.get("message") or {}, event.get("logprobs")
    choice = {"index": 0, "delta": {"role": "assistant", "content": message.get("content") or ""}}
    logprobs = {"logprobs": {"content": tokens}} if tokens else {}
    if not event.get("done"):
        return [{**answer, "choices": [{**choice, **logprobs, "finish_reason": None}]}]
    end = "length" if event.get("done_reason") == "length" else "stop"
    read, written = event.get("prompt_eval_count") or 0, event.get("eval_count") or 0
    usage = {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}
    last = {**answer, "choices": [{**choice, **logprobs, "finish_reason": end}]}
    return [last, {**answer, "choices": [], "usage": usage}]
