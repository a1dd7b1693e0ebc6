"""A short campaign of faults: twelve over forty videos, always the same, in about two minutes. See `make faults`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.campaign.report import to_markdown
from tests.faults.campaign.running import Campaign, run

SHORT = Campaign(seed=1, faults=12, videos=40, seconds=70.0, longest_pause=9.0)


@pytest.mark.timeout(400)
@pytest.mark.long
async def test_twelve_faults_over_forty_videos_break_no_promise(tmp_path: Path):
    evidence, verdict = await run(SHORT, tmp_path, print)
    print(to_markdown(evidence, verdict, "make faults FAULTS=12 VIDEOS=40 SEED=1"))
    assert verdict.broken == []
    assert verdict.videos == SHORT.videos
    assert sum(verdict.faults.values()) == SHORT.faults
