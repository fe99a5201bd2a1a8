"""Logs as JSON lines with the request's id, in the user's data folder, rotated. A prompt's text is in them only if
SERVE_LOG_PROMPTS asks."""

import contextvars
import json
import logging
import logging.handlers
import time
from pathlib import Path

LOG = logging.getLogger("blogtwin")
REQUEST_ID: contextvars.ContextVar[str] = contextvars.ContextVar(
    "request_id", default=""
)  # of the request that is being answered


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
    """Write to home/logs/serve.jsonl, five files of 5 MB. A log that can't be written stops nothing."""
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


def log_event(event: str, level: int = logging.INFO, error: BaseException | None = None, **fields) -> None:
    """A line, with the id of the request that it is about."""
    about = {"id": REQUEST_ID.get()} if REQUEST_ID.get() else {}
    LOG.log(level, event, extra={"fields": about | fields}, exc_info=error)
