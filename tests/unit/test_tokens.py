"""Tokens are the model's own, and what it does not take is known before it is asked."""

from __future__ import annotations

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from chronos.tokens import CL100K, Vocabulary, vocabulary

SMALL = Vocabulary(CL100K, 5)
OPENAI = vocabulary("text-embedding-3-small")


@pytest.mark.parametrize("model", ["text-embedding-3-small", "text-embedding-3-large", "text-embedding-ada-002"])
def test_openais_models_count_as_openai_does(model: str):
    assert vocabulary(model).count("tiktoken is great!") == 6  # OpenAI's own example, in its cookbook
    assert vocabulary(model).most == 8191


def test_a_text_is_not_told_by_marks_that_stand_in_it():
    assert OPENAI.count("<|endoftext|>") > 1


def test_a_model_that_nobody_knows_is_estimated_and_takes_everything():
    unknown = vocabulary("multilingual-e5-small")
    assert unknown.count("12345678é") == 3
    assert unknown.surplus("x" * 1_000_000) == 0
    assert unknown.cut("x" * 100_000) == "x" * 100_000


@given(st.text(max_size=60))
@settings(deadline=None)
def test_what_is_cut_is_a_beginning_that_the_model_takes_and_as_long_as_can_be(text: str):
    cut = SMALL.cut(text)
    assert text.startswith(cut)
    assert SMALL.count(cut) <= 5
    assert (cut == text) == (SMALL.surplus(text) == 0)
    if cut != text:
        assert len(cut.encode()) >= 5 - 3  # half a letter of four bytes is left out at most


def test_a_chunk_of_burmese_is_cut_where_the_estimate_saw_no_need():
    text = "မြန်မာစာ" * 700  # 5,600 letters, of which the chunker's estimate makes 5,600 tokens
    assert OPENAI.count(text) == len(tiktoken.get_encoding(CL100K).encode(text)) > 8191
    assert 0 < OPENAI.surplus(text) == OPENAI.count(text) - 8191
    assert OPENAI.count(OPENAI.cut(text)) in (8190, 8191)


def test_a_word_without_end_is_counted_at_once():
    assert OPENAI.cut("a" * 100_000) == "a" * 8191 * 8
