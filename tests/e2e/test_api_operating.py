"""What operators look at and do over HTTP, on a running system: what was shown is done, and it is on the log."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from chronos.api.server import create_app
from chronos.config import Settings
from tests.e2e.test_rewind import videos
from tests.stack import Hands, until


@asynccontextmanager
async def served(settings: Settings, host: str = "127.0.0.1", base: str = "http://localhost:8288") -> Any:
    app = create_app(settings, host)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=base, timeout=30) as client:
            yield client


@pytest.fixture
async def api(hands: Hands) -> AsyncIterator[httpx.AsyncClient]:
    async with served(hands.settings) as client:
        yield client


async def get(api: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await api.get(f"/v1/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_figures_are_of_what_was_done(hands: Hands, api: httpx.AsyncClient, tmp_path: Path):
    await videos(hands, tmp_path, "figures", 3)
    await hands.ending(await hands.ask("figures-lost", "ada", "ada/nothing.mp4"))

    async def acked() -> dict[str, Any] | None:
        found = {one["name"]: one for one in (await get(api, "functions"))["functions"]}
        return found if all(one["lag"] == 0 and one["lagSeconds"] is None for one in found.values()) else None

    functions = await until("all is acked", acked)
    for name in ("transcribe-video", "generate-embeddings"):
        assert functions[name]["runs"] == 3
        assert 0 < functions[name]["p50Seconds"] <= functions[name]["p95Seconds"] < 60
        assert functions[name]["load"] == []
    overview = await get(api, "overview")
    ended = [(one["function"], one["completed"], one["failed"]) for one in overview["throughput"]]
    assert sum(done for name, done, _ in ended if name == "generate-embeddings") == 3
    assert sum(failed for _, _, failed in ended) == 1
    assert [(one["errorType"], one["failures"]) for one in overview["failures"]] == [("ObjectMissing", 1)]
    spent = (await get(api, "usage"))["usage"]
    assert overview["paidMicroUsd"] == sum(one["costMicroUsd"] for one in spent if not one["memoized"]) > 0
    assert (await get(api, "readiness"))["checks"] == {"database": "ok", "broker": "ok"}
    checks = {check["name"]: check for check in (await get(api, "doctor"))["checks"]}
    assert checks["functions"]["ok"]
    assert checks["topics"]["ok"]
