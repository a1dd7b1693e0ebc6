"""The read-only REST of a schema registry, so that Kafka UI and Confluent's clients decode our topics without one.

It knows what avsc/ holds. New schemas come by `python -m schemas write` and a release, never over HTTP.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from chronos import subjects
from chronos.api.keys import Scope
from chronos.api.problems import Refused
from chronos.api.resources import allowed
from chronos.subjects import NoSuchSchema
from schemas.event import MAX_LONG
from schemas.released import Release

VENDOR, PLAIN = "application/vnd.schemaregistry.v1+json", "application/json"


class Trouble(BaseModel):
    """An error, as a registry's clients expect it."""

    error_code: int = Field(description="The HTTP status, with two digits more where a registry's clients know them.")
    message: str


class Text(BaseModel):
    """A schema. It is Avro: so it is where `schemaType` is left out."""

    model_config = ConfigDict(serialize_by_alias=True, populate_by_name=True)
    schema_text: str = Field(alias="schema", max_length=1_000_000)


class Given(Text):
    """A schema that is looked for."""

    schemaType: str | None = Field(default=None, max_length=100)


class Version(BaseModel):
    subject: str
    version: int


class Known(Text, Version):
    id: int


class Compatibility(BaseModel):
    compatibilityLevel: str = subjects.COMPATIBILITY


class Mode(BaseModel):
    mode: str = "READONLY"


class _Route(APIRoute):
    """Ends every error in the registry's form, and answers with the media type that was asked for."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                response = await handle(request)
            except (NoSuchSchema, Refused, RequestValidationError, HTTPException) as error:
                response = _trouble(error)
            response.headers["Content-Type"] = media_type(request.headers.get("accept", ""))
            return response

        return handled


def _trouble(error: NoSuchSchema | Refused | RequestValidationError | HTTPException) -> Response:
    if isinstance(error, NoSuchSchema):
        return _answer(error.code // 100, error.code, str(error))
    if isinstance(error, Refused):
        return _answer(error.status, error.status, error.detail, error.headers)
    if isinstance(error, HTTPException):
        return _answer(error.status_code, error.status_code, str(error.detail), error.headers)
    said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
    return _answer(HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.UNPROCESSABLE_ENTITY, said)


def _answer(status: int, code: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(Trouble(error_code=int(code), message=message).model_dump(), status, headers)


def media_type(accept: str) -> str:
    """Kafka UI names several types and takes plain JSON alone: the vendor's is for those who take nothing else."""
    return VENDOR if "vnd.schemaregistry" in accept and PLAIN not in accept else PLAIN


router = APIRouter(
    route_class=_Route,
    tags=["registry"],
    dependencies=[Depends(allowed(Scope.READ))],
    responses={"default": {"model": Trouble, "description": "What is wrong, in a registry's form."}},
)

Subject = Annotated[str, Path(max_length=300, description="TOPIC-value.")]
Number = Annotated[str, Path(max_length=20, description="A number, or `latest`.")]
SchemaId = Annotated[int, Path(ge=0, le=MAX_LONG, alias="id", description="The four bytes behind the magic byte.")]


def _text(release: Release) -> str:
    return json.dumps(release.definition, ensure_ascii=False)


def _known(release: Release) -> Known:
    return Known(
        subject=subjects.subject_of(release), version=release.version, id=release.id, schema_text=_text(release)
    )


@router.get("/schemas/types")
async def types() -> list[str]:
    """The kinds of schemas that there are here."""
    return ["AVRO"]


@router.get("/schemas/ids/{id}")
async def schema(schema_id: SchemaId) -> Text:
    """The schema that a record was written with."""
    return Text(schema_text=_text(subjects.of_id(schema_id)))


@router.get("/schemas/ids/{id}/schema")
async def schema_alone(schema_id: SchemaId) -> dict[str, Any]:
    """The same, and nothing around it."""
    return subjects.of_id(schema_id).definition


@router.get("/schemas/ids/{id}/subjects")
async def subjects_of_schema(schema_id: SchemaId) -> list[str]:
    """Who uses a schema: one subject, since no two events share one."""
    return [subjects.subject_of(subjects.of_id(schema_id))]


@router.get("/schemas/ids/{id}/versions")
async def versions_of_schema(schema_id: SchemaId) -> list[Version]:
    """Which version of which subject a schema is."""
    release = subjects.of_id(schema_id)
    return [Version(subject=subjects.subject_of(release), version=release.version)]


@router.get("/subjects")
async def all_subjects() -> list[str]:
    """One for the values of each topic."""
    return sorted(subjects.by_subject())


@router.get("/subjects/{subject}/versions")
async def versions(subject: Subject) -> list[int]:
    """The versions of a subject."""
    return sorted(subjects.versions(subject))


@router.get("/subjects/{subject}/versions/{version}")
async def version(subject: Subject, version: Number) -> Known:
    """One version of a subject."""
    return _known(subjects.version(subject, version))


@router.get("/subjects/{subject}/versions/{version}/schema")
async def version_alone(subject: Subject, version: Number) -> dict[str, Any]:
    """Its schema, and nothing around it."""
    return subjects.version(subject, version).definition


@router.get("/subjects/{subject}/versions/{version}/referencedby")
async def referenced_by(subject: Subject, version: Number) -> list[int]:
    """The ids of schemas that refer to this one: each of ours stands for itself."""
    subjects.version(subject, version)
    return []


@router.post("/subjects/{subject}")
async def look_up(subject: Subject, given: Given) -> Known:
    """The version that a schema is, for clients that have the schema and want its id. Nothing is written."""
    return _known(subjects.find(subject, given.schema_text))


@router.get("/config")
@router.get("/config/", include_in_schema=False)
async def compatibility() -> Compatibility:
    """How versions go together: every one reads every other."""
    return Compatibility()


@router.get("/config/{subject}")
async def compatibility_of(subject: Subject) -> Compatibility:
    """The same for every subject."""
    subjects.versions(subject)
    return Compatibility()


@router.get("/mode")
@router.get("/mode/", include_in_schema=False)
async def mode() -> Mode:
    """It takes no schemas."""
    return Mode()


@router.get("/mode/{subject}")
async def mode_of(subject: Subject) -> Mode:
    """The same for every subject."""
    subjects.versions(subject)
    return Mode()


async def refuse() -> None:
    """What would change a registry."""
    detail = "this registry is read-only: `python -m schemas write` makes new versions, a release brings them"
    raise Refused(HTTPStatus.METHOD_NOT_ALLOWED, detail, {"Allow": "GET"})


WRITES = {
    "/subjects/{subject}": ["PUT", "DELETE"],
    "/subjects/{subject}/versions": ["POST"],
    "/subjects/{subject}/versions/{version}": ["DELETE"],
    "/config": ["PUT", "DELETE"],
    "/config/{subject}": ["PUT", "DELETE"],
    "/mode": ["PUT", "DELETE"],
    "/mode/{subject}": ["PUT", "DELETE"],
}

for _path, _methods in WRITES.items():
    router.add_api_route(_path, refuse, methods=_methods, include_in_schema=False)
