"""Logs as JSON lines with request ids, in the user's data folder, rotated. Prompts are logged only with
SERVE_LOG_PROMPTS=true."""

import contextvars
import json
import logging
import logging.handlers
import time
from pathlib import Path
from typing import Any

LOG = logging.getLogger("blogtwin")
# Of the request that is being answered.
REQUEST_ID: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        row = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{record.msecs:03.0f}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
        }
        row |= getattr(record, "fields", {})
        if record.exc_info:
            row["error"] = self.formatException(record.exc_info)
        return json.dumps(row, ensure_ascii=False, default=str)


def configure_logging(home: Path) -> None:
    """Log to home/logs/serve.jsonl, in five files of 5 MB. A log that can't be written stops no request."""
    logging.raiseExceptions = False
    (home / "logs").mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        home / "logs/serve.jsonl", maxBytes=5_000_000, backupCount=4, encoding="utf-8", delay=True
    )
    handler.setFormatter(JsonFormatter())
    for name in ("blogtwin", "uvicorn.error"):
        logger = logging.getLogger(name)
        for replaced in logger.handlers:
            replaced.close()
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)


def log_event(event: str, level: int = logging.INFO, error: BaseException | None = None, **fields: Any) -> None:
    """Log one line, with the id of the current request, and the traceback of `error`."""
    about = {"id": REQUEST_ID.get()} if REQUEST_ID.get() else {}
    LOG.log(level, event, extra={"fields": about | fields}, exc_info=error)
