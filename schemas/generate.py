"""From an event's pydantic model to its Avro schema: the model is the one definition, the .avsc files follow it."""

from __future__ import annotations

import hashlib
import inspect
import re
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import fastavro.schema
from pydantic import AwareDatetime
from pydantic.fields import FieldInfo

from schemas.event import Event, Wire

Avro: TypeAlias = dict[str, Any]
"""A record schema, as in an .avsc file or as fastavro has parsed it."""

NAMESPACE = "chronos"
PLAIN: dict[Any, Any] = {
    str: "string",
    bytes: "bytes",
    bool: "boolean",
    int: "long",
    float: "double",
    AwareDatetime: {"type": "long", "logicalType": "timestamp-micros"},
}


class Unwritable(TypeError):
    """A field's type or default has no place in our Avro schemas. The message names the field."""


def generate(event: type[Event]) -> Avro:
    """The schema of the event's current version, as it is kept in avsc/.

    Raises:
        Unwritable: a field that Avro, or our rules for a schema's growth, cannot carry.
    """
    return {"type": "record", "namespace": NAMESPACE, **_record(event, record_name(event), {})}


def record_name(event: type[Event]) -> str:
    """From the wire name, which is for ever, and not from the class name: `chunk.requested` is ChunkRequested."""
    return "".join(word.capitalize() for word in re.split(r"[.-]", event.name))


def parse(schema: Avro) -> Avro:
    """The schema in the form that fastavro reads and writes with fast. A parsed one is given back as it is."""
    if "__fastavro_parsed" in schema:
        return schema
    parsed = fastavro.schema.parse_schema(schema)
    assert isinstance(parsed, dict)  # a record's schema is never a bare name or a union
    return parsed


def fingerprint(schema: Avro) -> str:
    """The start of the SHA-256 of Avro's parsing canonical form: equal for schemas with one and the same layout.

    The canonical form leaves out docs, defaults and logical types.
    """
    canonical = fastavro.schema.to_parsing_canonical_form(parse(schema))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _record(model: type[Wire], name: str, seen: dict[str, type[Wire]]) -> Avro:
    """`seen`: the records that are written out already, by name; from then on their name is enough."""
    seen[name] = model
    doc = inspect.cleandoc(model.__dict__.get("__doc__") or "")
    fields = [_field(f"{model.__name__}.{key}", info, seen) for key, info in model.model_fields.items()]
    return {"type": "record", "name": name, **({"doc": doc} if doc else {}), "fields": fields}


def _field(where: str, info: FieldInfo, seen: dict[str, type[Wire]]) -> Avro:
    kind = _type(where, info.annotation, seen)
    field = {"name": info.alias, "type": kind}
    if info.description:
        field["doc"] = info.description
    if isinstance(kind, list):
        field["default"] = None
    if not info.is_required():
        field["default"] = _default(where, info.get_default(call_default_factory=False), kind)
    return field


def _default(where: str, value: Any, kind: Any) -> Any:
    """Avro's default has to be of a union's first type, and null comes first in all of ours."""
    fits = value is None if isinstance(kind, list) else isinstance(value, (bool, int, float, str))
    if not fits:
        raise Unwritable(f"{where}: its default is {value!r}; null, a number, text, true or false can be one")
    return value


def _type(where: str, hint: Any, seen: dict[str, type[Wire]]) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin is Annotated:
        return _type(where, arguments[0], seen)
    if origin in (Union, UnionType) and len(arguments) == 2 and NoneType in arguments:
        return ["null", _type(where, next(a for a in arguments if a is not NoneType), seen)]
    if origin is list:
        return {"type": "array", "items": _type(where, arguments[0], seen)}
    if origin is Literal and all(isinstance(a, str) for a in arguments):
        return "string"
    if inspect.isclass(hint) and issubclass(hint, Wire):
        return _part(where, hint, seen)
    known = ", ".join(plain.__name__ for plain in PLAIN)
    raise Unwritable(f"{where}: no Avro type for {hint!r}; there are {known}, lists, `X | None` and other Wire models")


def _part(where: str, model: type[Wire], seen: dict[str, type[Wire]]) -> Any:
    name = model.__name__
    if name not in seen:
        return _record(model, name, seen)
    if seen[name] is not model:
        raise Unwritable(f"{where}: two parts of this event are named {name}; give one of them another name")
    return name
