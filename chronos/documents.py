"""`python -m chronos.documents`: writes the documents of the API and of the topics to docs/reference/."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from chronos import asyncapi
from chronos.api.server import create_app
from chronos.config import Settings

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def documents() -> dict[str, str]:
    """Each file's text, by its name."""
    return {"openapi.json": _text(create_app(Settings()).openapi()), "asyncapi.json": _text(asyncapi.document())}


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    REFERENCE.mkdir(exist_ok=True)
    for name, text in documents().items():
        (REFERENCE / name).write_text(text, "utf-8")
        sys.stderr.write(f"{REFERENCE / name}\n")


if __name__ == "__main__":
    main()
