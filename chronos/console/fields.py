"""The form of a command: its fields come from the schema, as what is wrong with them does. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from schemas import people
from schemas.avro import Undecodable
from schemas.catalogue import CATALOGUE
from schemas.event import Event


@dataclass(frozen=True)
class Field:
    """One field as it stands in a form."""

    name: str
    required: bool
    about: str
    as_json: bool  # it has parts of its own
    value: str
    wrong: str = ""


class WrongFields(ValueError):
    """What was filled in is no command; `by_field` says why, and under "" what concerns none of them alone."""

    def __init__(self, by_field: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" if name else why for name, why in by_field.items()))
        self.by_field = by_field


def form(topic: str, filled: Mapping[str, str] | None = None, wrong: Mapping[str, str] | None = None) -> list[Field]:
    """The fields of a command's form: as they were filled in, or else as in its example."""
    example = people.example(topic)
    return [
        Field(
            name=(name := info.alias or attribute),
            required=info.is_required(),
            about=info.description or "",
            as_json=_has_parts(info),
            value=_written(example.get(name)) if filled is None else filled.get(name, ""),
            wrong=(wrong or {}).get(name, ""),
        )
        for attribute, info in CATALOGUE[topic].model_fields.items()
    ]


def read(topic: str, filled: Mapping[str, str]) -> Event:
    """The command that a form was filled in with. An empty field is absent.

    Raises:
        WrongFields.
    """
    given, wrong = {}, {}
    for field in form(topic, filled):
        if field.value.strip():
            try:
                given[field.name] = json.loads(field.value) if field.as_json else field.value
            except ValueError as error:
                wrong[field.name] = f"no JSON: {error}"
    if wrong:
        raise WrongFields(wrong)
    try:
        return people.from_json(topic, json.dumps(given).encode())
    except Undecodable as error:
        raise WrongFields(_by_field(error)) from error


def _by_field(error: Undecodable) -> dict[str, str]:
    cause = error.__cause__
    if not isinstance(cause, ValidationError):
        return {"": str(error)}
    return {str(one["loc"][0]) if one["loc"] else "": one["msg"] for one in cause.errors()}


def _has_parts(info: FieldInfo) -> bool:
    kinds = [_plain(kind) for kind in get_args(info.annotation) or (info.annotation,)]
    return not set(kinds) <= {str, int, float, bool, NoneType}


def _plain(kind: Any) -> Any:
    return get_args(kind)[0] if get_origin(kind) is Annotated else kind


def _written(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
