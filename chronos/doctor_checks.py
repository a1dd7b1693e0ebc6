"""The checks of `chronos doctor`. Each asks one part, within a few seconds, and names one remedy."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from datetime import UTC, datetime
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import httpx

from agents.ports import ObjectMissing
from chronos import app, budgeting, house, prices, sides
from chronos.broker import Broker, differences
from chronos.config import NotRunning, Settings
from chronos.doctor import SECONDS, Asked, Finding
from chronos.embedders import Embedders
from chronos.pipeline import EVENTS, FUNCTIONS
from schemas.__main__ import check as schema_problems
from schemas.catalogue import CATALOGUE
from schemas.released import AVSC
from schemas.topics import TOPICS
from streams import postgres
from streams.kafka import BrokerAway, Topics
from streams.postgres import load_queries
from streams.providers import Providers
from streams.retry import Fault

GIB = 1 << 30
LITTLE_DISK = 2 * GIB
NO_DATABASE = (NotRunning, OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
BEHIND = 10_000  # records; more is either a long backlog or a projection that does not move


async def packages(_settings: Settings) -> Finding:
    """Ours are really ours: other distributions also install a package named `agents`, for one."""
    try:
        house.check()
    except house.NotOurs as error:
        found, _, remedy = str(error).partition("; ")
        return Finding("packages", False, found, remedy)
    if find_spec("faust._cython.streams") is None:
        remedy = "install a wheel of it: pip install --only-binary :all: faust-streaming"
        return Finding("packages", False, "faust-streaming is here without its compiled part", remedy)
    return Finding("packages", True, "ours are ours, and Faust is the compiled one")


async def size(_settings: Settings) -> Finding:
    """What the environment takes on the disk. Its download is about a third of that."""
    disk = await asyncio.to_thread(_installed_bytes)
    return Finding("environment", True, f"{disk / GIB:.1f} GB on disk, about {disk / 3 / GIB:.1f} GB to download")


def _installed_bytes() -> int:
    """As the distributions' own records have it: no walk over 30,000 files."""
    return sum(file.size or 0 for one in distributions() for file in one.files or ())


async def broker(settings: Settings) -> Finding:
    try:
        count = await asyncio.to_thread(Topics(app.cluster(settings)).brokers, SECONDS - 1)
    except NotRunning as error:
        return Finding("broker", False, "none is named", str(error))
    except BrokerAway as error:
        return Finding("broker", False, str(error), "start it, or `chronos dev`, or check KAFKA_BOOTSTRAP_SERVERS")
    return Finding("broker", True, f"{settings.kafka()} answers, {count} in all")


async def topics(settings: Settings) -> Finding:
    try:
        there = await asyncio.to_thread(Broker(app.cluster(settings)).topics)
    except (NotRunning, BrokerAway) as error:
        return Finding("topics", False, str(error), "the broker first")
    missing = [name for name in TOPICS if name not in there]
    if missing:
        return Finding("topics", False, f"missing: {', '.join(missing)}", "chronos topics --create")
    wrong = {name: found for name in TOPICS if (found := differences(TOPICS[name], there[name]))}
    if wrong:
        name, found = next(iter(wrong.items()))
        remedy = "set it with kafka-configs; partitions cannot be taken away: see `chronos topics`"
        what = f"{len(wrong)} are not as the code has them; {name}: {'; '.join(found)}"
        return Finding("topics", False, what, remedy)
    records = sum(topic.records for topic in there.values())
    return Finding("topics", True, f"{len(TOPICS)} as the code has them, {records:,} records")


async def schemas(_settings: Settings) -> Finding:
    problems = schema_problems(AVSC, CATALOGUE)
    if problems:
        return Finding("schemas", False, problems[0], "python -m schemas check")
    return Finding("schemas", True, f"{len(CATALOGUE)} events as in schemas/avsc")


async def functions(settings: Settings) -> Finding:
    """Each function is a group that the broker knows, with members."""
    wanted = [(function.group(), [event.name for event in function.consumes]) for function in FUNCTIONS]
    try:
        groups = await asyncio.to_thread(Broker(app.cluster(settings)).groups, wanted)
    except (NotRunning, BrokerAway) as error:
        return Finding("functions", False, str(error), "the broker first")
    idle = [group.name for group in groups if not group.members]
    if idle:
        return Finding("functions", False, f"nobody works for {', '.join(idle)}", "start one: chronos worker")
    lag = sum(group.lag for group in groups)
    members = sum(group.members for group in groups)
    return Finding("functions", True, f"{len(groups)} registered, {members} members, {lag:,} records behind")


