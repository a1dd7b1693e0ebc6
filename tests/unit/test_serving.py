"""Serving: search is never blank while a video is embedded anew, and sets never mix."""

from projections.serving import Place, choose

V = ("ada", "tides")


def place(set_id: str, at: bytes, *, space: str = "m/1", complete: bool = True, spaces: int = 1) -> Place:
    return Place(V, set_id, space, at, spaces, complete)


def test_the_newest_complete_set_is_served_and_the_older_one_goes():
    choice = choose([place("old", b"1"), place("new", b"2")], ["m/1"])
    assert choice.served == {V: ("m/1", "new")}
    assert [old.chunk_set_id for old in choice.old_vectors] == ["old"]
    assert choice.old_chunks == [(*V, "old")]


def test_a_set_that_is_not_complete_leaves_the_one_before_in_its_place():
    choice = choose([place("old", b"1"), place("new", b"2", complete=False)], ["m/1"])
    assert choice.served == {V: ("m/1", "old")}
    assert choice.old_vectors == []


def test_a_video_without_a_set_in_the_active_space_is_served_from_the_space_before():
    choice = choose([place("one", b"1", space="before/1")], ["active/1", "before/1"])
    assert choice.served == {V: ("before/1", "one")}


def test_a_set_of_two_spaces_keeps_its_chunks_until_it_is_old_in_both():
    sets = [place("both", b"1", spaces=2), place("both", b"1", space="m/2", spaces=2), place("new", b"2")]
    choice = choose(sets, ["m/1"])
    assert [(old.chunk_set_id, old.space) for old in choice.old_vectors] == [("both", "m/1")]
    assert choice.old_chunks == []


def test_an_older_set_that_is_still_being_embedded_is_pruned_by_a_newer_complete_one():
    choice = choose([place("slow", b"1", complete=False), place("new", b"22")], ["m/1"])
    assert [old.chunk_set_id for old in choice.old_vectors] == ["slow"]


def test_without_an_active_space_nothing_is_served():
    assert choose([place("one", b"1")], []).served == {}


def test_a_set_of_a_retired_space_goes_with_its_chunks_whether_or_not_a_newer_one_came_before():
    gone = Place(V, "one", "m/1", b"1", 1, complete=False, gone=True)
    for sets in ([gone], [gone, place("newer", b"2")]):
        assert choose(sets, ["m/1"]).old_chunks == [(*V, "one")]


def test_a_set_of_two_spaces_keeps_its_chunks_when_one_of_them_is_retired():
    sets = [place("both", b"1", spaces=2), Place(V, "both", "m/2", b"1", 2, complete=False, gone=True)]
    choice = choose(sets, ["m/1"])
    assert choice.served == {V: ("m/1", "both")}
    assert choice.old_chunks == []
