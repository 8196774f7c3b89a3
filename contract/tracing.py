"""Traces of photos: spans upload, queue, claim, render and report, which form one tree.

Off by default: without `TRACE_EXPORT` nothing is imported and every call does nothing.
`TRACE_EXPORT` is the URL of an OTLP collector (`http://127.0.0.1:4318/v1/traces`) or a file, which gets one span as
JSON per line. It needs the extra `trace`. A context travels as the header `traceparent` of W3C Trace Context.

The context of a request or a job also goes into each of its log lines (`contract.logs`), with or without an export.
"""

from __future__ import annotations

import contextlib
import contextvars
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_CLOUD_TRACE = re.compile(r"([0-9a-f]{32})(?:/.*)?")
MAX_PENDING = 10_000
"""Number of photos whose contexts are stored between upload and claim."""

_current: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar("trace", default=("", ""))
"""Id of the trace, and the `traceparent` of the caller or an empty text."""
_tracer: Any = None


class TraceUnavailable(Exception):
    """`TRACE_EXPORT` is set, but the extra `trace` is not installed, or the file cannot be written."""


def set_up(environ: Mapping[str, str], service: str) -> None:
    """Export the spans of this process if `TRACE_EXPORT` is set. Raises TraceUnavailable."""
    global _tracer
    target = environ.get("TRACE_EXPORT", "").strip()
    if not target:
        return
    try:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor
    except ImportError as error:
        raise TraceUnavailable(f"TRACE_EXPORT needs the extra 'trace', which is not installed: {error}") from error
    provider = TracerProvider(resource=Resource.create({"service.name": service}))
    if target.startswith(("http://", "https://")):
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=target)))
    else:
        try:
            out = open(target, "a", encoding="utf-8", buffering=1)  # noqa: SIM115 - open as long as the process
        except OSError as error:
            raise TraceUnavailable(f"TRACE_EXPORT: the file cannot be written: {error}") from error
        lines = ConsoleSpanExporter(out=out, formatter=lambda span: span.to_json(indent=None) + "\n")
        provider.add_span_processor(SimpleSpanProcessor(lines))
    _tracer = provider.get_tracer("slideshow")


def trace_id(header: str | None, cloud_header: str | None = None) -> str:
    """Return the trace id of the header `traceparent`, or of `X-Cloud-Trace-Context`, or an empty text."""
    if match := _TRACEPARENT.fullmatch(header or ""):
        return match[1]
    match = _CLOUD_TRACE.fullmatch(cloud_header or "")
    return match[1] if match else ""


def current_trace() -> str:
    """Return the id of the trace that the running request or job belongs to, or an empty text."""
    return _current.get()[0]


def current_context() -> str:
    """Return the context that the running request or job came with as a `traceparent`, or an empty text."""
    return _current.get()[1]


def join(header: str | None, cloud_header: str | None = None) -> None:
    """Let the current request or job belong to the trace of these headers, as in `trace_id`."""
    valid = header if header and _TRACEPARENT.fullmatch(header) else ""
    _current.set((trace_id(header, cloud_header), valid))


@contextlib.contextmanager
def span(name: str, parent: str | None = None, **attributes: str | int | float) -> Iterator[str]:
    """Record a span around a block.

    Args:
        name: Its name.
        parent: Context of its parent as a `traceparent`; else it begins a trace.
        attributes: Its attributes.

    Yields:
        Its context as a `traceparent`, empty if traces are off.
    """
    if _tracer is None:
        yield ""
        return
    with _tracer.start_as_current_span(name, context=_context(parent), attributes=attributes) as made:
        yield _traceparent(made)


def past_span(name: str, parent: str | None, began: float, ended: float, **attributes: str | int | float) -> str:
    """Record a span between two times in seconds since the epoch; return its context, empty if traces are off."""
    if _tracer is None:
        return ""
    made = _tracer.start_span(
        name, context=_context(parent), attributes=attributes, start_time=int(min(began, ended) * 1e9)
    )
    made.end(int(ended * 1e9))
    return _traceparent(made)


def _context(parent: str | None) -> Any:
    from opentelemetry.trace import INVALID_SPAN_CONTEXT, NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    match = _TRACEPARENT.fullmatch(parent or "")
    if match is None:
        return set_span_in_context(NonRecordingSpan(INVALID_SPAN_CONTEXT))
    remote = SpanContext(int(match[1], 16), int(match[2], 16), is_remote=True, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(remote))


def _traceparent(made: Any) -> str:
    context = made.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


class PendingContexts:
    """Contexts of uploads until their photo is claimed, by photo id. In memory: a restart begins new traces."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._contexts: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def put(self, image_id: str, context: str, now: float) -> None:
        """Store the context of an upload that ended at `now`; an empty one is ignored."""
        if context:
            with self._lock:
                self._contexts[image_id] = (context, now)
                while len(self._contexts) > MAX_PENDING:
                    self._contexts.popitem(last=False)

    def take(self, image_id: str) -> tuple[str, float] | None:
        """Remove and return the context and the end of an upload."""
        with self._lock:
            return self._contexts.pop(image_id, None)


pending = PendingContexts()
"""Those of this process."""
