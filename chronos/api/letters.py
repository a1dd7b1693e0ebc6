"""Dead letters over HTTP: the backlog, one letter, and what is done with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from chronos import app, browsing, deadletters, plans, showing
from chronos.api import logs, wishes
from chronos.api import system_forms as forms
from chronos.api.background import Progress
from chronos.api.desk import GOES_ON, At, Desk
from chronos.api.problems import RESPONSES
from chronos.api.resources import Has, Overseeing
from chronos.letters import Summary, whole_json
from schemas.topics import DEAD_LETTER

router = APIRouter(prefix="/v1", tags=["dead letters"], responses=RESPONSES)


@router.get("/deadletters")
async def backlog(
    has: Has,
    _: Overseeing,
    where: Annotated[list[wishes.Condition] | None, Query(max_length=20)] = None,
    since: Annotated[str | None, Query(max_length=40)] = None,
    before: Annotated[str | None, Query(max_length=40)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> forms.Letters:
    """The letters that are not done with, the oldest first, and how many there are of each cause."""
    choice = wishes.Letters(where=where or [], since=since or None, before=before or None).choice()
    found = [letter for letter in await deadletters.backlog(has.settings) if choice.takes(letter)]
    letters = [forms.Letter.model_validate(letter.to_json()) for letter in found[:limit]]
    return forms.Letters(total=len(found), groups=groups(found), letters=letters)


def groups(letters: Iterable[Summary]) -> list[forms.LetterGroup]:
    """By what they died of, the most frequent first."""
    found: dict[tuple[str, str, str | None], list[Summary]] = {}
    for letter in letters:
        found.setdefault((letter.type, letter.reason, letter.says("topic")), []).append(letter)
    return [_group(cause, some) for cause, some in sorted(found.items(), key=lambda one: -len(one[1]))]


def _group(cause: tuple[str, str, str | None], letters: Sequence[Summary]) -> forms.LetterGroup:
    kind, reason, topic = cause
    times = [letter.at for letter in letters]
    return forms.LetterGroup(
        type=kind, reason=reason, topic=topic, letters=len(letters), oldest_at=min(times), newest_at=max(times)
    )


@router.get("/deadletters/{letter}")
async def letter(
    has: Has, _: Overseeing, letter: Annotated[str, Path(max_length=40, description="Its place, as 3@17.")]
) -> forms.WholeLetter:
    """One letter: where it came from, why it is here, its headers and its bytes; long ones are cut."""
    found = await deadletters.letter(has.settings, letter)
    seen = browsing.see(app.codec(await app.topic_ids(has.settings)), found.original())
    said = logs.event(seen)
    return forms.WholeLetter.model_validate(
        {**_shown(whole_json(found)), "payload": said.payload, "problem": said.problem}
    )


def _shown(value: Any) -> Any:
    match value:
        case str():
            return showing.text(value)
        case dict():
            return {name: _shown(one) for name, one in value.items()}
        case list():
            return [_shown(one) for one in value]
        case _:
            return value


@router.post("/deadletters/redrive", responses=GOES_ON)
async def redrive(wish: wishes.Redrive, at: At) -> wishes.Operation:
    """Sends records back to the topics that they came from, with their own key, bytes and headers."""
    return await _done(at, wish, force=wish.force, drop=False)


@router.post("/deadletters/drop", responses=GOES_ON)
async def drop(wish: wishes.Letters, at: At) -> wishes.Operation:
    """Takes letters out of the backlog without sending them. They stay on the log."""
    return await _done(at, wish, force=False, drop=True)


async def _done(at: Desk, wish: wishes.Letters, *, force: bool, drop: bool) -> wishes.Operation:
    settings, choice = at.has.settings, wish.choice()

    async def work(progress: Progress) -> dict[str, Any]:
        plan = await deadletters.planned(settings, choice, force=force, drop=drop, progress=progress)
        if wish.confirm is None:
            return deadletters.to_json(plan, None)
        plans.check(plan, wish.confirm)
        return deadletters.to_json(plan, await deadletters.execute(settings, plan, wish.reason, progress))

    kind = "drop" if drop else "redrive"
    return await at.hand_in(kind, DEAD_LETTER, work, changing=wish.confirm is not None)
