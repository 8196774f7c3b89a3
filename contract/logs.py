"""Log lines: readable text on a terminal, one JSON object per line on Cloud Run.

Cloud Logging reads `severity` and `message` from such an object
(https://cloud.google.com/run/docs/logging#using-json).
Every field of `extra={"fields": {...}}` is added to the object.
Secrets registered with `redact` never appear.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Mapping

import msgspec

_redacted: tuple[str, ...] = ()


def redact(secret: str) -> None:
    """Replace `secret` in every later log line. One of fewer than 8 characters is ignored: it would blank out words."""
    global _redacted
    if len(secret) >= 8:
        # The secret itself, and as it is escaped in a JSON string and in a Python repr.
        forms = {secret, msgspec.json.encode(secret)[1:-1].decode(), repr(secret)[1:-1]}
        # Longest first: if one secret contains another, no part of the longer one may remain.
        _redacted = tuple(sorted({*_redacted, *forms}, key=len, reverse=True))


def _clean(text: str) -> str:
    for secret in _redacted:
        text = text.replace(secret, "[redacted]")
    return _printable(text)


def _printable(text: str) -> str:
    """Escape lone surrogates, which come from file names that are not UTF-8 and cannot be encoded."""
    return text.encode("utf-8", "backslashreplace").decode()


_CONTROLS = {
    code: repr(chr(code))[1:-1] for code in (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029) if chr(code) != "\n"
}


def _on_one_line(text: str) -> str:
    """Escape line breaks and terminal control characters, so that a reported text cannot forge a line of the log."""
    return text.translate(_CONTROLS).replace("\n", "\\n")


def _indented(text: str) -> str:
    """Escape control characters, and indent the lines of a traceback: the text of an error may contain line breaks."""
    return text.translate(_CONTROLS).replace("\n", "\n  ")


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        line: dict[str, object] = {
            "severity": record.levelname,
            "message": _printable(message),
            "logger": record.name,
            "time": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
        }
        for key, value in getattr(record, "fields", {}).items():
            line.setdefault(key, _printable(value) if isinstance(value, str) else value)
        return _clean(msgspec.json.encode(line, enc_hook=str).decode())


class _TextLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created))
        fields = getattr(record, "fields", {})
        tail = "".join(f" {key}={value}" for key, value in fields.items())
        line = _on_one_line(_clean(f"{clock} {record.levelname.lower():7} {record.getMessage()}{tail}"))
        if record.exc_info:
            line += _indented(_clean("\n" + self.formatException(record.exc_info)))
        return line


def set_up(environ: Mapping[str, str] = os.environ, level: int = logging.INFO) -> None:
    """Send every log line of this process to stderr, as JSON on Cloud Run and as text elsewhere."""
    on_cloud_run = "K_SERVICE" in environ or ("CLOUD_RUN_JOB" in environ and "SLIDESHOW_LOCAL_TASK" not in environ)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines() if on_cloud_run else _TextLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for chatty in ("httpx", "httpcore", "pyvips", "alembic", "uvicorn.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
