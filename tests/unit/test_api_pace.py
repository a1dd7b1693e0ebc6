"""How often one client may ask: what is counted, what is said of it, and where nothing is."""

from __future__ import annotations

import time

import pytest
from pydantic import ValidationError

from chronos.api.keys import Scope
from chronos.api.pace import Pace
from chronos.api.problems import Refused
from chronos.config import READING_RATE, SENDING_RATE, Settings

NOON = 1_800_000_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [NOON]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


async def taken(pace: Pace, scope: Scope, who: str) -> bool:
    try:
        await pace.take(scope, who)
    except Refused:
        return False
    return True


async def test_one_too_many_is_refused_and_told_when_to_come_again(clock: list[float]) -> None:
    pace = Pace("2/minute", "unlimited")
    assert (await pace.take(Scope.SEND, "ada"))["RateLimit"] == '"sending";r=1;t=60'
    clock[0] += 20
    assert await taken(pace, Scope.SEND, "ada")
    with pytest.raises(Refused, match="2 requests in 60 s") as refused:
        await pace.take(Scope.SEND, "ada")
    assert refused.value.status == 429
    assert refused.value.headers == {
        "Retry-After": "40",
        "RateLimit": '"sending";r=0;t=40',
        "RateLimit-Policy": '"sending";q=2;w=60',
    }
    clock[0] += 41
    assert await taken(pace, Scope.SEND, "ada")  # the first is a minute old, the second is not
    assert not await taken(pace, Scope.SEND, "ada")


async def test_who_sends_much_may_read_and_others_may_send(clock: list[float]) -> None:
    pace = Pace("1/minute", "1/minute")
    assert await taken(pace, Scope.SEND, "ada")
    assert await taken(pace, Scope.READ, "ada")
    assert await taken(pace, Scope.SEND, "bob")
    assert not await taken(pace, Scope.OPERATE, "ada")  # it is sending too
    assert not await taken(pace, Scope.READ, "ada")


@pytest.mark.parametrize(
    ("open_to_all", "sending", "reading"), [(True, None, None), (False, SENDING_RATE, READING_RATE)]
)
async def test_on_a_machine_of_ones_own_nothing_is_counted_unless_it_is_set(
    open_to_all: bool, sending: str | None, reading: str | None
) -> None:
    pace = Pace.of(Settings(), open_to_all=open_to_all)
    for scope, rate in ((Scope.SEND, sending), (Scope.READ, reading)):
        said = (await pace.take(scope, "ada")).get("RateLimit-Policy")
        assert said == (
            f'"{"sending" if scope is Scope.SEND else "reading"}";q={rate.split("/")[0]};w=60' if rate else None
        )
    set_here = Pace.of(Settings(sending_rate="1/hour", reading_rate="unlimited"), open_to_all=open_to_all)
    assert await taken(set_here, Scope.SEND, "ada")
    assert not await taken(set_here, Scope.SEND, "ada")
    assert await set_here.take(Scope.READ, "ada") == {}


@pytest.mark.parametrize("rate", ["often", "0/minute", "-1/minute", "10"])
def test_a_rate_that_is_none_is_refused_with_examples(rate: str) -> None:
    with pytest.raises(ValidationError, match="20/second"):
        Settings(sending_rate=rate)
