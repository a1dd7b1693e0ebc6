"""Vectors on their way into Postgres and out: bytes as they are on the log, in pgvector's binary form."""

from __future__ import annotations

import struct
from array import array

import asyncpg

HEADER = struct.Struct(">HH")  # dimensions, and 0


async def register(connection: asyncpg.Connection) -> None:
    """Lets a connection read and write vectors as bytes: float32, little-endian, as they are on the log."""
    await connection.set_type_codec("vector", schema="public", encoder=_encode, decoder=_decode, format="binary")


def _encode(values: bytes) -> bytes:
    """pgvector's binary form, as its vector_send writes it: two 16-bit numbers, then the floats, all big-endian."""
    return HEADER.pack(len(values) // 4, 0) + _turned(values)


def _decode(binary: bytes) -> bytes:
    return _turned(binary[HEADER.size :])


def _turned(floats: bytes) -> bytes:
    """The other byte order. Not through numpy: every command would wait for its import, and it is slower here."""
    words = array("f", floats)
    words.byteswap()
    return words.tobytes()
