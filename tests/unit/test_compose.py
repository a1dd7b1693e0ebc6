"""docker-compose.yml has the whole system: each function, the projection and the console, with time to stop."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from chronos.config import Settings
from chronos.pipeline import FUNCTIONS

FILE = Path(__file__).parents[2] / "docker-compose.yml"


def services() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(FILE.read_text())["services"]
    return found


def test_there_is_a_service_for_each_function_and_one_for_the_projection_and_the_console() -> None:
    commands = {name: one.get("command", []) for name, one in services().items()}
    for function in FUNCTIONS:
        assert commands[function.name][-2:] == ["--function", function.name]
    assert "--projection" in commands["projection"]
    assert commands["console"][0] == "serve"
    assert {"kafka", "postgres", "kafka-ui"} <= commands.keys()


def test_a_worker_is_given_longer_to_stop_than_its_work_is_given_to_end() -> None:
    for name in (*(function.name for function in FUNCTIONS), "projection"):
        service = services()[name]
        drain = float(service["environment"]["CHRONOS_DRAIN"])
        assert drain == Settings.model_fields["drain"].default
        assert float(service["stop_grace_period"].removesuffix("s")) >= drain + 15, name
        assert service["healthcheck"], name


def test_images_are_named_exactly_and_nothing_is_published_beyond_this_machine() -> None:
    for name, service in services().items():
        assert re.search(r":v?\d+\.\d+\.\d+(-pg\d+)?$", service["image"]), name
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", ())), name
