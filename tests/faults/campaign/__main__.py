"""`make faults`: a campaign with a seed. Exit code 1 when a promise was broken.

python -m tests.faults.campaign --faults 60 --videos 400 --seed 7 --report docs/faults.md
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import shutil
import sys
import tempfile
from pathlib import Path

from chronos import logs
from tests.faults.campaign.report import to_json, to_markdown
from tests.faults.campaign.running import Campaign, run

A_FAULT, A_VIDEO = 6.0, 0.9  # seconds of trouble for each, unless --minutes says how long: two cores keep up with that


def main() -> None:
    given = _arguments().parse_args()
    logs.set_up(level=logging.ERROR)
    seconds = given.minutes * 60 if given.minutes else max(given.faults * A_FAULT, given.videos * A_VIDEO)
    campaign = Campaign(given.seed, given.faults, given.videos, seconds, given.workers, given.longest_pause)
    home = given.home or Path(tempfile.mkdtemp(prefix="chronos-faults-"))
    evidence, verdict = asyncio.run(run(campaign, home, lambda line: print(line, flush=True)))
    minutes = f" MINUTES={given.minutes:g}" if given.minutes else ""
    command = f"make faults FAULTS={given.faults} VIDEOS={given.videos} SEED={given.seed}{minutes}"
    report = to_markdown(evidence, verdict, command)
    if given.report:
        given.report.write_text(report)
        given.report.with_suffix(".json").write_text(json.dumps(to_json(evidence, verdict, command), indent=2) + "\n")
    print(f"\n{report}")
    if verdict.broken:
        sys.exit(f"{len(verdict.broken)} promises were broken; the logs of every process are in {home / 'logs'}")
    if given.home is None:
        shutil.rmtree(home, ignore_errors=True)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--faults", type=int, default=60)
    parser.add_argument("--videos", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, help="how long load and faults go on, before the quiet")
    parser.add_argument("--workers", type=int, default=2, help="at the beginning, each of all functions")
    parser.add_argument("--longest-pause", type=float, default=90.0, help="seconds that a worker is stopped at most")
    parser.add_argument("--report", type=Path, help="a .md file; a .json of the same name stands beside it")
    parser.add_argument("--home", type=Path, help="where data and logs go, and stay")
    return parser


if __name__ == "__main__":
    main()
