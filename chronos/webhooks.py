"""Who is told of the endings of videos, as the settings name them, and how it is signed (Standard Webhooks). Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable, Sequence
from typing import Any, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from schemas.webhook import Kind

PREFIX = "whsec_"
SHORTEST, LONGEST = 24, 64  # bytes of a secret, as Standard Webhooks wants them


class Endpoint(BaseModel):
    """A receiver. Its address without the query, where tokens are, is its name for ever."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str
    secret: tuple[SecretStr, ...] = Field(min_length=1, description="Several while one is being replaced.")
    creator: str | None = Field(default=None, min_length=1, description="Only this creator's videos.")
    events: tuple[Kind, ...] = Field(default=get_args(Kind), min_length=1)

    @field_validator("secret", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return (given,) if isinstance(given, str) else given

    @field_validator("secret")
    @classmethod
    def _are_secrets(cls, given: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in given:
            key_of(secret.get_secret_value())
        return given

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, given: str) -> str:
        parts = urlsplit(given)
        if parts.scheme not in ("https", "http") or not parts.hostname or not given.isprintable() or " " in given:
            raise ValueError("write it as https://host/path")
        if parts.username is not None or parts.fragment:
            raise ValueError("a user's name and a # have no place in it; the signature tells receivers who sends")
        if parts.port == 0:  # urlsplit refuses what is no port
            raise ValueError("there is no port 0")
        return given

    @property
    def target(self) -> str:
        return self.url.partition("?")[0]

    @property
    def encrypted(self) -> bool:
        return urlsplit(self.url).scheme == "https"

    def wants(self, kind: Kind, creator_id: str) -> bool:
        return kind in self.events and self.creator in (None, creator_id)

    def keys(self) -> list[bytes]:
        return [key_of(secret.get_secret_value()) for secret in self.secret]


def check(endpoints: Sequence[Endpoint], *, allow_own: bool) -> None:
    """
    Args:
        allow_own: receivers in one's own network, and without encryption.

    Raises:
        ValueError: with the remedy.
    """
    seen: set[str] = set()
    for endpoint in endpoints:
        if endpoint.target in seen:
            raise ValueError(f"{endpoint.target} is listed twice, and would get everything twice: make it one entry")
        seen.add(endpoint.target)
        if not endpoint.encrypted and not allow_own:
            raise ValueError(
                f"{endpoint.target} is without encryption: use https "
                "(CHRONOS_ALLOW_PRIVATE_ADDRESSES=true allows http, in your own network)"
            )


def shape(endpoints: Iterable[Endpoint]) -> str:
    """Who is told of what. A new receiver gets what happened before it came by a rewind; new secrets change nothing."""
    return " ".join(sorted(f"{one.target} {one.creator} {','.join(sorted(one.events))}" for one in endpoints))


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def key_of(secret: str) -> bytes:
    """The bytes that a secret stands for.

    Raises:
        ValueError: it is none.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except ValueError:
        key = b""
    if not secret.startswith(PREFIX) or not SHORTEST <= len(key) <= LONGEST:
        raise ValueError(
            f"a secret is {PREFIX} and {SHORTEST} to {LONGEST} bytes in base64; `chronos key --webhook` makes one"
        )
    return key


def message_id(input_id: str, target: str) -> str:
    """The same for every attempt to tell one receiver of one event."""
    return "msg_" + hashlib.sha256(f"{input_id}\0{target}".encode()).hexdigest()[:32]


def headers(keys: Iterable[bytes], id: str, at: int, body: bytes) -> dict[str, str]:
    """What proves to a receiver that a message comes from us, now. `at`: seconds since 1970."""
    signed = b"%s.%d.%s" % (id.encode(), at, body)
    signatures = (base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
