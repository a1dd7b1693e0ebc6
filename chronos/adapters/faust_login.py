"""The settings of Kafka's security as Faust and aiokafka take them; tokens of OIDC are fetched here."""

from __future__ import annotations

import time
from typing import Any

import httpx
from aiokafka.abc import AbstractTokenProvider
from faust import SASLCredentials, SSLCredentials
from faust.auth import OAuthCredentials

from chronos.kafka_security import KafkaSecurity

EARLY = 30.0  # seconds before its end that a token is not used any more
PATIENCE = 10.0  # seconds for the token endpoint


def faust_settings(security: KafkaSecurity) -> dict[str, Any]:
    """Arguments of a Faust app.

    Raises:
        OSError: a file of certificates cannot be read.
    """
    context = security.context()
    if not security.with_login:
        return {} if context is None else {"broker_credentials": SSLCredentials(context)}
    if security.sasl_mechanism == "OAUTHBEARER":
        return {"broker_credentials": OAuthCredentials(oauth_cb=Tokens(security), ssl_context=context)}
    password = security.sasl_password
    login = SASLCredentials(
        username=security.sasl_username,
        password=password.get_secret_value() if password else None,
        mechanism=security.sasl_mechanism,
        ssl_context=context,
    )
    return {"broker_credentials": login}


class Tokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka has no types
    """A token of the client's own (OAuth 2.0, 4.4), kept until shortly before its end."""

    def __init__(self, security: KafkaSecurity) -> None:
        self._security = security
        self._kept = ("", 0.0)  # and until when; one value, since Faust asks from the loops of two threads

    async def token(self) -> str:
        """
        Raises:
            httpx.HTTPError: the endpoint is away or refuses us; the consumer tries its connection again.
        """
        token, until = self._kept
        if time.monotonic() >= until:
            token, _ = self._kept = await self._fetch()
        return token

    async def _fetch(self) -> tuple[str, float]:
        asked, secret = self._security, self._security.sasl_oauthbearer_client_secret
        form = {"grant_type": "client_credentials"}
        if asked.sasl_oauthbearer_scope:
            form["scope"] = asked.sasl_oauthbearer_scope
        login = httpx.BasicAuth(asked.sasl_oauthbearer_client_id or "", secret.get_secret_value() if secret else "")
        async with httpx.AsyncClient(timeout=PATIENCE) as client:
            answer = await client.post(asked.sasl_oauthbearer_token_endpoint_url or "", data=form, auth=login)
        answer.raise_for_status()
        said = answer.json()
        return said["access_token"], time.monotonic() + max(0.0, float(said.get("expires_in", 60)) - EARLY)
