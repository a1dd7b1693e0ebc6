"""A link leads to the second that was meant."""

from __future__ import annotations

import pytest

from chronos.sharing import NoSuchSecond, link, second


@pytest.mark.parametrize(
    ("said", "seconds"),
    [("62", 62), ("1:02", 62), ("1:02:03", 3723), ("1h2m3s", 3723), ("2m", 120), ("1:02.5", 62.5), (" 0 ", 0)],
)
def test_a_second_is_said_as_players_and_people_write_it(said: str, seconds: float):
    assert second(said) == seconds


@pytest.mark.parametrize("said", ["", "soon", "1:2:3:4", "-1", "1:", "١", "1e3", "nan", "inf"])
def test_what_is_no_second_is_refused(said: str):
    with pytest.raises(NoSuchSecond, match="give 62, 1:02"):
        second(said)


def test_a_link_holds_any_id_and_the_second():
    assert link("http://localhost:8288/", "ada/x", "日本 ?", 62) == (
        "http://localhost:8288/videos/ada%2Fx/%E6%97%A5%E6%9C%AC%20%3F?t=62"
    )
    assert link("https://c.example", "ada", "v", 62.5).endswith("?t=62.5")
    assert link("https://c.example", "ada", "v", 12_345.0).endswith("?t=12345")
    assert link("https://c.example", "ada", "v", 0).endswith("/v")


def test_a_second_behind_the_end_is_refused():
    with pytest.raises(NoSuchSecond, match="60 s long"):
        link("https://c.example", "ada", "v", 62, duration=60)
