"""Apache Kafka itself, one broker with its controller (KRaft) on loopback, and Kafka's own command-line tools."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Generator
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from chronos.devstack import kafka_classes
from chronos.devstack.java import UNSET, find_java
from chronos.devstack.kafka_jars import obtain
from chronos.devstack.ports import LOOPBACK, answers, claim_port, free_port
from chronos.devstack.process import Born, Child, Command, nobody_cares
from chronos.devstack.steps import Steps, Tell, drive, result, say_nothing

_START_SECONDS = 90.0  # 3 s here; a laptop that fetches, indexes and compiles at once takes many times that
_STOP_SECONDS = 15.0  # 0.4 s here, 4 s where it makes its classes for the next start; else it is killed
_STOPPED = 143  # how Java ends a SIGTERM

_REMEDY = "If its data is beyond help, `chronos dev --reset` begins with an empty log."

_CONFIG = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller}
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://{host}:{port},CONTROLLER://{host}:{controller}
advertised.listeners=PLAINTEXT://{host}:{port}
log.dirs={data}
auto.create.topics.enable=false
# One broker: what would be kept three times is kept once.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=10
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=10
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0
# The log is the truth: nothing in it grows old, nor does a group's place in it while its worker is off for a week.
log.retention.ms=-1
offsets.retention.minutes=5256000
# A transcript of many hours, or a batch of vectors, is one record.
message.max.bytes=16777216
replica.fetch.max.bytes=16777216
socket.request.max.bytes=104857600
# A broker that was killed is let in again when its old session is over: 5 s to a restart, not 11 s.
# A pause longer than this does no harm: it is let in again at its next heartbeat.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
# 128 MB by default, for logs far larger than these.
log.cleaner.dedupe.buffer.size=16777216
"""

_LOGGING = """\
status=warn
appender.out.type=Console
appender.out.name=out
appender.out.target=SYSTEM_ERR
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%d %p %m (%c{1})%n
rootLogger.level=warn
rootLogger.appenderRef.out.ref=out
logger.server.name=kafka.server.KafkaRaftServer
logger.server.level=info
logger.broker.name=org.apache.kafka.common.utils.AppInfoParser
logger.broker.level=error
"""

# For programs that end at once: they do not live to see the second compiler's work.
_SHORT = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")

_TOOLS = {
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-console-producer": "org.apache.kafka.tools.ConsoleProducer",
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-delete-records": "org.apache.kafka.tools.DeleteRecordsCommand",
    "kafka-get-offsets": "org.apache.kafka.tools.GetOffsetShell",
    "kafka-topics": "org.apache.kafka.tools.TopicCommand",
}


