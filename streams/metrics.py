"""What a process counts for its operators, as Prometheus metrics. No label names a creator or a video: there are few
series however many of them there are."""

from __future__ import annotations

import re
from collections.abc import Callable

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each, which nobody asks for

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
_LONG = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 14_400.0)

RUNS = Counter("chronos_runs", "Runs that ended, by how.", ("function", "ending"))
RUN_SECONDS = Histogram(
    "chronos_run_seconds", "From a run's first start to its ending, waits included.", ("function",), buckets=_LONG
)
ATTEMPTS = Counter("chronos_attempts", "Attempts that are over, by what came of them.", ("function", "outcome"))
ATTEMPT_SECONDS = Histogram("chronos_attempt_seconds", "An attempt's time at work.", ("function",), buckets=_LONG)
STEP_SECONDS = Histogram(
    "chronos_step_seconds", "A step's time, waits for a provider included.", ("function", "step"), buckets=_LONG
)
WAITING = Gauge("chronos_waiting_records", "Records in this process that wait for a turn.", ("function",))
DEAD_LETTERS = Counter("chronos_dead_letters", "Records that could not be read.", ("function",))

PAID_CALLS = Counter("chronos_paid_calls", "Calls of a paid provider, by what came of them.", ("model", "outcome"))
PAID_CALL_SECONDS = Histogram("chronos_paid_call_seconds", "A paid call's time.", ("model",), buckets=_LONG)
PAID_MICRO_USD = Counter("chronos_paid_micro_usd", "Millionths of a dollar that were spent.", ("model",))
MEMOIZED = Counter("chronos_memoized_results", "Paid results that were remembered instead of bought.", ("model",))
PROVIDER_PAUSE = Gauge(
    "chronos_provider_pause_seconds", "For how long this process leaves a provider alone.", ("provider", "model")
)
BREAKER_OPEN = Gauge("chronos_provider_breaker_open", "1 while a provider's breaker is open.", ("provider", "model"))

JOURNAL_SECONDS = Histogram(
    "chronos_journal_seconds", "A batch of requests to the journal; also while it is away.", ("request",),
    buckets=_QUICK,
)  # fmt: skip
FOLDED = Counter("chronos_projection_records", "Records that were folded into the tables.", ())
FOLD_SECONDS = Histogram("chronos_projection_batch_seconds", "One transaction of the projection.", (), buckets=_QUICK)
FOLD_DELAY = Histogram(
    "chronos_projection_delay_seconds", "From a record's time to its rows.", (), buckets=_LONG
)  # fmt: skip
CHECKPOINT_AT = Gauge("chronos_projection_checkpoint_timestamp_seconds", "When the checkpoints moved last.", ())

LAG_EVENTS = Gauge("chronos_lag_events", "Events that a group has not done.", ("group",))
LAG_SECONDS = Gauge("chronos_lag_seconds", "How long the oldest of them waits.", ("group",))
BROKER_UP = Gauge("chronos_broker_up", "1 while the broker answers.", ())
DATABASE_UP = Gauge("chronos_database_up", "1 while the database answers.", ())


def journal_seconds(request: str) -> Callable[[float], None]:
    """Takes the seconds of a batch of such requests."""
    return JOURNAL_SECONDS.labels(request).observe


_KIND = re.compile(r"[a-z-]*")


def step_kind(name: str) -> str:
    """A step's name without what is particular to one of many: a receiver, a model."""
    found = _KIND.match(name)
    return found.group() if found else ""
