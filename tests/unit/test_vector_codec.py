"""Vectors come back from Postgres as the bytes that went in, in the form that pgvector's own functions write."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from chronos.adapters.vector_codec import _decode, _encode


def test_the_form_is_the_one_that_pgvector_documents() -> None:
    """Dimensions and a zero in 16 bits each, then the floats, all big-endian: vector_send in pgvector's vector.c."""
    assert _encode(struct.pack("<3f", 1.0, -2.5, 0.0)) == struct.pack(">HH3f", 3, 0, 1.0, -2.5, 0.0)


@given(st.binary(max_size=400).map(lambda some: some[: len(some) // 4 * 4]))
def test_every_bit_comes_back(values: bytes) -> None:
    assert _decode(_encode(values)) == values
