"""`python -m tests.golden.make`: writes the golden bytes of new versions. What is there already is never touched."""

import base64
import json
from datetime import datetime
from pathlib import Path

from schemas.avro import encode
from schemas.event import Event
from tests.golden.examples import EXAMPLES

GOLDEN = Path(__file__).parent


def readable(event: Event) -> dict[str, object]:
    """The event as JSON has it: bytes as base64, moments in ISO 8601."""
    shown: dict[str, object] = json.loads(json.dumps(event.model_dump(by_alias=True), default=_shown))
    return shown


def _shown(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    assert isinstance(value, datetime)
    return value.isoformat()


def main() -> None:
    for event in EXAMPLES:
        wire = GOLDEN / f"{event.name}.v{event.version}.bin"
        if not wire.exists():
            wire.write_bytes(encode(event))
            text = json.dumps(readable(event), indent=2, ensure_ascii=False)
            wire.with_suffix(".json").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