async def projection(settings: Settings) -> Finding:
    try:
        read, name = [event.name for event in EVENTS], await _projection_group(settings)
        (group,) = await asyncio.to_thread(Broker(app.cluster(settings)).groups, [(name, read)])
    except (NotRunning, BrokerAway) as error:
        return Finding("projection", False, str(error), "the broker first")
    if not group.members:
        return Finding("projection", False, "it does not run", "start it: chronos worker --projection")
    remedy = "it may be catching up: look again, and at its log: chronos logs" if group.lag > BEHIND else ""
    return Finding("projection", True, f"runs, {group.lag:,} records behind", remedy)


async def _projection_group(settings: Settings) -> str:
    """Of the side that is looked at; of the first one where the database cannot say."""
    try:
        async with sides.one_connection(settings) as connection:
            return await sides.active_group(connection)
    except NO_DATABASE:
        return sides.GROUP


async def database(settings: Settings) -> Finding:
    try:
        connection = await asyncpg.connect(settings.database(), timeout=SECONDS - 1)
    except NotRunning as error:
        return Finding("database", False, "none is named", str(error))
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        found = f"no database at {_place(settings.database())}: {str(error) or type(error).__name__}"
        return Finding("database", False, found, "start it, or `chronos dev`, or check DATABASE_URL")
    try:
        return await _tables(connection)
    finally:
        await connection.close(timeout=1)


