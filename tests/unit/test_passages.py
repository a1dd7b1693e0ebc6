"""Passages: a hit leads to the sentence, not to the chunk."""

from hypothesis import given
from hypothesis import strategies as st

from projections.passages import LONGEST, narrowed, passages

SEGMENT = {"start": 10.0, "end": 20.0, "text": "The tide comes in. The moon pulls it. Nobody sees the thread."}


def test_each_sentence_is_a_passage_with_its_own_second():
    found = passages([SEGMENT], 0, 100)
    assert [passage.text for passage in found] == [
        "The tide comes in.",
        "The moon pulls it.",
        "Nobody sees the thread.",
    ]
    assert found[0].start == 10.0
    assert 12.5 < found[1].start < 13.5


def test_words_own_times_are_used_where_they_are_there():
    words = [{"start": n, "end": n + 0.5, "text": word} for n, word in enumerate(SEGMENT["text"].split())]
    found = passages([{**SEGMENT, "start": 0.0, "words": words}], 0, 100)
    assert [passage.start for passage in found] == [0, 4, 8]


def test_only_what_lies_within_the_chunk_is_given():
    assert [passage.text for passage in passages([SEGMENT], 16.3, 100)][-1] == "Nobody sees the thread."
    assert passages([SEGMENT], 21.0, 100) == []


@given(st.lists(st.sampled_from(["a", "bb", "end.", "x!"]), max_size=200))
def test_no_word_is_lost_and_no_passage_is_too_long(texts):
    found = passages([{"start": 0.0, "end": 9.0, "text": " ".join(texts)}], 0, 9)
    assert " ".join(passage.text for passage in found) == " ".join(texts)
    assert all(len(passage.text.split()) <= LONGEST for passage in found)
    assert [passage.start for passage in found] == sorted(passage.start for passage in found)


def test_a_long_sentence_without_punctuation_is_entered_where_the_words_are():
    text = "and so my fellow americans ask not what your country can do for you ask what you can do for your country"
    (whole,) = passages([{"start": 0.0, "end": 11.0, "text": text}], 0, 11)
    matches = [(5, "ask"), (9, "countri"), (14, "ask"), (21, "countri")]
    found = narrowed(whole, matches)
    assert found.text.startswith("ask not what your country")
    assert found.start == whole.words[5][0]


def test_a_passage_whose_words_stand_at_its_beginning_stays_whole():
    (whole,) = passages([{"start": 0.0, "end": 4.0, "text": "The tide comes in twice a day"}], 0, 4)
    assert narrowed(whole, [(1, "tide")]) == whole
    assert narrowed(whole, []) == whole
