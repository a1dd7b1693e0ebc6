"""The ledger: a commit never passes work that is not done."""

from hypothesis import given
from hypothesis import strategies as st

from streams.ledger import AckLedger


@given(st.lists(st.integers(0, 60), unique=True, min_size=1).map(sorted), st.randoms())
def test_a_commit_never_passes_an_offset_that_is_not_done(offsets, chance):
    ledger = AckLedger()
    epochs = {offset: ledger.delivered("p", offset) for offset in offsets}
    undone = list(offsets)
    chance.shuffle(undone)
    while undone:
        offset = undone.pop()
        assert ledger.done("p", offset, epochs[offset])
        committable = ledger.committable("p")
        if undone:
            assert committable is None or committable <= min(undone)
        else:
            assert committable == offsets[-1] + 1
    assert ledger.pending() == 0


@given(st.permutations(range(8)))
def test_all_that_is_finished_from_the_front_is_committed(order):
    ledger = AckLedger()
    epochs = [ledger.delivered("p", offset) for offset in range(8)]
    done = set()
    for offset in order:
        ledger.done("p", offset, epochs[offset])
        done.add(offset)
        front = next((n for n in range(9) if n not in done), 8)
        assert ledger.committable("p") == (front or None)


def test_work_of_an_owner_that_lost_the_partition_changes_nothing():
    ledger = AckLedger()
    old = ledger.delivered("p", 5)
    ledger.forget("p")
    new = ledger.delivered("p", 5)
    assert not ledger.done("p", 5, old)
    assert ledger.committable("p") is None
    assert ledger.done("p", 5, new)
    assert ledger.committable("p") == 6


def test_gaps_in_the_log_are_no_hindrance():
    ledger = AckLedger()
    epochs = {offset: ledger.delivered("p", offset) for offset in (3, 10, 11)}
    ledger.done("p", 3, epochs[3])
    assert ledger.committable("p") == 10
