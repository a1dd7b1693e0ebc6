"""Has traces made and sent by OTLP over HTTP, where OTEL_EXPORTER_OTLP_ENDPOINT names a collector. OpenTelemetry's own
variables say the rest: OTEL_SERVICE_NAME, OTEL_RESOURCE_ATTRIBUTES, OTEL_EXPORTER_OTLP_HEADERS, OTEL_TRACES_SAMPLER."""

from __future__ import annotations

import os

from streams import tracing

SWITCH = "OTEL_EXPORTER_OTLP_ENDPOINT"


def set_up() -> None:
    """Once for a process; does nothing without an endpoint. What is not sent yet is sent when the process ends."""
    if not os.environ.get(SWITCH):
        return
    from importlib.metadata import version

    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    name = os.environ.get("OTEL_SERVICE_NAME", "chronos")
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: name, SERVICE_VERSION: version("chronos")}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracing.use(provider.get_tracer("chronos"))
