"""What operators ask for. Everything dangerous is asked for twice: first without `confirm`, which changes nothing and
gives the plan; then with the plan's name, and it is done if the same words still give the same plan."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import ConfigDict, Field, ValidationError

from chronos import offsets, reprocessing
from chronos.api.forms import Form
from chronos.choosing import FIELDS, Question
from chronos.conditions import condition
from chronos.failures import Filter
from chronos.letters import FIELDS as LETTER_FIELDS
from chronos.letters import Choice
from chronos.moments import moment
from chronos.offsets import Way
from chronos.retrying import Wish as Retry
from schemas.batch import EmbeddingsBatchReprocess, VideoFilter

SEEN = r"^[^\x00]*$"  # no table can keep a NUL

Text = Annotated[str, Field(min_length=1, max_length=200, pattern=SEEN)]
Group = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[\w.-]+$")]
Moment = Annotated[str, Field(min_length=1, max_length=40, description="2h, 3d, or an ISO date or time.")]
Condition = Annotated[str, Field(max_length=500, description="field=value, field!=value or field~=text")]


class Wish(Form):
    """Base of all. A field that is not known is refused: a filter that was misspelt must not mean everything."""

    model_config = ConfigDict(extra="forbid")

    reason: str | None = Field(default=None, max_length=1000, pattern=SEEN, description="Why: it goes on the log.")


class Confirmed(Wish):
    confirm: str | None = Field(
        default=None, max_length=64, description="The name of the plan that was shown; without it nothing is done."
    )


class Retries(Confirmed):
    """What failed and is to be tried again; all that stands, where nothing is named."""

    video: Text | None = None
    creator: Text | None = None
    function: (
        Literal["transcribe-video", "generate-embeddings", "batch-reprocess-embeddings", "delete-video"] | None
    ) = None
    error_type: Text | None = None
    since: Moment | None = None
    before: Moment | None = None
    failures: list[UUID] = Field(default=[], max_length=10_000, description="Only these, by their event ids.")
    even_over: bool = Field(default=False, description="Also what was retried or completed since.")

    def wish(self) -> Retry:
        ids = frozenset(map(str, self.failures))
        chosen = Filter(self.function, self.error_type, self.creator, at(self.since), at(self.before), ids)
        return Retry(chosen, self.video, self.even_over)


class Letters(Confirmed):
    """Which dead letters; all, where nothing is named."""

    letters: list[Annotated[str, Field(max_length=40)]] = Field(default=[], max_length=10_000, description="As 3@17.")
    where: list[Condition] = Field(default=[], max_length=20)
    since: Moment | None = None
    before: Moment | None = None

    def choice(self) -> Choice:
        conditions = [condition(text, LETTER_FIELDS) for text in self.where]
        return Choice(frozenset(self.letters), conditions, at(self.since), at(self.before))


class Redrive(Letters):
    force: bool = Field(default=False, description="Also what has come back three times already.")


class Rewind(Wish):
    """Where a group shall begin: in one way, or by question, with the words of `chronos rewind`."""

    group: Group = Field(description="A function, or projection.")
    to_earliest: bool = False
    to_latest: bool = False
    to_current: bool = False
    to_datetime: Moment | None = None
    by_duration: Text | None = Field(default=None, description="PnDTnHnMnS")
    shift_by: Annotated[int, Field(ge=-(2**62), le=2**62)] | None = None
    to_offset: Annotated[int, Field(ge=0, le=2**62)] | None = None
    offsets: str | None = Field(default=None, max_length=100_000, description="Lines of topic,partition,offset.")
    where: list[Condition] = Field(default=[], max_length=20)
    video: Text | None = None
    since: Moment | None = None
    before: Moment | None = None
    topics: list[Text] = Field(default=[], max_length=100, description="name, or name:0,1,2")
    reemit: bool = Field(default=False, description="What is over says its facts again.")

    def question(self) -> Question | None:
        if not (self.where or self.video or self.since or self.before):
            return None
        conditions = [condition(text, FIELDS) for text in self.where]
        return Question(conditions, self.video, at(self.since), at(self.before))

    def check(self, group: str) -> None:
        """
        Raises:
            BadWay, BadCondition, NoMoment.
        """
        self.way(group)

    def way(self, group: str) -> Way | None:
        ways: dict[str, Way | None] = {
            "toEarliest": offsets.Earliest() if self.to_earliest else None,
            "toLatest": offsets.Latest() if self.to_latest else None,
            "toCurrent": offsets.Current() if self.to_current else None,
            "toDatetime": offsets.Moment(offsets.parse_moment(self.to_datetime)) if self.to_datetime else None,
            "byDuration": offsets.ago(self.by_duration, datetime.now(UTC)) if self.by_duration else None,
            "shiftBy": offsets.Shift(self.shift_by) if self.shift_by is not None else None,
            "toOffset": offsets.Offset(self.to_offset) if self.to_offset is not None else None,
            "offsets": offsets.parse_file(self.offsets, group) if self.offsets is not None else None,
        }
        return offsets.only_one(ways, asked=self.question() is not None)


class RewindNow(Rewind):
    confirm: str = Field(max_length=64, description="The name of the plan that was shown.")
    skip: bool = Field(default=False, description="Events may be passed over without being processed.")


class Cancel(Wish):
    """Names one run, and pays for nothing: it has no plan."""


class Reprocess(Confirmed):
    """Which videos are cut and embedded anew; all that is given must hold."""

    videos: list[Text] = Field(default=[], max_length=10_000)
    creator: Text | None = None
    status: Text | None = None
    model_not: Text | None = Field(default=None, description="Only videos without a full set of this model's.")
    before: Moment | None = Field(default=None, description="Only transcripts that are older.")

    def command(self) -> EmbeddingsBatchReprocess:
        """
        Raises:
            NoMoment.
            RequestValidationError: it names nothing, and that must not mean all.
        """
        conditions = {"creator_id": self.creator, "status": self.status, "model_not": self.model_not}
        try:
            return reprocessing.command(self.videos, VideoFilter(**conditions, before=at(self.before)), self.reason)
        except ValidationError as error:
            raise RequestValidationError(error.errors()) from error


class Rerun(Confirmed):
    stage: Literal["transcribe", "embed"] = Field(
        default="transcribe", description="Send the request again, or cut and embed the newest transcript again."
    )


class Switch(Confirmed):
    space: Text = Field(description="model/dimensions")
    min_overlap: Annotated[float, Field(ge=0, le=1)] | None = None
    questions: list[Annotated[str, Field(min_length=1, max_length=1000)]] | None = Field(default=None, max_length=200)
    partial: bool = Field(default=False, description="Also where videos are missing.")


class Deletion(Form):
    """What would go with a video."""

    plan: str
    video_id: str
    creator_id: str
    rows: dict[str, int] = Field(description="By table.")
    paid_results: int = Field(description="That no other video uses: they would be bought again if it came back.")
    shared_results: int


class Operation(Form):
    """Something that was begun. Its result is what the command line prints with --json."""

    id: str
    kind: str
    target: str
    by: str
    state: Literal["running", "done", "failed"]
    began_at: datetime
    ended_at: datetime | None
    step: str = Field(description="What it is at.")
    share: float = Field(description="How much of that is done, 0 to 1.")
    result: dict[str, Any] | None
    problem: str | None


class Operations(Form):
    operations: list[Operation]


def at(text: str | None) -> datetime | None:
    return None if text is None else moment(text, datetime.now(UTC))
