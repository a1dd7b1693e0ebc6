"""Keys of the API: what each opens, how they are kept, and when a server may do without."""

from __future__ import annotations

import hashlib

import pytest

from chronos.api.keys import BadKey, Keyring, KeysMissing, Scope, is_loopback, parse, token_of
from chronos.api.server import keyring_of
from chronos.config import Settings


def hashed(key: str) -> str:
    return f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"


KEYS = Keyring.of(["old", hashed("new")], [f"{hashed('mine')}@ada"], [hashed("boss")])


@pytest.mark.parametrize("token", ["old", "new"])
def test_several_keys_open_a_scope_so_that_they_can_be_rotated(token: str) -> None:
    assert KEYS.find(token, Scope.SEND) is not None


@pytest.mark.parametrize(
    ("token", "scope"),
    [("old", Scope.READ), ("mine", Scope.SEND), ("mine", Scope.OPERATE), ("boss", Scope.SEND), ("", Scope.SEND)],
)
def test_a_key_opens_nothing_else(token: str, scope: Scope) -> None:
    assert KEYS.find(token, scope) is None


def test_who_may_operate_may_read_and_a_bound_key_knows_its_creator() -> None:
    assert KEYS.find("boss", Scope.READ) == parse(hashed("boss"))
    found = KEYS.find("mine", Scope.READ)
    assert found is not None
    assert found.creator == "ada"


@pytest.mark.parametrize("text", ["sha256:", "sha256:12", "sha256:" + "x" * 64])
def test_a_hash_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BadKey, match="chronos key"):
        parse(text)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("0.0.0.0", False), ("evil", False)],
)
def test_loopback_is_this_machine_alone(host: str, local: bool) -> None:
    assert is_loopback(host) is local


def test_beyond_this_machine_a_server_does_not_start_without_a_key_of_each_scope() -> None:
    with pytest.raises(KeysMissing, match="set CHRONOS_READING_KEY, CHRONOS_OPERATING_KEY"):
        keyring_of(Settings(event_key=("k",)), "0.0.0.0")
    assert keyring_of(Settings(), "127.0.0.1").is_empty()


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer k", "k"),
        ("bearer  k ", "k"),
        ("Basic dXNlcjprZXk=", "key"),  # user:key
        ("Basic a2V5Og==", "key"),  # key:
        ("Basic a2V5", "key"),  # key
        ("Basic not-base64", ""),
        ("Basic /w==", ""),  # no UTF-8
        ("Digest k", ""),
        ("", ""),
    ],
)
def test_a_key_is_a_bearers_or_that_of_basic_authentication(header: str, token: str) -> None:
    assert token_of(header) == token
