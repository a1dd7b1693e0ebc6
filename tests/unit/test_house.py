"""Packages with plain names: another's `agents` is met at the start, not by a strange error in the midst of work."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from chronos import house


def start(*first: Path) -> subprocess.CompletedProcess[str]:
    """`chronos version`, with these folders before ours on the path."""
    path = os.pathsep.join(map(str, (*first, house.ROOT)))
    command = [sys.executable, "-P", "-m", "chronos", "version"]
    return subprocess.run(command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)


def test_the_packages_of_this_tree_are_ours() -> None:
    house.check()


def test_the_guard_watches_over_every_package_that_is_built() -> None:
    built = tomllib.loads((house.ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(built["packages"]) == set(house.PACKAGES)


@pytest.mark.parametrize("package", [name for name in house.PACKAGES if name != "chronos"])
def test_a_stranger_under_our_name_is_refused_at_the_start(tmp_path: Path, package: str) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").touch()
    refused = start(tmp_path)
    assert refused.returncode == 1
    [line] = refused.stderr.splitlines()
    assert f"`{package}` is imported from {tmp_path / package}, which belongs to no installed distribution" in line
    assert "virtual environment of its own" in line


def test_the_owner_of_a_stranger_is_named(tmp_path: Path) -> None:
    there = tmp_path / "site-packages"
    (there / "agents").mkdir(parents=True)
    (there / "agents" / "__init__.py").touch()
    meta = there / "some_agents-1.0.dist-info"
    meta.mkdir()
    (meta / "METADATA").write_text("Metadata-Version: 2.1\nName: some-agents\nVersion: 1.0\n")
    (meta / "top_level.txt").write_text("agents\n")
    assert "which belongs to some-agents" in start(there).stderr
