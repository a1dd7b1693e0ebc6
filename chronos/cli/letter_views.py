"""How dead letters look to people and to programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chronos.cli.state import err, out
from chronos.cli.words import age, clean, hex_lines

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
    from chronos.showing import as_text

    if value is None:
        return "-"
    text = as_text(value)
    return value.hex(" ") if text is None else text


def _body(value: bytes) -> list[str]:
    """Text as it is, else hex; the beginning, where it is long."""
    from chronos.showing import as_text

    text = as_text(value[:SHOWN])
    lines = hex_lines(value[:SHOWN]) if text is None else text.splitlines()
    return [*lines, f"... and {len(value) - SHOWN:,} bytes more: --json has all"] if len(value) > SHOWN else lines
