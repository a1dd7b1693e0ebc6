"""The processes on Kubernetes: a deployment for each function, the projection and the console, scaled by lag."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chronos.config import Settings
from chronos.pipeline import FUNCTIONS
from schemas.topics import PARTITIONS

Object = dict[str, Any]

PROJECTION, CONSOLE, LAGS = "projection", "console", "lags"
METRICS, HTTP = 9464, 8288  # ports
GRACE = int(Settings.model_fields["drain"].default) + 25
"""Seconds from SIGTERM to SIGKILL: CHRONOS_DRAIN for work to end, 10 for calls in the air, 15 for the last commits."""

WAITING = {"transcribe-video": 5}  # events that one worker may have waiting before there is another; else:
MOST_WAITING = 100


@dataclass(frozen=True)
class Names:
    """What differs from cluster to cluster."""

    image: str = "chronos:0.1.0"
    cluster: str = "kafka"  # Strimzi's name of the Kafka
    bootstrap: str = "kafka-kafka-bootstrap:9093"


def user(process: str) -> str:
    """The Kafka user of a process, its deployment, and the secret with its password."""
    return f"chronos-{process}"


def workloads(names: Names) -> list[Object]:
    """Settings, deployments and the console's service. The secret `chronos` is yours to make."""
    workers = [_worker(names, one.name, ["--function", one.name]) for one in FUNCTIONS]
    return [_settings(names), *workers, _worker(names, PROJECTION, ["--projection"]), _console(names), _service()]


def scaling(names: Names) -> list[Object]:
    """KEDA's ScaledObject for each function, with the login to look at their lag. Not for the projection, whose groups
    change with its sides: `chronos_lag_seconds` says when it wants another replica."""
    groups = [(one.name, one.group(), [event.name for event in one.consumes]) for one in FUNCTIONS]
    scaled = [_scaled(names, name, group, topics) for name, group, topics in groups]
    return [*_login(names), *scaled]


def _settings(names: Names) -> Object:
    data = {
        "KAFKA_BOOTSTRAP_SERVERS": names.bootstrap,
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_SSL_CA_LOCATION": "/etc/kafka-ca/ca.crt",
        "CHRONOS_DRAIN": str(int(Settings.model_fields["drain"].default)),
    }
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata("chronos"), "data": data}


def _worker(names: Names, name: str, what: Sequence[str]) -> Object:
    args = ["worker", "--metrics-host", "0.0.0.0", "--metrics-port", str(METRICS), *what]  # noqa: S104  # in its pod
    return _deployment(names, name, args, METRICS, ("/ready", "/live"))


def _console(names: Names) -> Object:
    args = ["serve", "--host", "0.0.0.0", "--port", str(HTTP)]  # noqa: S104  # in its pod, with keys
    return _deployment(names, CONSOLE, args, HTTP, ("/v1/readiness", "/v1/health"))


def _deployment(names: Names, name: str, args: list[str], port: int, probes: tuple[str, str]) -> Object:
    ready, live = probes
    container = {
        "name": "chronos",
        "image": names.image,
        "args": args,
        "envFrom": [{"configMapRef": {"name": "chronos"}}, {"secretRef": {"name": "chronos"}}],
        "env": [
            {"name": "KAFKA_SASL_USERNAME", "value": user(name)},
            {"name": "KAFKA_SASL_PASSWORD", "valueFrom": {"secretKeyRef": {"name": user(name), "key": "password"}}},
        ],
        "ports": [{"name": "http", "containerPort": port}],
        "readinessProbe": {"httpGet": {"path": ready, "port": "http"}, "periodSeconds": 5, "timeoutSeconds": 5},
        "livenessProbe": {
            "httpGet": {"path": live, "port": "http"},
            "initialDelaySeconds": 30,
            "periodSeconds": 20,
            "timeoutSeconds": 10,
            "failureThreshold": 6,
        },
        "resources": _resources(name),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [
            {"name": "home", "mountPath": "/var/lib/chronos"},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108  # the container's own
            {"name": "kafka-ca", "mountPath": "/etc/kafka-ca", "readOnly": True},
        ],
    }
    return _with_pods(names, name, container)


