"""Settings: from the environment first, then from the stack that runs in this folder (`.chronos/dev.json`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from chronos import models, webhooks
from chronos.devstack.home import Info, read_dev_json
from chronos.guard import Guard
from chronos.kafka_security import PLAIN, KafkaSecurity
from chronos.store_settings import StoreSettings, named
from chronos.webhooks import Endpoint
from streams.redaction import keep_secret

LOCAL_SPEECH, LOCAL_EMBEDDING, LOCAL_DIMENSIONS = "whisper-tiny.en", "multilingual-e5-small", 384
SPEECH, EMBEDDING, DIMENSIONS = "gpt-transcribe", "text-embedding-3-small", 1536

UNLIMITED = "unlimited"
SENDING_RATE = "1200/minute"
"""20 a second of one key, each with up to 1,000 events. Much below, a producer that sends its videos one by one would
feel it; without a rate, one client keeps all others from the broker."""
READING_RATE = "6000/minute"
"""100 a second: a page of the console may ask for ten things, and several people may share a key."""


class NotRunning(Exception):
    """No broker or database is named by the environment, and no stack runs in this folder."""


def _passwords(*urls: str | None) -> Iterator[str]:
    """The passwords in URLs, as they are written and as they are meant; none that is the name of something as well."""
    for url in urls:
        try:
            parts = urlsplit(url or "")
            password, names = parts.password, {parts.username, parts.hostname, parts.path.strip("/"), "postgres"}
        except ValueError:
            continue
        if password and password not in names:
            yield from (password, unquote(password))


class Settings(StoreSettings):
    """Everything that can be set. Our own names begin with CHRONOS_; the ones that users have already are honoured."""

    model_config = SettingsConfigDict(env_prefix="CHRONOS_", extra="ignore", populate_by_name=True, frozen=True)

    home: Path = Path(".chronos")
    kafka_bootstrap_servers: str | None = named("KAFKA_BOOTSTRAP_SERVERS")
    kafka_security: KafkaSecurity = Field(default_factory=KafkaSecurity, description="KAFKA_SECURITY_PROTOCOL, …")
    database_url: str | None = named("DATABASE_URL")
    openai_api_key: SecretStr | None = named("OPENAI_API_KEY")
    openai_base_url: str | None = named("OPENAI_BASE_URL")

    storage_url: str | None = Field(default=None, description="Where the videos are; a folder of the home if absent.")
    https_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Hosts whose https links are storage paths too: example.org,*.example.org."
    )
    allow_private_addresses: bool = Field(default=False, description="Links may lead into your own network.")
    largest_download: int = Field(default=20 << 30, ge=1, description="Bytes of a video that is downloaded.")
    speech_model: str | None = None
    creator_models: dict[str, str] = Field(
        default_factory=dict, description="Speech models of single creators, by creator; the others have speech_model."
    )
    speech_abilities: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="What a model of your own can do, by model. See chronos/models.py."
    )
    speech_context: bool = Field(
        default=False, description="Each call is told how the one before ended, and so they are made one by one."
    )
    guard: dict[str, Any] = Field(
        default_factory=dict,
        description="What is not believed of an answer: no_speech, logprob, compression, repeats. See guard.py.",
    )
    embedding_model: str | None = None
    embedding_dimensions: int | None = Field(default=None, ge=1, le=16_000)
    speech_prices: dict[str, int] = Field(default_factory=dict)
    embedding_prices: dict[str, int] = Field(default_factory=dict)
    chunking: dict[str, int] = Field(
        default_factory=dict,
        description="Words a chunk: shortest, aim, longest, overlap; and tokens. See agents/chunker.",
    )
    cutting: dict[str, float] = Field(
        default_factory=dict,
        description="Seconds of sound a call: shortest, longest, lull, padding, and more. See agents/cutter.",
    )
    console_url: str = Field(
        default="http://localhost:8288", description="Where people reach the console: links to videos begin with it."
    )
    vector_index: Literal["hnsw", "ivfflat", "none"] = "hnsw"

    event_key: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Keys that may send over HTTP, each plain or as sha256:HEX; commas between."
    )
    reading_key: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Keys that may read; sha256:HEX@creator sees that creator's videos alone."
    )
    operating_key: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Keys that may retry, rewind, switch and so on, and read."
    )

    webhooks: tuple[Endpoint, ...] = Field(
        default=(), description="Who is told of the endings of videos: [{url, secret, creator?, events?}]."
    )
    sending_rate: str | None = Field(
        default=None, description=f"How often one key may send: {SENDING_RATE} where keys are needed, or {UNLIMITED}."
    )
    reading_rate: str | None = Field(
        default=None, description=f"How often one key may read: {READING_RATE} where keys are needed, or {UNLIMITED}."
    )

    parallel_calls: int = Field(default=16, ge=1, description="Paid calls in the air, for each process.")
    ai_timeout: float = Field(default=120.0, gt=0, description="Seconds without a sign of the provider.")
    session_timeout: float = Field(default=10.0, ge=6.0, description="Seconds until a killed worker's work moves on.")
    lease: float = Field(default=60.0, ge=3.0, description="Seconds that a run stays with a worker that went silent.")
    drain: float = Field(default=20.0, ge=1.0, le=50.0, description="Seconds for work to end at a stop or a rebalance.")
    max_wait: float = Field(default=86_400.0, gt=0, description="Seconds that a run may wait for provider or broker.")
    worker_id: str | None = Field(default=None, description="A fixed name makes this worker a static group member.")
    local_ai: bool = Field(default=False, description="The provider is the local AI server, with its models.")

    @field_validator("https_hosts", "event_key", "reading_key", "operating_key", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        """A JSON list, or names with commas between."""
        if not isinstance(given, str):
            return given
        return json.loads(given) if given.lstrip().startswith("[") else [one for one in given.split(",") if one.strip()]

    @field_validator("sending_rate", "reading_rate")
    @classmethod
    def _is_rate(cls, given: str | None) -> str | None:
        if given and given != UNLIMITED:
            from limits import parse  # few commands need it

            try:
                fits = parse(given).amount > 0
            except ValueError:
                fits = False
            if not fits:
                raise ValueError(f"{given!r} is no rate: 1200/minute, 20/second and {UNLIMITED} are")
        return given

    @field_validator("https_hosts")
    @classmethod
    def _are_hosts(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if given:
            from chronos.adapters.links import Hosts  # httpx takes a tenth of a second, which few commands need

            Hosts(given)
        return given

    @field_validator("chunking")
    @classmethod
    def _cuts(cls, given: dict[str, int]) -> dict[str, int]:
        if given:
            from agents.chunker import Chunking

            try:
                Chunking(**given)
            except TypeError as error:
                raise ValueError(f"chunking takes shortest, aim, longest, overlap and tokens: {error}") from error
        return given

    @field_validator("speech_abilities")
    @classmethod
    def _can_be(cls, given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        models.check(given)
        return given

    @field_validator("guard")
    @classmethod
    def _guards(cls, given: dict[str, Any]) -> dict[str, Any]:
        try:
            Guard(**given)
        except TypeError as error:
            raise ValueError(f"guard takes no_speech, logprob, compression and repeats: {error}") from error
        return given

    @field_validator("cutting")
    @classmethod
    def _cuts_sound(cls, given: dict[str, float]) -> dict[str, float]:
        if given:
            from agents.cutter import Cutting

            try:
                Cutting(**given)
            except TypeError as error:
                names = ", ".join(field.name for field in fields(Cutting))
                raise ValueError(f"cutting takes {names}: {error}") from error
        return given

    @model_validator(mode="after")
    def _may_be_told(self) -> Self:
        webhooks.check(self.webhooks, allow_own=self.allow_private_addresses)
        return self

    @model_validator(mode="after")
    def _keep_secrets(self) -> Self:
        """Whoever knows the settings shows none of their secrets from now on."""
        key = self.openai_api_key.get_secret_value() if self.openai_api_key else None
        keep_secret(key, *_passwords(self.database_url, self.openai_base_url, self.storage_url))
        keep_secret(*self.store_secrets())
        keep_secret(*(secret.get_secret_value() for endpoint in self.webhooks for secret in endpoint.secret))
        return self

    @classmethod
    def load(cls, **given: Any) -> Self:
        """The environment's settings, completed by the running stack's where they name no broker or database."""
        settings = cls(**given)
        if settings.kafka_bootstrap_servers and settings.database_url:
            return settings
        info = read_dev_json(settings.home)
        return settings if info is None else settings.completed(info)

    def completed(self, info: Info) -> Self:
        """With what a running stack says, where nothing else was set."""
        found: dict[str, Any] = {
            "kafka_bootstrap_servers": self.kafka_bootstrap_servers or info.bootstrap,
            "kafka_security": self.kafka_security if self.kafka_bootstrap_servers else PLAIN,
            "database_url": self.database_url or info.database_url,
        }
        if info.ai_base_url and not (self.openai_api_key or self.openai_base_url):
            found |= {"openai_base_url": info.ai_base_url, "local_ai": True}
        if info.console_url and "console_url" not in self.model_fields_set:
            found["console_url"] = info.console_url
        keep_secret(*_passwords(info.database_url))
        return self.model_copy(update=found)

    def kafka(self) -> str:
        """Raises NotRunning when no broker is named."""
        if not self.kafka_bootstrap_servers:
            raise NotRunning(f"no stack runs in {self.home}; start one with `chronos dev`, or set "
                             "KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL")  # fmt: skip
        return self.kafka_bootstrap_servers

    def database(self) -> str:
        """Raises NotRunning when no database is named."""
        if not self.database_url:
            raise NotRunning(f"no stack runs in {self.home}; start one with `chronos dev`, or set "
                             "KAFKA_BOOTSTRAP_SERVERS and DATABASE_URL")  # fmt: skip
        return self.database_url

    def storage(self) -> str:
        return self.storage_url or (self.home.resolve() / "store").as_uri()

    def speech(self, creator: str | None = None) -> str:
        """The model of a creator, or of all that have none of their own."""
        if creator is not None and creator in self.creator_models:
            return self.creator_models[creator]
        return self.speech_model or (LOCAL_SPEECH if self.local_ai else SPEECH)

    def embedding(self) -> str:
        return self.embedding_model or (LOCAL_EMBEDDING if self.local_ai else EMBEDDING)

    def dimensions(self) -> int:
        return self.embedding_dimensions or (LOCAL_DIMENSIONS if self.local_ai else DIMENSIONS)

    def api_key(self) -> str:
        """The provider's key; the local server takes any."""
        return self.openai_api_key.get_secret_value() if self.openai_api_key else "local"
