"""Kafka's security from the environment: what is missing is named, and both clients are given the same."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import ValidationError

from chronos.adapters.faust_login import faust_settings
from chronos.config import Settings
from chronos.devstack.home import Info
from chronos.kafka_security import KafkaSecurity
from streams.redaction import redact


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("KAFKA_SECURITY_PROTOCOL", "KAFKA_SASL_MECHANISM", "KAFKA_SASL_USERNAME", "KAFKA_SASL_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_settings_it_is_as_plain_as_before(environment: pytest.MonkeyPatch) -> None:
    security = Settings().kafka_security
    assert (security.librdkafka(), faust_settings(security)) == ({}, {})


def test_scram_over_tls_is_given_to_both_clients_and_its_password_is_shown_by_neither(
    environment: pytest.MonkeyPatch,
) -> None:
    environment.setenv("KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    environment.setenv("KAFKA_SASL_MECHANISM", "SCRAM-SHA-512")
    environment.setenv("KAFKA_SASL_USERNAME", "ada")
    environment.setenv("KAFKA_SASL_PASSWORD", "correct horse battery")
    security = Settings().kafka_security
    assert security.librdkafka()["sasl.password"] == "correct horse battery"
    login = faust_settings(security)["broker_credentials"]
    assert (login.protocol.value, login.mechanism.value, login.username) == ("SASL_SSL", "SCRAM-SHA-512", "ada")
    assert login.ssl_context.check_hostname
    assert "correct horse" not in repr(Settings())
    assert "correct horse" not in redact("sasl.password=correct horse battery")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"security_protocol": "SASL_SSL"}, "KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD"),
        (
            {"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"},
            "KAFKA_SASL_OAUTHBEARER_TOKEN_ENDPOINT_URL, KAFKA_SASL_OAUTHBEARER_CLIENT_ID",
        ),
    ],
)
def test_what_is_missing_is_named(environment: pytest.MonkeyPatch, given: dict[str, str], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        KafkaSecurity(**given)


def test_a_stack_that_runs_in_the_folder_is_plain_whatever_the_shell_has_for_another_broker(
    environment: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    environment.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    environment.setenv("KAFKA_SECURITY_PROTOCOL", "SSL")
    info = Info(tmp_path, datetime.now(UTC), 1, "127.0.0.1:9", 1, "postgresql://127.0.0.1/x", 1, None, None, None, ())
    assert Settings().completed(info).kafka_security.librdkafka() == {}
    named = Settings(kafka_bootstrap_servers="kafka:9093").completed(info)
    assert named.kafka_security.librdkafka() == {"security.protocol": "SSL"}