def _with_pods(names: Names, name: str, container: Object) -> Object:
    labels = {"app.kubernetes.io/name": "chronos", "app.kubernetes.io/component": name}
    pod = {
        "terminationGracePeriodSeconds": GRACE,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "home", "emptyDir": {}},
            {"name": "tmp", "emptyDir": {}},
            {"name": "kafka-ca", "secret": {"secretName": f"{names.cluster}-cluster-ca-cert"}},
        ],
    }
    spec = {
        "selector": {"matchLabels": labels},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": _metadata(user(name), name), "spec": spec}


def _resources(name: str) -> Object:
    """transcribe-video decodes in a child process that has limits of its own."""
    heavy = name == "transcribe-video"
    return {
        "requests": {"cpu": "500m" if heavy else "100m", "memory": "512Mi" if heavy else "256Mi"},
        "limits": {"memory": "2Gi" if heavy else "1Gi"},
    }


def _service() -> Object:
    spec = {
        "selector": {"app.kubernetes.io/name": "chronos", "app.kubernetes.io/component": CONSOLE},
        "ports": [{"name": "http", "port": HTTP, "targetPort": "http"}],
    }
    return {"apiVersion": "v1", "kind": "Service", "metadata": _metadata(user(CONSOLE), CONSOLE), "spec": spec}


def _login(names: Names) -> list[Object]:
    """With this KEDA asks the broker how far the groups are. Strimzi's secret has no name of the user in it."""
    named = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(user(LAGS)), "data": {"name": user(LAGS)}}
    spec = {
        "configMapTargetRef": [{"parameter": "username", "name": user(LAGS), "key": "name"}],
        "secretTargetRef": [
            {"parameter": "password", "name": user(LAGS), "key": "password"},
            {"parameter": "ca", "name": f"{names.cluster}-cluster-ca-cert", "key": "ca.crt"},
        ],
    }
    metadata = _metadata(user(LAGS))
    return [
        named,
        {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication", "metadata": metadata, "spec": spec},
    ]


def _scaled(names: Names, name: str, group: str, topics: Sequence[str]) -> Object:
    spec = {
        "scaleTargetRef": {"name": user(name)},
        "pollingInterval": 30,
        "minReplicaCount": 1,  # a rewind and a retry that is due want somebody to be there
        "maxReplicaCount": PARTITIONS,
        # A worker that goes gives back what it has in hand: not for a lull of minutes, and one at a time
        "advanced": {
            "horizontalPodAutoscalerConfig": {
                "behavior": {
                    "scaleDown": {
                        "stabilizationWindowSeconds": 1800,
                        "policies": [{"type": "Pods", "value": 1, "periodSeconds": 300}],
                    }
                }
            }
        },
        "triggers": [_trigger(names, name, group, topic) for topic in topics],
    }
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": _metadata(user(name), name),
        "spec": spec,
    }


def _trigger(names: Names, name: str, group: str, topic: str) -> Object:
    return {
        "type": "kafka",
        "metadata": {
            "bootstrapServers": names.bootstrap,
            "consumerGroup": group,
            "topic": topic,
            "lagThreshold": str(WAITING.get(name, MOST_WAITING)),
            "offsetResetPolicy": "earliest",
            "excludePersistentLag": "true",  # a partition that does not move is not helped by more workers
            "sasl": "scram_sha512",
            "tls": "enable",
        },
        "authenticationRef": {"name": user(LAGS)},
    }


def _metadata(name: str, component: str | None = None) -> Object:
    labels = {"app.kubernetes.io/name": "chronos"}
    if component:
        labels["app.kubernetes.io/component"] = component
    return {"name": name, "labels": labels}
