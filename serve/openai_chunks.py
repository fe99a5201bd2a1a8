"""The chunks of an engine's stream in OpenAI's protocol, each parsed once."""

import json
from typing import Any

Chunk = dict[str, Any]


def parse_line(line: str) -> Chunk | None:
    """The chunk in a line of the stream; None for a line without one.

    An engine that fails in the middle of a stream sends an error in place of a chunk, {"error": …}: as data, or as
    llama.cpp's server does in a field `error` of its own. Raises ValueError for data that is no JSON object.
    """
    field, _, value = line.partition(":")
    value = value.strip()
    if field == "error":
        return {"error": value}
    if field != "data" or value in ("", "[DONE]"):
        return None
    chunk = json.loads(value)
    if not isinstance(chunk, dict):
        raise ValueError(f"a chunk is {value[:80]}")
    return chunk


def error_message(error: Any) -> str:
    """The message of an engine's `error`, which is an object with a `message`, or text."""
    return str(error.get("message", error) if isinstance(error, dict) else error)


def body_message(raw: bytes) -> str:
    """The message in the body of an engine's response that is an error."""
    try:
        return error_message(json.loads(raw)["error"])
    except (ValueError, KeyError, TypeError):
        return raw[:200].decode("utf-8", "replace")


def text_of(chunk: Chunk) -> str:
    """The text that a chunk adds; empty for the first one, which only names the role, and the last one."""
    return "".join(
        choice.get("text") or (choice.get("delta") or {}).get("content") or "" for choice in chunk.get("choices") or []
    )


def is_usage_only(chunk: Chunk) -> bool:
    """Whether this is the extra chunk of `stream_options.include_usage`."""
    return chunk.get("choices") == []


def use_legacy_logprobs(chunk: Chunk) -> None:
    """Give a plain completion's chunk its log-probabilities in OpenAI's shape: llama.cpp's server has the chat's for
    both."""
    for choice in chunk.get("choices") or []:
        content = (choice.get("logprobs") or {}).get("content")
        if not content:
            continue
        choice["logprobs"] = {
            "tokens": [token["token"] for token in content],
            "token_logprobs": [token["logprob"] for token in content],
            "top_logprobs": [
                {other["token"]: other["logprob"] for other in token.get("top_logprobs") or []} for token in content
            ],
        }


def to_json(chunk: Chunk) -> str:
    return json.dumps(chunk, ensure_ascii=False, separators=(",", ":"))
