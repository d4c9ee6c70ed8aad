"""Spans of what the worker does, for those who collect them; trace contexts are carried anyway.

OpenTelemetry is an optional extra. It is used where the environment names somewhere to send spans
to, by OpenTelemetry's own variables.
"""

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from consumers.records import Record
from consumers.trace import PARENT, STATE, trace_of
from storage.headers import unpack

if TYPE_CHECKING:
    from faststream.kafka.opentelemetry import KafkaTelemetryMiddleware
    from faststream.message import StreamMessage
    from opentelemetry.trace import TracerProvider

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_MOST_LINKS = 128
_END_SECONDS = 2.0


class TracingMissing(Exception):
    """Spans are to be sent, and the packages that send them are not there."""


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether the environment names somewhere to send spans to."""
    off = environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = environ.get("OTEL_TRACES_EXPORTER", "otlp") == "none"
    return any(environ.get(name) for name in _ENDPOINTS) and not off and not none


@contextmanager
def exporting(environ: Mapping[str, str] = os.environ) -> Iterator["TracerProvider | None"]:
    """What makes spans and sends them while the block runs; None where nobody wants them.

    Raises `TracingMissing`.
    """
    if not wanted(environ):
        yield None
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError as error:
        msg = (
            f"{_ENDPOINTS[0]} is set, and {error.name} is missing: pip install 'firstline[otel]',"
            " or leave the variable out"
        )
        raise TracingMissing(msg) from None
    resource = Resource.create({"service.name": environ.get("OTEL_SERVICE_NAME", "firstline")})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    try:
        yield provider
    finally:
        # Whoever collects spans may be away: a worker leaves in time all the same.
        ending = threading.Thread(target=provider.shutdown, daemon=True)
        ending.start()
        ending.join(_END_SECONDS)


def span_middleware(provider: "TracerProvider") -> "KafkaTelemetryMiddleware":
    """FastStream's spans, one a fetch, linked to those that sent its commands.

    Its own reading of headers and bodies never runs: `consumers.raw_messages` decodes neither.
    """
    from faststream.kafka.opentelemetry import KafkaTelemetryMiddleware  # noqa: PLC0415
    from faststream.opentelemetry.middleware import BaseTelemetryMiddleware  # noqa: PLC0415

    class Linked(BaseTelemetryMiddleware[Any]):
        async def consume_scope(self, call_next: Any, msg: "StreamMessage[Any]") -> Any:  # noqa: ANN401
            msg.batch_headers = links(msg.raw_message)
            return await super().consume_scope(call_next, msg)

    class Linking(KafkaTelemetryMiddleware):
        def __call__(self, msg: Any, /, *, context: Any) -> Linked:  # noqa: ANN401
            return Linked(
                msg,
                tracer=self._tracer,
                metrics_container=self._metrics,
                settings_provider_factory=self._settings_provider_factory,
                context=context,
            )

    return Linking(tracer_provider=provider)


def links(records: Sequence[Record]) -> list[dict[str, str]]:
    """The trace contexts of the first records that have one, as FastStream takes them."""
    found: list[dict[str, str]] = []
    for record in records:
        headers = {
            name.decode(): (value or b"").decode()
            for name, value in unpack(trace_of(record.headers))
        }
        if headers:
            found.append({"correlation_id": headers[PARENT], STATE: "", **headers})
            if len(found) == _MOST_LINKS:
                break
    return found
