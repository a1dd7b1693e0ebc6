"""The system that was replaced, as its database mostly looks: made anew, with as many videos as a test wants."""

from __future__ import annotations

import json
import random

import asyncpg

TABLES = """
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE videos (
    id text PRIMARY KEY, user_id text NOT NULL, title text, storage_path text, duration numeric, status text,
    created_at timestamptz NOT NULL
);
CREATE TABLE transcripts (video_id text REFERENCES videos, text text, segments jsonb, language text);
CREATE TABLE chunks (
    video_id text REFERENCES videos, chunk_index int, content text, start_time float8, end_time float8,
    embedding vector(1536)
);
CREATE INDEX ON chunks (video_id);
"""
DICE = random.Random(8)


async def make(url: str, name: str, videos: int) -> None:
    """Videos NAME-0 and so on, of ten creators, with two chunks each; each has a word that no other has."""
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(TABLES)
        await connection.execute(
            """INSERT INTO videos SELECT $2::text || '-' || n, 'creator-' || n % 10, 'Old ' || n, 'old/' || n || '.mp4',
            60, 'completed', timestamptz '2025-03-01' + n * interval '1 minute' FROM generate_series(0, $1 - 1) AS n""",
            videos,
            name,
        )
        spoken = [(f"{name}-{n}", _text(n), json.dumps(_segments(n)), "en") for n in range(videos)]
        await connection.executemany("INSERT INTO transcripts VALUES ($1, $2, $3, $4)", spoken)
        for n in range(videos):
            await _add_chunk(connection, f"{name}-{n}", 0, "Only the beginning.")
            await _add_chunk(connection, f"{name}-{n}", 1, f"The word is unique{n}.")
    finally:
        await connection.close()


async def _add_chunk(connection: asyncpg.Connection, video: str, index: int, text: str) -> None:
    vector = [DICE.random() for _ in range(16)] * 96
    await connection.execute(
        "INSERT INTO chunks VALUES ($1, $2, $3, $4, $5, $6::text::vector)",
        video, index, text, 30.0 * index, 30.0 * index + 30, json.dumps(vector),
    )  # fmt: skip


def _text(n: int) -> str:
    return f"Only the beginning. The word is unique{n}."


def _segments(n: int) -> list[dict[str, object]]:
    return [
        {"id": 0, "start": 0.0, "end": 30.0, "text": " Only the beginning."},
        {"id": 1, "start": 30.0, "end": 60.0, "text": f" The word is unique{n}."},
    ]
