"""Settings of stores: which there are, and the keys to them by the names that people have already."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode


def named(*names: str) -> Any:
    """A setting of these names, the first that is set; in code by its own name."""
    return Field(default=None, validation_alias=AliasChoices(*names, *(name.lower() for name in names)))


class StoreSettings(BaseSettings):
    """What is not given comes from where obstore looks for it: other names of the environment, a machine's role."""

    stores: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="Other stores whose URLs are storage paths too: s3://archive,supabase://videos/old."
    )
    aws_access_key_id: SecretStr | None = named("AWS_ACCESS_KEY_ID")
    aws_secret_access_key: SecretStr | None = named("AWS_SECRET_ACCESS_KEY")
    aws_session_token: SecretStr | None = named("AWS_SESSION_TOKEN")
    aws_region: str | None = named("AWS_REGION", "AWS_DEFAULT_REGION")
    aws_endpoint_url: str | None = named("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
    google_application_credentials: str | None = named("GOOGLE_APPLICATION_CREDENTIALS")
    storage_emulator_host: str | None = named("STORAGE_EMULATOR_HOST")
    azure_storage_account_name: str | None = named("AZURE_STORAGE_ACCOUNT_NAME")
    azure_storage_account_key: SecretStr | None = named("AZURE_STORAGE_ACCOUNT_KEY")
    azure_storage_sas_token: SecretStr | None = named("AZURE_STORAGE_SAS_TOKEN")
    azure_storage_endpoint: str | None = named("AZURE_STORAGE_ENDPOINT")
    azure_client_secret: SecretStr | None = named("AZURE_CLIENT_SECRET")
    supabase_url: str | None = named("SUPABASE_URL", "NEXT_PUBLIC_SUPABASE_URL")
    supabase_service_role_key: SecretStr | None = named("SUPABASE_SERVICE_ROLE_KEY")

    @field_validator("stores", mode="before")
    @classmethod
    def _many(cls, given: Any) -> Any:
        """A JSON list, or URLs with commas between."""
        if not isinstance(given, str):
            return given
        listed = json.loads(given) if given.lstrip().startswith("[") else given.split(",")
        return [one.strip().rstrip("/") for one in listed if one.strip()]

    @field_validator("stores")
    @classmethod
    def _are_stores(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        from chronos.adapters.keys import BUCKETS

        for url in given:
            if not BUCKETS.match(url):
                raise ValueError(f"{url!r} is no store: write s3://bucket/prefix, or gs://, az:// or supabase://")
        return given

    def store_secrets(self) -> Iterator[str]:
        """What nobody may see."""
        for name in StoreSettings.model_fields:
            if isinstance(value := getattr(self, name), SecretStr):
                yield value.get_secret_value()
