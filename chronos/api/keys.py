"""Who may do what over HTTP: keys by scope, kept as hashes, several of each so that they can be rotated. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address


class Scope(StrEnum):
    """What a key opens."""

    SEND = "send"
    READ = "read"
    OPERATE = "operate"


class KeysMissing(Exception):
    """Others could reach the server, and nothing would keep them out."""


class BadKey(ValueError):
    """A key of the settings that makes no sense."""


@dataclass(frozen=True)
class Key:
    """A key's hash; `creator`: it shows this creator's videos alone."""

    digest: bytes
    creator: str | None = None


def parse(text: str) -> Key:
    """`sha256:HEX`, or the key itself; `@creator` behind the hash binds it.

    Raises:
        BadKey.
    """
    if not text.startswith("sha256:"):
        return Key(hashlib.sha256(text.encode()).digest())
    digest, _, creator = text.removeprefix("sha256:").partition("@")
    try:
        found = bytes.fromhex(digest)
    except ValueError:
        found = b""
    if len(found) != hashlib.sha256().digest_size:
        raise BadKey("a key's hash is sha256: and 64 hexadecimal digits; `chronos key` makes one")
    return Key(found, creator or None)


@dataclass(frozen=True)
class Keyring:
    """The keys of each scope. Without any, everything is open."""

    keys: dict[Scope, tuple[Key, ...]]

    @classmethod
    def of(cls, send: Iterable[str], read: Iterable[str], operate: Iterable[str]) -> Keyring:
        """
        Raises:
            BadKey.
        """
        given = {Scope.SEND: send, Scope.READ: read, Scope.OPERATE: operate}
        return cls({scope: tuple(map(parse, texts)) for scope, texts in given.items()})

    def is_empty(self) -> bool:
        return not any(self.keys.values())

    def missing(self) -> list[Scope]:
        """Scopes that nobody has a key of."""
        return [scope for scope, keys in self.keys.items() if not keys]

    def find(self, token: str, scope: Scope) -> Key | None:
        """The key that opens a scope; who may operate may read as well. Takes the same time for every wrong one."""
        digest = hashlib.sha256(token.encode()).digest()
        candidates = self.keys[scope] + (self.keys[Scope.OPERATE] if scope is Scope.READ else ())
        found = [key for key in candidates if hmac.compare_digest(key.digest, digest)]
        return found[0] if found else None


def token_of(authorization: str) -> str:
    """The key in a header: a bearer's, or that of basic authentication (the password, or the user where there is none),
    which is all that clients of a registry can send. Empty without one."""
    kind, _, given = authorization.partition(" ")
    if kind.lower() != "basic":
        return given.strip() if kind.lower() == "bearer" else ""
    try:
        user, _, password = base64.b64decode(given.strip(), validate=True).decode().partition(":")
    except ValueError:
        return ""
    return password or user


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
