"""Embedding spaces: one model and dimension each; which there are and which one search uses."""

from __future__ import annotations

from pydantic import Field

from schemas.event import Fact


class SpaceRegistered(Fact, name="space.registered", version=1):
    """A model's vectors may be written from now on."""

    space: str = Field(description="model/dimensions")
    model: str
    dimensions: int = Field(ge=1, le=16_000)
    by: str
    why: str

    def key(self) -> str:
        return self.space

    def subject(self) -> str:
        return self.space


class SpaceActivated(Fact, name="space.activated", version=1):
    """Search uses this space from now on."""

    space: str
    by: str
    why: str

    def key(self) -> str:
        return self.space

    def subject(self) -> str:
        return self.space


class SpaceRetired(Fact, name="space.retired", version=1):
    """New videos are no longer embedded in this space."""

    space: str
    by: str
    why: str

    def key(self) -> str:
        return self.space

    def subject(self) -> str:
        return self.space
