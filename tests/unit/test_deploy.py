"""deploy/: what Kubernetes, Prometheus and Grafana are given agrees with the code."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase
from typer.testing import CliRunner

from chronos import acls
from chronos.cli.root import app
from chronos.config import Settings
from chronos.kafka_security import KafkaSecurity
from chronos.manifests import PARTS, as_yaml, manifests
from chronos.pipeline import FUNCTIONS
from chronos.workloads import GRACE, Names
from schemas.topics import TOPICS
from streams import metrics
from tests.pages import PAGES, snippets

ROOT = Path(__file__).parents[2]
DEPLOY, COMPOSE, DOCKERFILE = ROOT / "deploy", ROOT / "docker-compose.yml", ROOT / "Dockerfile"
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}
OF_THE_PROCESS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}


def names_of_metrics() -> set[str]:
    ours = [one for one in vars(metrics).values() if isinstance(one, MetricWrapperBase)]
    described = [next(iter(one.describe())) for one in ours]
    return {one.name + suffix for one in described for suffix in SUFFIXES[one.type]} | OF_THE_PROCESS


def queries() -> Iterator[str]:
    dashboard = json.loads((DEPLOY / "grafana/chronos.json").read_text())
    yield from (target["expr"] for panel in dashboard["panels"] for target in panel["targets"])
    for group in yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())["groups"]:
        yield from (rule["expr"] for rule in group["rules"])


def test_each_metric_of_dashboard_and_alerts_is_one_that_the_code_has() -> None:
    asked = {name for query in queries() for name in re.findall(r"\b(?:chronos|process)_[a-z_]+", query)}
    assert asked - names_of_metrics() == set()
    assert len(asked) > 15


def test_what_is_asked_by_a_label_has_that_label() -> None:
    labels = {
        next(iter(one.describe())).name: set(one._labelnames)
        for one in vars(metrics).values()
        if isinstance(one, MetricWrapperBase)
    }
    for query in queries():
        for by, name in re.findall(r"by \(([a-z, ]+)\) \((?:[a-z_]+\()*(chronos_[a-z_]+)", query):
            base = re.sub(r"_(total|bucket)$", "", name)
            assert {label.strip() for label in by.split(",")} - {"le"} <= labels[base], query


@pytest.mark.parametrize("part", PARTS)
def test_manifests_that_are_checked_in_are_those_of_the_code(part: str) -> None:
    checked_in = (DEPLOY / f"kubernetes/{part}.yaml").read_text()
    assert checked_in == as_yaml(manifests(Names(), [part])), (
        f"run: chronos manifests {part} > deploy/kubernetes/{part}.yaml"
    )
    assert list(yaml.safe_load_all(checked_in)) == PARTS[part](Names())  # YAML, as others read it


def of_kind(kind: str) -> list[dict[str, Any]]:
    return [one for part in PARTS.values() for one in part(Names()) if one["kind"] == kind]


def test_each_function_has_a_deployment_a_user_and_is_scaled_by_all_topics_that_it_reads() -> None:
    scaled = {one["metadata"]["name"]: one["spec"]["triggers"] for one in of_kind("ScaledObject")}
    for function in FUNCTIONS:
        name = f"chronos-{function.name}"
        assert name in {one["metadata"]["name"] for one in of_kind("Deployment")}
        assert name in {one["metadata"]["name"] for one in of_kind("KafkaUser")}
        read = {(trigger["metadata"]["consumerGroup"], trigger["metadata"]["topic"]) for trigger in scaled[name]}
        assert read == {(function.group(), event.name) for event in function.consumes}
        assert {trigger["metadata"]["excludePersistentLag"] for trigger in scaled[name]} == {"true"}
    assert {one["metadata"]["name"] for one in of_kind("KafkaTopic")} == TOPICS.keys()


def test_kubernetes_waits_longer_for_an_end_than_a_worker_takes() -> None:
    pods = [one["spec"]["template"]["spec"] for one in of_kind("Deployment")]
    assert {pod["terminationGracePeriodSeconds"] for pod in pods} == {GRACE}
    assert Settings.model_fields["drain"].default + 15 < GRACE


def test_a_function_may_write_what_it_says_and_read_what_it_takes_and_little_more() -> None:
    for function in FUNCTIONS:
        allowed = {acl.name: set(acl.operations) for acl in acls.of_function(function) if acl.resource == "topic"}
        assert all("Read" in allowed[event.name] for event in function.consumes)
        assert all("Write" in allowed[event.name] for event in function.emits)
        assert "Write" not in allowed["transcribe.requested"]  # that is for producers and operators


PAGE = "run-in-production"


def test_the_page_names_commands_settings_and_alerts_that_exist() -> None:
    for line in (line for snippet in snippets(PAGE, "sh") for line in snippet.splitlines()):
        said = CliRunner().invoke(app, shlex.split(line)[1:])
        assert said.exit_code == 0, (line, said.output)
    text = (PAGES / f"{PAGE}.md").read_text()
    settings = {f"KAFKA_{name.upper()}" for name in KafkaSecurity.model_fields}
    assert set(re.findall(r"\bKAFKA_(?:S|SA|SS)[A-Z_]+\b", text)) == settings
    rules = yaml.safe_load((DEPLOY / "prometheus/alerts.yaml").read_text())["groups"][0]["rules"]
    assert set(re.findall(r"`(Chronos[A-Z]\w+)`", text)) == {rule["alert"] for rule in rules}
    images = re.findall(r"^ +image: (\S+)|^FROM (\S+)", COMPOSE.read_text() + DOCKERFILE.read_text(), re.MULTILINE)
    assert all(f"`{image}`" in text for pair in images for image in pair if image and not image.startswith("chronos:"))
