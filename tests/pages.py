"""What the pages under docs/how-to tell people to do, done to a copy of the program."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chronos import house

PAGES = house.ROOT / "docs" / "how-to"
SNIPPET = re.compile(r"```(\w+)\n(.*?)```", re.DOTALL)
FILE = re.compile(r"`(\w+(?:/\w+)+\.\w+)`")


def snippets(page: str, kind: str) -> list[str]:
    """The page's snippets of one kind: sh, env and so on."""
    found = [snippet for language, snippet in SNIPPET.findall((PAGES / f"{page}.md").read_text()) if language == kind]
    assert found, (page, kind)
    return found


def lines(page: str) -> list[list[str]]:
    """The words of each line of its shell snippets."""
    return [shlex.split(line) for snippet in snippets(page, "sh") for line in snippet.splitlines()]


@dataclass(frozen=True)
class Copy:
    """The program in a folder of its own, to be changed as a page says."""

    root: Path

    @classmethod
    def make(cls, root: Path) -> Copy:
        for package in (*house.PACKAGES, "tests"):
            shutil.copytree(house.ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(house.ROOT / "pyproject.toml", root)
        return cls(root)

    def follow(self, page: str) -> None:
        """Makes the page's changes: each snippet's file is the last that was named before it."""
        text, at = (PAGES / f"{page}.md").read_text(), 0
        file = ""
        for snippet in SNIPPET.finditer(text):
            file = [file, *FILE.findall(text[at : snippet.start()])][-1]
            at = snippet.end()
            if snippet[1] == "python":
                (self.root / file).write_text(snippet[2])
            elif snippet[1] == "diff":
                self.replace(file, _side(snippet[2], "-"), _side(snippet[2], "+"))

    def replace(self, file: str, old: str, new: str) -> None:
        text = (self.root / file).read_text()
        assert text.count(old) == 1, f"{file} holds this {text.count(old)} times: {old}"
        (self.root / file).write_text(text.replace(old, new))

    def environment(self) -> dict[str, str]:
        """What makes a Python process run the copy."""
        return {"PYTHONPATH": str(self.root), "PYTHONSAFEPATH": "1"}

    def run(self, *words: str, more: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """`python WORDS`, in the copy, with more in its environment."""
        env = {**os.environ, **(more or {}), **self.environment()}
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=self.root, env=env, capture_output=True, text=True, check=False)


def _side(diff: str, mark: str) -> str:
    """The text before a change (-) or after it (+). Editors may have taken the space out of an empty line."""
    kept = [line if line == "\n" else line[1:] for line in diff.splitlines(keepends=True) if line[0] in f" \n{mark}"]
    return "".join(kept)
