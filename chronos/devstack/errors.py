"""What can go wrong with the embedded stack. Each message is one clear line with the remedy.

DevStackError
    AlreadyRunning      another supervisor holds this home
    PortTaken           another program listens on a port that was asked for
    JavaMissing         no Java of version 17 or newer
    JarAltered          a jar of Kafka's is not the pinned one
    JarsUnavailable     a jar of Kafka's could not be fetched
    StartFailed         a process ended, or stayed silent, before it was ready (the message has its last lines)
"""

from __future__ import annotations


class DevStackError(Exception):
    """The embedded stack cannot do what was asked."""


class AlreadyRunning(DevStackError):
    """Another supervisor holds this home."""


class PortTaken(DevStackError):
    """Another program listens on a port that was asked for."""


class JavaMissing(DevStackError):
    """There is no Java of version 17 or newer."""


class JarAltered(DevStackError):
    """A jar's bytes are not the pinned ones."""


class JarsUnavailable(DevStackError):
    """A jar could not be fetched or kept."""


class StartFailed(DevStackError):
    """A process ended, or stayed silent, before it was ready."""
