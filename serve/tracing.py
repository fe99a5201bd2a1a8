"""Traces by OpenTelemetry, where OTEL_EXPORTER_OTLP_ENDPOINT names a collector; otherwise nothing is imported or sent.

A request is a span, and each answer of a model one below it. They carry the route, the status and the model's name, and
no text, key or address. OpenTelemetry's own variables (OTEL_SERVICE_NAME, OTEL_EXPORTER_OTLP_HEADERS, …) are its own.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any

from blogtwin.errors import UserError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
PACKAGES = "opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
_provider: Any = None  # of OpenTelemetry; None: traces are off


def start_tracing() -> None:
    """Send traces, if an endpoint is given. Raises UserError where OpenTelemetry is not installed."""
    global _provider
    endpoint = next((name for name in ENDPOINTS if os.environ.get(name)), "")
    if not endpoint or _provider is not None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError:
        raise UserError(
            f"{endpoint} is set, and OpenTelemetry is not installed: run `.venv/bin/pip install {PACKAGES}`, or unset"
            " it."
        ) from None
    # OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win over the name here.
    own = {} if os.environ.get("OTEL_SERVICE_NAME") else {"service.name": "blogtwin"}
    _provider = TracerProvider(resource=Resource.create(own))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))


def stop_tracing() -> None:
    """Send what is left."""
    global _provider
    if _provider is not None:
        _provider.shutdown()
        _provider = None


@contextlib.contextmanager
def request_span(method: str, route: str, headers: Mapping[str, str]) -> Iterator[Any]:
    """The span of a request, below the caller's own (`traceparent`); None where traces are off."""
    if _provider is None:
        yield None
        return
    from opentelemetry.trace import SpanKind
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    above = TraceContextTextMapPropagator().extract({"traceparent": headers.get("traceparent", "")})
    attributes = {"http.request.method": method, "http.route": route}
    tracer = _provider.get_tracer("blogtwin")
    # An exception's message may hold what the caller sent.
    silent = {"record_exception": False, "set_status_on_exception": False}
    with tracer.start_as_current_span(f"{method} {route}", above, SpanKind.SERVER, attributes, **silent) as span:
        yield span


def start_answer(model: str) -> Any:
    """The span of a model's answer, below the request's; None where traces are off.

    It is not made the current one: an answer's generator may be left in another task than it was entered in.
    """
    if _provider is None:
        return None
    return _provider.get_tracer("blogtwin").start_span("answer", attributes={"gen_ai.request.model": model})


def end_answer(span: Any, end: str) -> None:
    """`end`: whole, cancelled or failed."""
    if span is not None:
        span.set_attribute("blogtwin.end", end)
        span.end()
