"""A signed link in a request, through the whole stack: its signature is in the request itself and nowhere else."""

from __future__ import annotations

from tests.stack import Hands, Stack, until

TOKEN = "PLANTED-0123456789-signature"
PATHS = (
    f"https://files.example/a.mp4?X-Amz-Signature={TOKEN}",
    f"https://anna:{TOKEN}@files.example/a.mp4",
    f"s3://bucket/a.mp4?sig={TOKEN}",
    f"ada/missing.mp4?token={TOKEN}",
)


async def test_a_signed_link_that_fails_shows_its_signature_nowhere(hands: Hands, stack: Stack) -> None:
    for number, path in enumerate(PATHS):
        status = await hands.ending(await hands.ask(f"signed-{number}", "ada", path))
        assert status["status"] == "failed"
        assert TOKEN not in repr(status)
    await hands.notifications(len(PATHS))
    rows = await until("all failures in their ledger", lambda: failures(hands))
    assert TOKEN not in repr(rows)
    for table in ("videos", "runs", "failures"):
        assert TOKEN not in repr([dict(row) for row in await hands.pool.fetch(f"SELECT * FROM {table}")])
    assert TOKEN not in repr([dict(row) for row in await hands.pool.fetch("SELECT * FROM journal.runs")])
    for log in stack.home.glob("*.log"):
        assert TOKEN not in log.read_text(), log.name


async def failures(hands: Hands) -> list[str] | None:
    rows = await hands.pool.fetch("SELECT error_message FROM failures")
    return [row["error_message"] for row in rows] if len(rows) >= len(PATHS) else None
