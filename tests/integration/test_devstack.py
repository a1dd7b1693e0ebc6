"""The embedded stack keeps data, refuses what is wrong in one line, and leaves nothing behind, however it ends."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import psutil  # type: ignore[import-untyped]  # ships no types
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from chronos.devstack import kafka_jars
from chronos.devstack.control import detach, reset, stop
from chronos.devstack.errors import AlreadyRunning, JarAltered, PortTaken, StartFailed
from chronos.devstack.home import holder, read_dev_json
from chronos.devstack.kafka import KafkaBroker, kafka_tool
from chronos.devstack.ports import free_port
from chronos.devstack.postgres import PostgresServer
from chronos.devstack.process import Child, Command
from chronos.devstack.stack import Beside, DevStack
from chronos.devstack.steps import drive, result

SUPERVISOR = """
import sys
from pathlib import Path
from chronos.devstack.stack import Beside, DevStack

with DevStack(Path(sys.argv[1]), tell=lambda *said: print(*said, flush=True)) as stack:
    stack.run(Beside("sleeper", ["sleep", "600"]))
    stack.announce()
    print(stack.wait(), flush=True)
"""


def supervise(home: Path) -> list[str]:
    return [sys.executable, "-c", SUPERVISOR, str(home)]


def eventually(true: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def running_in(home: Path) -> list[str]:
    """The processes that have this home on their command line or as their working directory, but for pytest itself."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline", "status"]):
        line = " ".join(process.info["cmdline"] or [])
        if str(home) in line and process.info["status"] != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
            found.append(f"{process.pid} {line[:80]}")
    return found


def write(bootstrap: str, topic: str, value: bytes) -> None:
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result()
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    producer.produce(topic, value)
    assert producer.flush(20) == 0


def read(bootstrap: str, topic: str, group: str = "reader") -> bytes | None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group, "log_level": 0})
    consumer.assign([TopicPartition(topic, 0, 0)])
    message = consumer.poll(20)
    assert message is not None
    consumer.commit(message=message, asynchronous=False)
    consumer.close()
    value = message.value()
    return value if isinstance(value, bytes) else None


