"""The lanes: one creator never starves another."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from streams.lanes import Lanes


def test_a_creator_with_one_video_does_not_wait_behind_another_creators_thousand():
    lanes = Lanes(limit=10, total=100)
    for n in range(1000):
        lanes.put("busy", n)
    lanes.put("small", -1)
    taken = [lanes.take() for _ in range(3)]
    assert ("small", -1) in taken


def test_no_more_than_ten_of_one_creator_run_at_once():
    lanes = Lanes(limit=10, total=100)
    for n in range(30):
        lanes.put("a", n)
    running = [lanes.take() for _ in range(11)]
    assert running[10] is None
    lanes.done("a")
    assert lanes.take() == ("a", 10)


def test_reprocessing_waits_behind_everybodys_live_work():
    lanes = Lanes(limit=10, total=100)
    lanes.put("a", "old", behind=True)
    lanes.put("b", "live")
    lanes.put("a", "live")
    assert [lanes.take()[1] for _ in range(3)] == ["live", "live", "old"]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60),
    st.lists(st.sampled_from(["take", "done"]), max_size=150),
    st.randoms(),
)
def test_every_job_runs_once_and_in_its_lanes_order(jobs, moves, chance):
    lanes, running, taken = Lanes(limit=2, total=4), [], []
    for n, (lane, behind) in enumerate(jobs):
        lanes.put(lane, (n, behind), behind=behind)
    for move in [*moves, *["take", "done"] * (2 * len(jobs) + 5)]:
        if move == "take" and (turn := lanes.take()):
            running.append(turn[0])
            taken.append(turn)
        elif move == "done" and running:
            lanes.done(running.pop(chance.randrange(len(running))))
        assert len(running) == lanes.running <= 4
        assert all(count <= 2 for count in Counter(running).values())
        assert lanes.waiting == len(jobs) - len(taken)
    assert len(taken) == len(jobs)
    for lane in "abc":
        for behind in (False, True):
            order = [job[0] for name, job in taken if name == lane and job[1] is behind]
            assert order == sorted(order)


def test_a_lane_that_rests_starts_nothing_and_holds_up_no_other_until_it_is_woken():
    lanes = Lanes(limit=10, total=100)
    for n in range(3):
        lanes.put("a", n)
    assert lanes.take() == ("a", 0)
    lanes.rest("a")
    lanes.put("a", 0, first=True)
    lanes.done("a")
    lanes.put("b", 9)
    assert [lanes.take(), lanes.take()] == [("b", 9), None]
    assert lanes.waiting == 3
    lanes.wake("a")
    assert [lanes.take() for _ in range(4)] == [("a", 0), ("a", 1), ("a", 2), None]


def test_what_waits_can_be_taken_out_when_partitions_are_let_go():
    lanes = Lanes(limit=1, total=9)
    for n in range(3):
        lanes.put("a", n)
    assert lanes.take() == ("a", 0)
    assert lanes.drain() == [1, 2]
    lanes.done("a")
    assert lanes.running == 0
    assert lanes.take() is None
