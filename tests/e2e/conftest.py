"""One stack for the tests of a module: a broker and a database of its own, and the paid provider's double."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from playwright.async_api import Browser

from chronos.devstack.ports import free_port
from tests.browser import browsing
from tests.stack import Hands, Stack, new_stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Functions and projection run, each in a process of its own."""
    with new_stack(tmp_path_factory.mktemp("stack")) as stack:
        stack.start_functions()
        stack.start_projection()
        yield stack


@pytest.fixture
async def hands(stack: Stack) -> AsyncIterator[Hands]:
    stack.provider.clear()
    async with stack.hands() as hands:
        yield hands


@dataclass
class Served:
    """A server, as a process of its own."""

    url: str
    pid: int


@contextmanager
def serving(stack: Stack, **more: str) -> Iterator[Served]:
    """The API and the console; `more` goes into the environment."""
    command = [sys.executable, "-m", "chronos", "serve", "--port", str(free_port()), "--json"]
    with (stack.home / "serve.log").open("ab") as log:
        process = subprocess.Popen(command, env=stack.environment() | more, stdout=subprocess.PIPE, stderr=log)
    with process:
        assert process.stdout
        try:
            said = json.loads(process.stdout.readline())
            yield Served(str(said["url"]).removesuffix("/v1").replace("127.0.0.1", "localhost"), process.pid)
        finally:  # else a test that fails would wait for a server that nobody stops
            process.send_signal(signal.SIGTERM)
            process.wait(20)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with browsing() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(stack: Stack) -> Iterator[Served]:
    with serving(stack) as one:
        yield one


@pytest.fixture(scope="module")
def url(served: Served) -> str:
    return served.url
