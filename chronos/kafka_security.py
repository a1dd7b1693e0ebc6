"""How to speak to a Kafka that wants TLS or a login: its settings by their usual names, for both of our clients."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streams.redaction import keep_secret


class KafkaSecurity(BaseSettings):
    """KAFKA_SECURITY_PROTOCOL and what it needs. Nothing of it set: as plain as the embedded broker.

    With OAUTHBEARER a token is fetched by the client's id and secret (OIDC's client credentials).
    """

    model_config = SettingsConfigDict(env_prefix="KAFKA_", extra="ignore", frozen=True)

    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    ssl_ca_location: Path | None = None  # a PEM file; the system's authorities where it is not set
    ssl_certificate_location: Path | None = None  # our own, where the broker asks for one
    ssl_key_location: Path | None = None
    ssl_key_password: SecretStr | None = None
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] | None = None
    sasl_username: str | None = None
    sasl_password: SecretStr | None = None
    sasl_oauthbearer_token_endpoint_url: str | None = None
    sasl_oauthbearer_client_id: str | None = None
    sasl_oauthbearer_client_secret: SecretStr | None = None
    sasl_oauthbearer_scope: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        keep_secret(*map(_plain, (self.sasl_password, self.sasl_oauthbearer_client_secret, self.ssl_key_password)))
        if missing := [name for name in self._needed() if not getattr(self, name)]:
            names = ", ".join(f"KAFKA_{name.upper()}" for name in missing)
            kind = " ".join(filter(None, (self.security_protocol, self.sasl_mechanism)))
            raise ValueError(f"{kind} wants {names} as well")
        return self

    @property
    def encrypted(self) -> bool:
        return self.security_protocol.endswith("SSL")

    @property
    def with_login(self) -> bool:
        return self.security_protocol.startswith("SASL")

    def librdkafka(self) -> dict[str, str]:
        """Settings of confluent-kafka."""
        if self.security_protocol == "PLAINTEXT":
            return {}
        given: dict[str, Any] = {"security.protocol": self.security_protocol}
        if self.encrypted:
            given |= {
                "ssl.ca.location": self.ssl_ca_location,
                "ssl.certificate.location": self.ssl_certificate_location,
                "ssl.key.location": self.ssl_key_location,
                "ssl.key.password": _plain(self.ssl_key_password),
            }
        return {name: str(value) for name, value in (given | self._librdkafka_login()).items() if value is not None}

    def context(self) -> ssl.SSLContext | None:
        """The same for what speaks TLS with Python's ssl.

        Raises:
            OSError: a file cannot be read, or is no certificate.
        """
        if not self.encrypted:
            return None
        made = ssl.create_default_context(cafile=self.ssl_ca_location)
        if self.ssl_certificate_location:
            made.load_cert_chain(self.ssl_certificate_location, self.ssl_key_location, _plain(self.ssl_key_password))
        return made

    def _needed(self) -> list[str]:
        if not self.with_login:
            return []
        if self.sasl_mechanism == "OAUTHBEARER":
            names = ("token_endpoint_url", "client_id", "client_secret")
            return [f"sasl_oauthbearer_{name}" for name in names]
        return ["sasl_mechanism", "sasl_username", "sasl_password"]

    def _librdkafka_login(self) -> dict[str, Any]:
        if not self.with_login:
            return {}
        if self.sasl_mechanism != "OAUTHBEARER":
            return {
                "sasl.mechanism": self.sasl_mechanism,
                "sasl.username": self.sasl_username,
                "sasl.password": _plain(self.sasl_password),
            }
        return {
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",  # librdkafka fetches and renews the token in a thread of its own
            "sasl.oauthbearer.token.endpoint.url": self.sasl_oauthbearer_token_endpoint_url,
            "sasl.oauthbearer.client.id": self.sasl_oauthbearer_client_id,
            "sasl.oauthbearer.client.secret": _plain(self.sasl_oauthbearer_client_secret),
            "sasl.oauthbearer.scope": self.sasl_oauthbearer_scope,
        }


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None


PLAIN = KafkaSecurity.model_construct()
"""The embedded broker's, whatever the environment says of another one."""
