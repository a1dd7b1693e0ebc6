"""Faust, made safe: one app a function, on a consumer of ours that commits only what is done."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

import faust
import structlog
from faust.tables import TableManager
from yarl import URL

from streams.faust_consumer import SafeConsumer, SafeTransport
from streams.progress import Progress
from streams.runner import Runner

log = structlog.get_logger()

QUIET = 30.0  # seconds between two lines of the same kind


@dataclass(frozen=True)
class WorkerSettings:
    """How a worker's consumers behave.

    Args:
        session_timeout: seconds from a kill -9 to the moment when the group gives its partitions to others.
        drain: seconds for running work to end when partitions are let go; well under the rebalance timeout (60).
    """

    bootstrap: str
    security: Mapping[str, Any]
    session_timeout: float = 10.0
    heartbeat: float = 1.0
    commit_interval: float = 1.0
    drain: float = 20.0
    instance_id: str | None = None
    scratch: str = field(default_factory=tempfile.gettempdir)  # Faust wants a directory; it writes nothing there


class _NoTables(TableManager):
    """Starts at once. Faust's own waits for a second, at each start, for tables to be declared: we have none."""

    async def on_start(self) -> None:
        await self._update_channels()  # says that all tables there are: the consumer waits for that
        await self.recovery.start()


class FunctionApp(faust.App):
    """The Faust app of one function: its consumer hands every record to the runner, which acks it when it is done."""

    def __init__(
        self, runner: Runner, progress: Progress, group: str, topics: Iterable[str], settings: WorkerSettings
    ) -> None:
        url = URL(f"kafka://{settings.bootstrap}")
        super().__init__(
            group,
            broker=str(url),
            store="memory://",
            datadir=settings.scratch,
            web_enabled=False,
            TableManager=_NoTables,
            topic_disable_leader=True,
            topic_allow_declare=False,
            key_serializer="raw",
            value_serializer="raw",
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=settings.instance_id,
            consumer_max_fetch_size=8 * 1024 * 1024,
            broker_session_timeout=settings.session_timeout,
            broker_heartbeat_interval=settings.heartbeat,
            broker_commit_interval=settings.commit_interval,
            broker_max_poll_interval=365 * 24 * 3600.0,  # client-side only: an idle member past it never rejoins
            stream_wait_empty=False,
            **settings.security,
        )
        self.transport = SafeTransport([url], self)
        self._runner, self._progress, self._drain = runner, progress, settings.drain
        topic = self.topic(*topics, key_serializer="raw", value_serializer="raw")
        self.agent(topic, name="take")(_nothing)

    def _new_consumer(self) -> SafeConsumer:
        consumer: SafeConsumer = super()._new_consumer()  # type: ignore[assignment]  # our transport makes it
        consumer.runner, consumer.progress, consumer.drain = self._runner, self._progress, self._drain
        return consumer

    def safe_consumer(self) -> SafeConsumer:
        consumer: SafeConsumer = self.consumer  # type: ignore[assignment]  # our transport makes it
        return consumer


async def _nothing(stream: Any) -> None:
    """Faust subscribes to what its agents read. The consumer hands the records to the runner before they come here."""
    async for _ in stream:
        raise AssertionError("a record came past the runner: SafeConsumer._drain_messages is not what reads")


def assert_fast_faust() -> None:
    """Faust's Cython extension is there: without it an event costs several times as much.

    Raises:
        RuntimeError: with the remedy.
    """
    if find_spec("faust._cython.streams") is None:
        raise RuntimeError("faust-streaming was installed without its compiled part; install a wheel of it")


def quiet_faust() -> None:
    """Faust's and aiokafka's own chatter, down to what an operator must see, each line once in a while: a broker that
    is away gave 7,300 in 20 seconds (measured)."""
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for handler in logging.getLogger().handlers:
        if not any(isinstance(one, _NowAndThen) for one in handler.filters):
            handler.addFilter(_NowAndThen())


class _NowAndThen(logging.Filter):
    """Lets each line of other people's code through once in half a minute, without its trace."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        line, now = (record.name, str(record.msg)), time.monotonic()
        if now - self._last.get(line, -QUIET) < QUIET:
            return False
        self._last[line] = now
        record.exc_info = record.exc_text = None
        return True
