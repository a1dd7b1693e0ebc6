"""How dead letters look to people and to programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chronos.cli.state import err, out
from chronos.cli.words import age, as_text, clean, hex_lines

if TYPE_CHECKING:
    from rich.table import Table

    from chronos.letters import Summary
    from streams.deadletter import Letter

SHOWN = 16 * 1024  # bytes of a letter


def say_more(count: int) -> None:
    if count > 0:
        err().print(f"and {count} more")


def letter_table(rows: Sequence[tuple[int | None, Summary]]) -> Table:
    from rich.table import Table
    from rich.text import Text

    now = datetime.now(UTC)
    table = Table("", "letter", "age", "from", "creator", "video", "redriven", "reason", box=None, header_style="bold")
    for number, one in rows:
        at = one.origin
        place = f"{at.topic}/{at.partition}@{at.offset}" if at else "unknown"
        whose = (one.creator or "", one.video or "", str(one.redrives or ""))
        cells = (str(number or ""), one.id, age(one.at, now), place, *whose, one.reason.partition("\n")[0][:200])
        table.add_row(*(Text(clean(cell)) for cell in cells))
    return table


def summary_json(one: Summary) -> dict[str, Any]:
    return {
        "letter": one.id,
        "at": one.at.isoformat(),
        "origin": one.origin.model_dump() if one.origin else None,
        "group": one.group,
        "type": one.type,
        "reason": one.reason,
        "redrives": one.redrives,
        "bytes": one.bytes,
        "whole": one.whole,
        "creatorId": one.creator,
        "videoId": one.video,
    }


def letter_json(letter: Letter) -> dict[str, Any]:
    return {
        "letter": f"{letter.record.partition}@{letter.record.offset}",
        "at": datetime.fromtimestamp(letter.written_ms / 1000, UTC).isoformat(),
        "origin": letter.origin.model_dump() if letter.origin else None,
        "group": letter.group,
        "reason": letter.reason,
        "redrives": letter.redrives,
        "whole": letter.whole,
        "bytes": letter.bytes,
        "sha256": letter.sha256,
        "headers": [{"name": name, **_value(value)} for name, value in letter.record.headers],
        "key": _value(letter.record.key),
        "value": _value(letter.record.value),
    }


def _value(value: bytes | None) -> dict[str, str | None]:
    """Bytes as text where they are text, else as hex; both null where there are none."""
    text = None if value is None else as_text(value)
    return {"text": text, "hex": None if value is None or text is not None else value.hex()}


def show_letter(letter: Letter) -> None:
    from rich.text import Text

    record, at = letter.record, letter.origin
    lines = [
        ("letter", f"{record.partition}@{record.offset}"),
        ("from", f"{at.topic}/{at.partition}@{at.offset}" if at else "unknown"),
        ("reason", letter.reason),
        ("key", _inline(record.key)),
        *((name, _inline(value)) for name, value in record.headers),
    ]
    for name, text in lines:
        out().print(Text.assemble((clean(name), "cyan"), f"  {clean(text)}"), soft_wrap=True)
    if not letter.whole:
        out().print(Text(f"its {letter.bytes:,} bytes stayed where they are: sha256 {clean(letter.sha256)}"))
    for line in _body(record.value or b""):
        out().print(Text(line), soft_wrap=True)


def _inline(value: bytes | None) -> str:
    if value is None:
        return "-"
    text = as_text(value)
    return value.hex(" ") if text is None else text


def _body(value: bytes) -> list[str]:
    """Text as it is, else hex; the beginning, where it is long."""
    text = as_text(value[:SHOWN])
    lines = hex_lines(value[:SHOWN]) if text is None else text.splitlines()
    return [*lines, f"... and {len(value) - SHOWN:,} bytes more: --json has all"] if len(value) > SHOWN else lines