async def ask(url: str, *statements: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements[:-1]:
            await connection.execute(statement)
        return await connection.fetchval(statements[-1])
    finally:
        await connection.close()


@pytest.fixture(scope="module")
def long_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A path longer than the file of a unix socket may have."""
    return tmp_path_factory.mktemp("stack") / ("deep" * 30)


@pytest.fixture(scope="module")
def stack(long_home: Path) -> Iterator[DevStack]:
    with DevStack(long_home) as stack:
        stack.run(Beside("sleeper", ["sleep", "600"]))
        stack.announce(console_url="http://127.0.0.1:8288")
        yield stack


async def test_what_was_written_is_there_after_kill_9_of_broker_and_database(stack: DevStack) -> None:
    write(stack.bootstrap, "kept", b"in the log")
    await ask(stack.database_url, "CREATE TABLE kept AS SELECT 7 AS seven", "SELECT 1")
    stack.kafka.kill()
    stack.postgres.kill()
    drive(stack.kafka.starting(), stack.postgres.starting())
    assert read(stack.bootstrap, "kept") == b"in the log"
    assert await ask(stack.database_url, "SELECT seven FROM kept") == 7


async def test_vectors_can_be_kept_and_a_commit_reaches_the_disk(stack: DevStack) -> None:
    distance = "SELECT '[1,2]'::vector <-> '[1,5]'::vector"
    assert await ask(stack.database_url, "CREATE EXTENSION IF NOT EXISTS vector", distance) == 3.0
    assert await ask(stack.database_url, "SHOW fsync") == "on"


async def test_another_user_of_the_machine_cannot_read_the_database(stack: DevStack) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(stack.database_url, password="guessed")
    assert (stack.home / "dev.json").stat().st_mode & 0o077 == 0


def test_a_misspelt_topic_is_not_created_by_writing_to_it(stack: DevStack) -> None:
    admin = AdminClient({"bootstrap.servers": stack.bootstrap, "log_level": 0})
    admin.list_topics("transcribe.requestde", timeout=10)  # what a producer asks for; auto-creation would answer it
    assert "transcribe.requestde" not in admin.list_topics(timeout=10).topics


def test_kafkas_own_tool_shows_the_lag_of_a_group(stack: DevStack) -> None:
    write(stack.bootstrap, "lagging", b"first")
    read(stack.bootstrap, "lagging", group="chronos.example")
    sent = kafka_tool(
        "kafka-console-producer", "--bootstrap-server", stack.bootstrap, "--topic", "lagging", stdin="second\nthird\n"
    )
    assert sent.returncode == 0, sent.stderr
    said = kafka_tool(
        "kafka-consumer-groups", "--bootstrap-server", stack.bootstrap, "--describe", "--group", "chronos.example"
    )
    assert said.stdout.split()[-9:][:5] == ["chronos.example", "lagging", "0", "1", "3"], said.stdout + said.stderr


@pytest.mark.long
def test_a_broker_leaves_its_classes_to_the_next_and_damaged_ones_stop_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    broker = KafkaBroker(tmp_path, makes_classes=True)
    assert [_with_prepared_classes(broker), _with_prepared_classes(broker)] == [False, True]
    (kept,) = (tmp_path / "cache" / "chronos").iterdir()
    os.truncate(kept, kept.stat().st_size // 2)
    assert not _with_prepared_classes(broker)


def _with_prepared_classes(broker: KafkaBroker) -> bool:
    """Whether it maps any, in one run of it."""
    broker.start()
    try:
        return ".aot" in Path(f"/proc/{broker.pid}/maps").read_text()
    finally:
        broker.stop()


def test_a_second_supervisor_of_the_same_home_is_refused_with_the_pid_of_the_first(stack: DevStack) -> None:
    with pytest.raises(AlreadyRunning, match=f"supervisor {os.getpid()}"):
        DevStack(stack.home).start()
    with pytest.raises(AlreadyRunning):
        reset(stack.home)
    assert stack.died() is None


def test_dev_json_says_where_everything_listens(stack: DevStack) -> None:
    said = json.loads((stack.home / "dev.json").read_text())
    info = read_dev_json(stack.home)
    assert info is not None
    assert info.to_json() == said
    assert said["kafka"]["bootstrap"] == stack.bootstrap
    assert said["database"]["url"] == stack.database_url
    assert said["supervisorPid"] == os.getpid()
    assert [worker["name"] for worker in said["workers"]] == ["sleeper"]


def test_a_command_that_never_gets_ready_is_shown_with_its_last_words(tmp_path: Path) -> None:
    command = Command("worker", ["sh", "-c", "echo no such model; exit 3"], tmp_path / "worker.log")
    with pytest.raises(StartFailed, match=r"(?s)worker ended with exit code 3 .*no such model"):
        drive(Child(command).ready(lambda: False, 10))


def test_a_command_that_stays_silent_is_given_up_after_its_limit(tmp_path: Path) -> None:
    child = Child(Command("worker", ["sleep", "600"], tmp_path / "worker.log"))
    with pytest.raises(StartFailed, match="worker was not ready after 0 s"):
        drive(child.ready(lambda: False, 0.1))
    child.kill()


def test_a_command_that_does_not_end_when_asked_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    script = "trap '' TERM; sleep 600 & echo $! > inner; wait; wait"
    child = Child(Command("worker", ["sh", "-c", f"cd {tmp_path}; {script}"], tmp_path / "worker.log"))
    assert eventually(lambda: (tmp_path / "inner").exists() and (tmp_path / "inner").read_text() != "")
    inner = psutil.Process(int((tmp_path / "inner").read_text()))
    child.stop(seconds=0.1)
    assert child.exit_code == -signal.SIGKILL
    assert eventually(lambda: not inner.is_running() or inner.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("server", [KafkaBroker, PostgresServer])
def test_a_taken_port_is_one_clear_line(server: type[KafkaBroker | PostgresServer], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", free_port())) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"^port {port} for .* is taken") as refused:
            server(tmp_path, port).start()
    assert "\n" not in str(refused.value)


def test_an_altered_jar_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kafka_jars_here = kafka_jars.repository()
    result(kafka_jars.obtain(tmp_path / "aside"))
    for jar in kafka_jars.pinned():
        (tmp_path / jar.place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / jar.place).symlink_to(kafka_jars_here / jar.place)
    altered = tmp_path / next(jar for jar in kafka_jars.pinned() if jar.artifact == "kafka-clients").place
    bytes_then = bytearray(altered.read_bytes())
    bytes_then[1000] ^= 1
    altered.unlink()
    altered.write_bytes(bytes_then)
    monkeypatch.setenv("M2_REPO", str(tmp_path))
    with pytest.raises(JarAltered, match=r"kafka-clients 4\.3\.1.*remove that file"):
        KafkaBroker(tmp_path / "home").start()


def test_a_stack_in_the_background_stops_when_asked_and_its_data_can_be_removed(tmp_path: Path) -> None:
    home = tmp_path / "home"
    info = detach(supervise(home), home, tmp_path / "dev.log")
    assert info == read_dev_json(home)
    assert stop(home)
    assert "KeyboardInterrupt" in (tmp_path / "dev.log").read_text()
    assert running_in(home) == []
    assert read_dev_json(home) is None
    assert not stop(home)
    reset(home)
    assert not (home / "kafka").exists()
    assert not (home / "postgres").exists()


def test_a_stack_that_fails_in_the_background_says_why(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"(?s)ended with exit code 1 .*ZeroDivisionError"):
        detach([sys.executable, "-c", "1 / 0"], tmp_path, tmp_path / "dev.log")


def test_a_stack_whose_worker_dies_says_so_and_stops(tmp_path: Path) -> None:
    home = tmp_path / "home"
    info = detach(supervise(home), home, tmp_path / "dev.log")
    os.kill(info.workers[0].pid, signal.SIGTERM)
    assert eventually(lambda: holder(home) is None)
    assert "sleeper ended by itself with signal SIGTERM" in (tmp_path / "dev.log").read_text()
    assert eventually(lambda: running_in(home) == [])


def test_two_stacks_run_side_by_side_and_kill_9_of_a_supervisor_ends_only_its_own(
    tmp_path: Path, stack: DevStack
) -> None:
    home = tmp_path / "home"
    info = detach(supervise(home), home, tmp_path / "dev.log")
    assert info.bootstrap != stack.bootstrap
    os.kill(info.supervisor_pid, signal.SIGKILL)
    assert eventually(lambda: running_in(home) == [] and not psutil.pid_exists(info.workers[0].pid))
    assert read_dev_json(home) is None
    assert stack.died() is None


def test_what_a_killed_supervisor_left_is_ended_by_the_next(tmp_path: Path) -> None:
    orphan = subprocess.Popen(["sleep", "600"])
    innocent = subprocess.Popen(["sleep", "600"])
    try:
        noted = [
            {"pid": orphan.pid, "started": psutil.Process(orphan.pid).create_time()},
            {"pid": innocent.pid, "started": psutil.Process(innocent.pid).create_time() - 3600},  # its pid, not it
        ]
        (tmp_path / "processes.json").write_text(json.dumps(noted))
        (tmp_path / "dev.json").write_text("{}")
        reset(tmp_path)
        assert orphan.wait(5) == -signal.SIGKILL
        assert innocent.poll() is None
        assert not (tmp_path / "dev.json").exists()
    finally:
        orphan.kill()
        innocent.kill()
        orphan.wait()
        innocent.wait()


@pytest.mark.parametrize("moment", ["preparing an empty database", "postgres starting", "kafka starting"])
def test_ctrl_c_during_a_start_leaves_no_process(moment: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    supervisor = subprocess.Popen(supervise(home), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert supervisor.stdout is not None
    for line in supervisor.stdout:
        if moment in line:
            supervisor.send_signal(signal.SIGINT)
            break
    supervisor.stdout.read()
    assert supervisor.wait(30) == -signal.SIGINT  # Python's own end after a KeyboardInterrupt
    assert running_in(home) == []
    assert holder(home) is None
    supervisor.stdout.close()
    shutil.rmtree(home)
