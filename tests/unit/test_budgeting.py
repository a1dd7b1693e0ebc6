"""Amounts as people write them, and what acts on the log say of budgets."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from chronos.budgeting import ACT, BadBudget, amount, told
from schemas.operating import OperatorActed


@pytest.mark.parametrize(
    ("text", "micro_usd"),
    [("5", 5_000_000), ("$0.50", 500_000), (" 0 ", 0), ("0.000001", 1), ("1000000", 10**12), ("none", None)],
)
def test_an_amount_is_dollars_or_none(text: str, micro_usd: int | None) -> None:
    assert amount(text) == micro_usd


@pytest.mark.parametrize("text", ["", "much", "-1", "1e99", "1000001", "0.0000001", "NaN", "Infinity", "1,5"])
def test_what_is_no_amount_is_refused_with_what_would_be_one(text: str) -> None:
    with pytest.raises(BadBudget, match="dollars"):
        amount(text)


def act(plan: object, name: str = ACT) -> OperatorActed:
    said = {"target": "ada", "by": "somebody", "reason": None, "outcome": "{}", "acted_at": datetime.now(UTC)}
    return OperatorActed(act_id="1", act=name, plan=plan if isinstance(plan, str) else json.dumps(plan), **said)


def test_an_act_tells_whose_budget_was_set_or_dropped() -> None:
    assert told(act({"creatorId": "ada", "microUsd": 7})) == ("ada", 7, False)
    assert told(act({"creatorId": "ada", "microUsd": None})) == ("ada", None, False)
    assert told(act({"creatorId": "", "dropped": True})) == ("", None, True)


@pytest.mark.parametrize("plan", ["no JSON", [], {}, {"creatorId": 1}, {"creatorId": "ada", "microUsd": "much"}])
def test_a_strangers_act_does_not_stop_the_journals_rebuild(plan: object) -> None:
    assert told(act(plan)) is None
    assert told(act({"creatorId": "ada"}, "rewind")) is None
