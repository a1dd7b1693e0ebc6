"""The table of endings: no error is missing from it, and each ends as it says."""

from __future__ import annotations

import httpx
import pytest
from openai import APIStatusError

from chronos.adapters.openai_client import BY_CODE, BY_STATUS, fault
from chronos.adapters.openai_embedder import _EMBEDDING
from chronos.adapters.openai_speech import _SPEECH
from chronos.endings import ENDINGS, Ending
from streams.retry import Again, Blocked, Dead, Fault, Paced, Refused, Retry, Unavailable, judge

RETRY = Retry(attempts=3)
FAMILIES = {Fault, Refused, Unavailable, Paced, Blocked}  # never raised themselves
CHARGED: dict[Ending, bool] = {"retried": True, "paced": False, "blocked": False}


def conditions(family: type[Fault]) -> list[type[Fault]]:
    """A family's members, their own members as well."""
    below = family.__subclasses__()
    return [*below, *(one for member in below for one in conditions(member))]


def test_no_condition_is_missing_from_the_table() -> None:
    ours = [one for one in conditions(Fault) if one.__module__.split(".")[0] in ("streams", "agents", "chronos")]
    assert not {one.__name__ for one in ours if one not in FAMILIES and one not in ENDINGS}


def made(error: type[BaseException]) -> BaseException:
    return error("why", 7.0) if issubclass(error, Paced) and error.__init__ is Paced.__init__ else error("why")


@pytest.mark.parametrize("error", [error for error, ending in ENDINGS.items() if ending in CHARGED])
def test_what_is_tried_again_is_charged_as_the_table_says(error: type[BaseException]) -> None:
    verdict = judge(made(error), 1, RETRY)
    assert isinstance(verdict, Again)
    assert verdict.charged == CHARGED[ENDINGS[error]]
    assert issubclass(error, Blocked) == (ENDINGS[error] == "blocked")
    last = judge(made(error), RETRY.attempts, RETRY)
    assert isinstance(last, Dead) == verdict.charged  # what costs no attempt never runs out of them


@pytest.mark.parametrize("error", [error for error, e in ENDINGS.items() if e == "final" and issubclass(error, Fault)])
def test_what_is_final_has_no_second_attempt(error: type[BaseException]) -> None:
    assert isinstance(judge(made(error), 1, RETRY), Dead)


def answered(status: int, code: str | None) -> APIStatusError:
    response = httpx.Response(status, request=httpx.Request("POST", "https://provider.test/v1"))
    return APIStatusError("no", response=response, body={"message": "no", "code": code})


KINDS = {"refused": "final", "unavailable": "retried", "busy": "paced", "blocked": "blocked"}


@pytest.mark.parametrize("conditions", [_SPEECH, _EMBEDDING], ids=["speech", "embedding"])
@pytest.mark.parametrize("status", range(300, 600))
def test_every_status_of_a_provider_has_an_ending(conditions: object, status: int) -> None:
    condition = fault(answered(status, None), conditions)  # type: ignore[arg-type]
    assert ENDINGS[type(condition)] == KINDS[BY_STATUS.get(status, "unavailable")]


@pytest.mark.parametrize(("code", "kind"), BY_CODE.items())
def test_a_providers_own_word_goes_before_its_status(code: str, kind: str) -> None:
    for status in (400, 429, 500):
        assert ENDINGS[type(fault(answered(status, code), _SPEECH))] == KINDS[kind]