class KafkaBroker:
    """A broker with its data in `home/kafka` and its log in `home/logs/kafka.log`. A restart keeps the port.

    Start it in a thread that lives as long as it shall (see process.Command).
    """

    def __init__(
        self,
        home: Path,
        port: int | None = None,
        *,
        tell: Tell = say_nothing,
        born: Born = nobody_cares,
        more: str = "",
        makes_classes: bool = False,
    ) -> None:
        """
        Args:
            more: lines of its configuration that win over ours, for tests of other ones.
            makes_classes: its stop may take 4 s, once, so that later starts are quicker: see kafka_classes.py.
        """
        self.home = home.resolve()
        self._more = more
        self._makes_classes = makes_classes
        self._folder = self.home / "kafka"
        self._data = self._folder / "data"
        self._log = self.home / "logs" / "kafka.log"
        self._port = port
        self._tell = tell
        self._born = born
        self.child: Child | None = None  # the process, None before a start and after a stop

    @property
    def bootstrap(self) -> str:
        """`host:port` for clients. Known once it was started."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return self.child.pid if self.running and self.child else None

    @property
    def running(self) -> bool:
        return self.child is not None and self.child.exit_code is None

    def start(self) -> None:
        """Starts it and waits until it serves.

        Raises:
            DevStackError: see errors.py.
        """
        try:
            drive(self.starting())
        except BaseException:
            self.kill()
            raise

    def starting(self) -> Steps:
        """The steps of a start, for `drive`. Who drives kills it when a step raises."""
        java = find_java()
        jars = yield from obtain(self._folder / "fetching", self._tell)
        self._port = claim_port(self._port, "Kafka")
        self._prepare_folder()
        if not self._data.exists():
            self._tell("kafka", "preparing an empty log", None)
            yield from self._format(java, jars)
        self._tell("kafka", "starting", None)
        config = self._write_config(self._data)
        making = kafka_classes.making(java, self._classes) if self._makes_classes else ()
        self.child = Child(self._command(java, jars, *making, "kafka.Kafka", str(config)), born=self._born)
        yield from self.child.ready(self._serves, _START_SECONDS)
        self._tell("kafka", f"ready on {self.bootstrap}", 1.0)

    def stop(self) -> None:
        """Stops it cleanly, or kills it after a while."""
        if self.child is not None:
            self.child.stop(_STOP_SECONDS)
            if self.child.exit_code == _STOPPED and self._classes.exists():
                kafka_classes.keep(self._classes, find_java())
            self.child = None

    def kill(self) -> None:
        """kill -9."""
        if self.child is not None:
            self.child.kill()
            self.child = None

    @property
    def _classes(self) -> Path:
        return self._folder / "tmp" / "classes.aot"

    def _prepare_folder(self) -> None:
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)  # native parts of jars, left by a kill
        (self._folder / "tmp").mkdir(parents=True)
        (self._folder / "log4j2.properties").write_text(_LOGGING)

    def _write_config(self, data: Path) -> Path:
        config = self._folder / "server.properties"
        controller = free_port()
        config.write_text(
            (_CONFIG + self._more).format(host=LOOPBACK, port=self._port, controller=controller, data=data)
        )
        return config

    def _format(self, java: Path, jars: list[Path]) -> Generator[None, None, None]:
        """Formats aside, and renames when it is whole: a start that was cut off is not taken for a log."""
        unfinished = self._folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        config = self._write_config(unfinished)
        tool = ("kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", str(config))
        yield from Child(self._command(java, jars, *_SHORT, *tool), born=self._born).finished(_START_SECONDS)
        unfinished.rename(self._data)

    def _command(self, java: Path, jars: list[Path], *main: str) -> Command:
        options = (
            "-Xmx512m",
            # The quick compiler alone: a stack of minutes never earns back the slow one's work, which took half of two
            # cores while it warmed up. An idle video's way took 123 ms with it, 94 ms without (p50, measured).
            "-XX:TieredStopAtLevel=1",
            # G1 collects beside the work, on the cores that the work needs: a fifth of the broker's time (measured).
            "-XX:+UseSerialGC",
            "-XX:+ExitOnOutOfMemoryError",
            "-XX:-UsePerfData",  # else it leaves files in the system's /tmp
            f"-XX:ErrorFile={self.home / 'logs' / 'kafka-crash.log'}",
            f"-Djava.io.tmpdir={self._folder / 'tmp'}",
            f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}",
        )
        argv = (*_java(java, jars, *options), *main)
        return Command("Kafka", argv, self._log, unset=UNSET, remedy=_REMEDY)

    def _serves(self) -> bool:
        port = self._port
        if port is None or not answers(port):
            return False
        admin = AdminClient({"bootstrap.servers": self.bootstrap, "log_level": 0})
        try:
            return bool(admin.list_topics(timeout=1.0).brokers)
        except KafkaException:
            return False


def kafka_tool(
    name: str, *args: str, stdin: str | None = None, seconds: float = 60.0
) -> subprocess.CompletedProcess[str]:
    """Runs one of Kafka's own command-line tools, e.g. `kafka-consumer-groups`, and gives what it said.

    Raises:
        KeyError: there is no tool of that name here.
        subprocess.TimeoutExpired: it did not end within the limit (it is killed then).
        DevStackError: no Java, or a jar is missing.
    """
    main = _TOOLS[name]
    options = ("-Xmx256m", "-XX:-UsePerfData", *_SHORT)
    with tempfile.TemporaryDirectory() as aside:
        jars = result(obtain(Path(aside)))
    argv = [*_java(find_java(), jars, *options), main, *args]
    env = {key: value for key, value in os.environ.items() if key not in UNSET}
    return subprocess.run(argv, input=stdin, env=env, capture_output=True, text=True, timeout=seconds, check=False)


def _java(java: Path, jars: list[Path], *options: str) -> tuple[str, ...]:
    return (str(java), *kafka_classes.using(java), *options, "-cp", os.pathsep.join(map(str, jars)))


def _cluster_id() -> str:
    """What Kafka takes for an id: 16 random bytes in url-safe base64, without a dash in front."""
    return base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
