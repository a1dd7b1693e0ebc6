"""Ports on loopback: free ones to choose, and a clear word when a wanted one is taken."""

from __future__ import annotations

import random
import socket

from chronos.devstack.errors import PortTaken

LOOPBACK = "127.0.0.1"

# Below 32768, where Linux begins to hand out ports for outgoing connections: a port that is free now is then not given
# to some client in the seconds until the server listens on it.
_CHOICE = range(20000, 32000)
_TRIES = 200

_given: set[int] = set()  # chosen, and perhaps not listened on yet


def is_free(port: int) -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a server that just ended does not count
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True


def answers(port: int) -> bool:
    """Whether something accepts connections on this port."""
    try:
        socket.create_connection((LOOPBACK, port), timeout=0.2).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """A free port, never the same twice in one process.

    Raises:
        PortTaken: none was found.
    """
    for port in random.sample(_CHOICE, _TRIES):
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise PortTaken(f"no free port on {LOOPBACK} among {_TRIES} tries from {_CHOICE.start} to {_CHOICE.stop}")


def preferred_port(usual: int, wanted: int | None, what: str) -> int:
    """The wanted port; else the usual one, or a free one where that is taken.

    Raises:
        PortTaken: the wanted one is in use.
    """
    return usual if wanted is None and is_free(usual) else claim_port(wanted, what)


def claim_port(wanted: int | None, what: str) -> int:
    """The wanted port, or a free one where none is wanted.

    Raises:
        PortTaken: the wanted one is in use.
    """
    if wanted is None:
        return free_port()
    if not is_free(wanted):
        raise PortTaken(
            f"port {wanted} for {what} is taken by another program; stop that, or leave the port unset for a free one"
        )
    return wanted
