"""Traces over headers: nothing when off, parents and marks when on, and metrics that stay few."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from chronos.api.keys import KeysMissing
from chronos.config import Settings
from chronos.logs import with_trace
from chronos.metrics_server import keyring_of
from streams import tracing
from streams.metrics import step_kind

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NAMED = (("traceparent", f"00-{TRACE}-{SPAN}-01".encode()), ("other", None))


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracing.use(provider.get_tracer("test"))
    yield exporter
    tracing.use(None)
    provider.shutdown()


def test_off_nothing_is_added_and_nothing_is_imported() -> None:
    with tracing.run("f", NAMED, dict), tracing.step("s"):
        assert tracing.marked(NAMED) is NAMED
        assert tracing.ids() == {}
    code = (
        "import sys, chronos.working, chronos.tracing; chronos.tracing.set_up(); print('opentelemetry' in sys.modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert said.stdout.strip() == "False"


def test_a_run_is_below_what_its_record_names_and_marks_what_it_says(spans: InMemorySpanExporter) -> None:
    with tracing.run("f", NAMED, lambda: {"video": "v", "creator": None}):
        with tracing.step("s"):
            line = with_trace(None, "info", {})
        (*_, (name, value)) = tracing.marked(())
    step, run = spans.get_finished_spans()
    assert run.parent is not None
    assert step.parent is not None
    assert (f"{run.context.trace_id:032x}", f"{run.parent.span_id:016x}") == (TRACE, SPAN)
    assert step.parent.span_id == run.context.span_id
    assert (name, value) == ("traceparent", f"00-{TRACE}-{run.context.span_id:016x}-01".encode())
    assert line == {"trace_id": TRACE, "span_id": f"{step.context.span_id:016x}"}
    assert dict(run.attributes or {}) == {"video": "v"}


def test_a_record_that_names_no_trace_begins_one_whatever_else_is_open(spans: InMemorySpanExporter) -> None:
    with tracing.step("something else"), tracing.run("f", (("traceparent", b"nonsense"),), dict):
        pass
    run, other = spans.get_finished_spans()
    assert run.parent is None
    assert run.context.trace_id != other.context.trace_id


def test_what_is_sent_for_a_request_is_below_the_trace_that_the_request_names(spans: InMemorySpanExporter) -> None:
    with tracing.below(NAMED), tracing.sending("transcribe.requested"):
        pass
    (span,) = spans.get_finished_spans()
    assert span.parent is not None
    assert f"{span.parent.span_id:016x}" == SPAN


def test_an_error_makes_the_span_fail_and_shows_no_key(spans: InMemorySpanExporter) -> None:
    with tracing.run("f", (), dict):
        tracing.note(outcome="failed", error="SpeechUnavailable: sk-abcdefghijklmnopqrstuvwx0123 was refused")
    (span,) = spans.get_finished_spans()
    assert not span.status.is_ok
    assert "efghijkl" not in span.to_json()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("transcribe", "transcribe"), ("webhook https://a.example/x", "webhook"), ("spaces for 1", "spaces")],
)
def test_steps_of_one_kind_are_one_series(name: str, kind: str) -> None:
    assert step_kind(name) == kind


def test_metrics_that_others_can_reach_want_a_key() -> None:
    with pytest.raises(KeysMissing, match="CHRONOS_READING_KEY"):
        keyring_of(Settings(event_key=("k",)), "0.0.0.0")
    assert keyring_of(Settings(), "127.0.0.1").is_empty()
