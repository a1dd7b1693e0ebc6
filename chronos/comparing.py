"""Two embedding spaces beside each other: how alike their first ten hits are, and whether a passage finds itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from chronos import app, spaces
from chronos.adapters import vectors
from chronos.config import Settings
from chronos.embedders import Embedders, NoSuchSpace, parts_of
from chronos.plans import name_of
from chronos.switching import Answers
from streams.postgres import Pool

FIRST = 10  # hits that are compared
SAMPLE = 30  # passages that are asked for where nobody gave questions
WORDS = 12  # of each passage


class TooDifferent(Exception):
    """The new space's answers are not enough like the old one's."""


@dataclass(frozen=True)
class Question:
    """What is asked, and the hit that must be there, where it is known."""

    text: str
    expected: str | None = None


@dataclass(frozen=True)
class Comparison:
    """A space against the one that search uses."""

    before: str
    after: str
    lacking: int  # videos without a complete set in the new one
    answers: tuple[Answers, ...]

    @property
    def id(self) -> str:
        return name_of([self.before, self.after, self.lacking])

    @property
    def overlap(self) -> float:
        """Recall at 10 against the active space: the mean share of its ten hits that the new one has among its ten."""
        return fmean(one.overlap for one in self.answers) if self.answers else 1.0

    def recall(self) -> tuple[float, float] | None:
        """In how many of the questions whose answer is known it is among the ten: before, and after."""
        asked = [one for one in self.answers if one.expected is not None]
        if not asked:
            return None
        return (
            fmean(one.expected in one.before for one in asked),
            fmean(one.expected in one.after for one in asked),
        )

    def to_json(self) -> dict[str, Any]:
        recall = self.recall()
        return {
            "plan": self.id,
            "from": self.before,
            "to": self.after,
            "lacking": self.lacking,
            "overlap": round(self.overlap, 3),
            "recall": {"from": round(recall[0], 3), "to": round(recall[1], 3)} if recall else None,
            "questions": [one.to_json() for one in self.answers],
        }


async def compare(settings: Settings, space: str, questions: Sequence[str] | None) -> Comparison:
    """Asks both spaces the same: the questions, or without any words out of the middle of passages from all over, of
    which it is known where they stand; nothing with None. Only videos that are in both spaces count. The questions are
    embedded, which may cost a little.

    Raises:
        NoSuchSpace: no such space is in use, or search uses none yet.
    """
    async with app.projection_pool(settings, most=2) as pool, app.embedders(settings) as embedders:
        known = await spaces.known(pool)
        active, new = spaces.active_of(known), spaces.one_of(known, space)
        if active is None or active.name == new.name:
            raise NoSuchSpace(f"search uses {space} already: there is nothing to compare it with")
        asked = [] if questions is None else [Question(text) for text in questions] or await _passages(pool)
        lacking = await pool.fetch(spaces.SQL["lacking"], new.name, None, None)
        pair = (active.name, new.name)
        answers = [await _ask(pool, embedders, question, pair) for question in asked]
        return Comparison(*pair, len(lacking), tuple(answers))


async def _passages(pool: Pool) -> list[Question]:
    rows = await pool.fetch(spaces.SQL["passages"], SAMPLE)
    return [
        Question(_middle(row["body"]), _name(row["creator_id"], row["video_id"], row["start_seconds"])) for row in rows
    ]


def _middle(text: str) -> str:
    words = text.split()
    first = max(0, (len(words) - WORDS) // 2)
    return " ".join(words[first : first + WORDS])


async def _ask(pool: Pool, embedders: Embedders, question: Question, pair: tuple[str, str]) -> Answers:
    before = await _nearest(pool, embedders, question.text, pair)
    after = await _nearest(pool, embedders, question.text, (pair[1], pair[0]))
    return Answers(question.text, before, after, question.expected)


async def _nearest(pool: Pool, embedders: Embedders, text: str, pair: tuple[str, str]) -> tuple[str, ...]:
    """The first hits in the first of two spaces. A video that is being embedded anew has two sets for a while."""
    space, other = pair
    vector = await embedders.of(space).embed_query(text)
    sql = spaces.SQL["nearest"].replace("embedding_cast", vectors.cast(parts_of(space)[1]))
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await connection.execute("SET LOCAL hnsw.iterative_scan = strict_order")
        rows = await connection.fetch(sql, vector, space, other, 3 * FIRST)
    names = dict.fromkeys(_name(row["creator_id"], row["video_id"], row["start_seconds"]) for row in rows)
    return tuple(names)[:FIRST]


def _name(creator_id: str, video_id: str, start: float) -> str:
    return f"{creator_id}/{video_id}@{start:.0f}"


@dataclass(frozen=True)
class Wish:
    """A space that search shall use, if its answers are enough like those of before."""

    space: str
    min_overlap: float | None = None
    questions: Sequence[str] | None = None
    partial: bool = False  # also where videos are missing


async def compare_for(settings: Settings, wish: Wish) -> Comparison:
    """What speaks for and against a wish: questions are asked where it depends on their answers.

    Raises:
        NoSuchSpace.
    """
    return await compare(settings, wish.space, (wish.questions or []) if wish.min_overlap is not None else None)


async def switch(settings: Settings, wish: Wish, found: Comparison, reason: str | None) -> str | None:
    """Has search use the space from its next question on; gives the one before.

    Raises:
        TooDifferent, NoSuchSpace, NotFolded.
    """
    gate(found, wish.min_overlap, partial=wish.partial)
    return await spaces.switch(settings, wish.space, reason)


def gate(comparison: Comparison, min_overlap: float | None, *, partial: bool) -> None:
    """
    Raises:
        TooDifferent: fewer of the old hits are left than were wanted, or videos are missing and nobody allowed that.
    """
    if comparison.lacking and not partial:
        raise TooDifferent(
            f"{comparison.lacking} videos are not in {comparison.after} yet: "
            f"`chronos embeddings build {comparison.after}` goes on with them; with --partial they stay where they are"
        )
    if min_overlap is not None and comparison.overlap < min_overlap:
        raise TooDifferent(
            f"{comparison.after} has {comparison.overlap:.0%} of the first hits of {comparison.before}, fewer than the "
            f"{min_overlap:.0%} that were asked for: nothing was switched; `chronos embeddings compare` shows them"
        )