async def _tables(connection: asyncpg.Connection) -> Finding:
    vector = await connection.fetchval("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
    if vector is None:
        return Finding("database", False, "it has no pgvector", "install the extension `vector` on the server")
    active = None
    if await connection.fetchval("SELECT to_regclass('chronos.active') IS NOT NULL"):
        active, _ = await sides.active(connection)
    for schema in (active or sides.LAYOUT, "journal"):
        if not await connection.fetchval("SELECT count(*) FROM pg_namespace WHERE nspname = $1", schema):
            return Finding("database", False, f"no schema {schema}", "a worker makes it at its start: chronos worker")
    version = await connection.fetchval("SHOW server_version")
    return Finding("database", True, f"Postgres {version}, pgvector {vector}, tables and journal")


def _place(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}"


async def storage(settings: Settings) -> Finding:
    """A file can be written and read back; of a bucket, that it is there and may be read."""
    if not settings.storage().startswith("file:"):
        return await _bucket(settings)
    from chronos.adapters.file_storage import FileStorage

    try:
        root = FileStorage.from_url(settings.storage()).root
        probe = root / f".doctor-{secrets.token_hex(4)}"
        root.mkdir(parents=True, exist_ok=True)
        probe.write_text("here")
        probe.unlink()
    except (OSError, ValueError) as error:
        return Finding("storage", False, f"{settings.storage()}: {error}", "check CHRONOS_STORAGE_URL and permissions")
    return Finding("storage", True, "can be written and read")


async def _bucket(settings: Settings) -> Finding:
    """Nothing is written there: not every key may delete it again."""
    with tempfile.TemporaryDirectory() as room:
        try:
            await app.store(settings).fetch(f".doctor-{secrets.token_hex(4)}", Path(room))
        except ObjectMissing:
            return Finding("storage", True, "the bucket is there and may be read")
        except (Fault, ValueError) as error:
            return Finding("storage", False, str(error), "see docs/how-to/stores.md")
    raise AssertionError("nobody has put such an object there")


async def provider(settings: Settings) -> Finding:
    """The AI answers, takes the key, and has both models."""
    if not (settings.openai_api_key or settings.openai_base_url):
        remedy = "set OPENAI_API_KEY, or start the local AI with `chronos dev`"
        return Finding("ai", False, "no provider is named", remedy)
    base = (settings.openai_base_url or "https://api.openai.com/v1").rstrip("/")
    where = urlsplit(base).netloc
    try:
        async with httpx.AsyncClient(timeout=SECONDS - 1) as client:
            headers = {"Authorization": f"Bearer {settings.api_key()}"}
            answer = await client.get(f"{base}/models", headers=headers)
    except httpx.HTTPError as error:
        remedy = "check OPENAI_BASE_URL and the network, or start the local AI with `chronos dev`"
        return Finding("ai", False, f"{where} is out of reach ({type(error).__name__})", remedy)
    if answer.status_code in (401, 403):
        return Finding("ai", False, f"{where} refuses the key ({answer.status_code})", "check OPENAI_API_KEY")
    if answer.status_code != httpx.codes.OK:
        return Finding("ai", False, f"{where} answers {answer.status_code}", "check OPENAI_BASE_URL")
    return _models(settings, where, answer)


def _models(settings: Settings, where: str, answer: httpx.Response) -> Finding:
    try:
        models = {model["id"]: model for model in answer.json()["data"]}
    except (ValueError, LookupError, TypeError):
        return Finding("ai", False, f"{where} gives no list of models", "check OPENAI_BASE_URL")
    wanted = tuple(dict.fromkeys((settings.speech(), *settings.creator_models.values(), settings.embedding())))
    missing = [model for model in wanted if model not in models]
    if missing:
        remedy = "set CHRONOS_SPEECH_MODEL and CHRONOS_EMBEDDING_MODEL to models that it has"
        return Finding("ai", False, f"{where} has no {' and no '.join(missing)}", remedy)
    warnings = prices.endings({model: models[model].get("shutdown_date") for model in wanted}, datetime.now(UTC).date())
    unpriced = prices.remedy_for_unknown(prices.unknown(settings, wanted))
    local = ", the local AI" if settings.local_ai else ""
    found = f"{where}{local}: {' and '.join(wanted)}"
    return Finding("ai", True, found, "; ".join([*warnings, *filter(None, [unpriced])]))


async def pace(settings: Settings) -> Finding:
    """Whether the workers may call the providers, by what they have written down of them."""
    try:
        pool = await postgres.connect(settings.database(), most=1)
    except NO_DATABASE as error:
        return Finding("pace", False, str(error), "the database first")
    try:
        troubles, held = await Providers(pool).troubles(), await budgeting.held(pool)
    except asyncpg.UndefinedTableError:
        return Finding("pace", True, "nothing was called yet")
    finally:
        await pool.close()
    said = "; ".join(f"{t.provider} {t.model} rests for {t.seconds:.0f} s: {t.reason}" for t in troubles)
    if closed := [trouble for trouble in troubles if trouble.open]:
        remedy = f"{closed[0].reason.split(': ')[-1]}; what waits goes on by itself then, no attempt is charged"
        return Finding("pace", False, said, remedy)
    found = "; ".join(filter(None, [said or "every provider may be called", held]))
    return Finding("pace", True, found, "chronos budget list" if held else "")


async def spaces(settings: Settings) -> Finding:
    """Whether the embedding space that search uses is one of these settings."""
    try:
        async with sides.one_connection(settings) as connection:
            await connection.execute(sides.SQL["use_active"], sides.LAYOUT)
            rows = await connection.fetch(load_queries("projections.sql", "spaces.sql")["states"])
    except asyncpg.UndefinedTableError:
        rows = []
    except NO_DATABASE as error:
        return Finding("spaces", False, str(error), "the database first")
    used = next((row["space"] for row in rows if row["state"] != "retired"), None)
    embedders = Embedders(settings)
    if used is None:
        return Finding("spaces", True, "no embedding space yet: the first worker makes one")
    if not embedders.allows(used):
        remedy = "give its price in CHRONOS_EMBEDDING_PRICES, or switch: chronos embeddings list"
        return Finding("spaces", False, f"search uses {used}, whose model has no price here", remedy)
    other = f"; the settings name {embedders.default}" if used != embedders.default else ""
    return Finding("spaces", True, f"search uses {used}{other}")


async def disk(settings: Settings) -> Finding:
    place = settings.home if settings.home.exists() else Path()
    free = shutil.disk_usage(place).free
    remedy = "free some: the log and the tables grow here" if free < LITTLE_DISK else ""
    return Finding("disk", not remedy, f"{free / GIB:.1f} GB free", remedy)


CHECKS = (
    Asked("packages", packages),
    Asked("environment", size),
    Asked("disk", disk),
    Asked("schemas", schemas),
    Asked("broker", broker),
    Asked("topics", topics, needs="broker"),
    Asked("database", database),
    Asked("storage", storage),
    Asked("ai", provider),
    Asked("pace", pace, needs="database"),
    Asked("spaces", spaces, needs="database"),
    Asked("functions", functions, needs="broker"),
    Asked("projection", projection, needs="broker"),
)
