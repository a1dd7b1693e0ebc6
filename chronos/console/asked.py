"""What the address of a page asks for: an empty field of a form is none."""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BeforeValidator

T = TypeVar("T")

OrEmpty = Annotated[T | None, BeforeValidator(lambda value: value or None)]
