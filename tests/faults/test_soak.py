"""The soak, for half a minute. `make soak MINUTES=30` is the long one."""

import os
from pathlib import Path

import pytest
from rich.progress import Progress

from faults.judge import broken_promises
from faults.soak import soak

MINUTES = 0.35  # of faults; with start, drain and judgement about half a minute


@pytest.mark.long
async def test_under_faults_of_all_kinds_nothing_is_lost_and_nothing_is_taken_back(
    tmp_path: Path,
) -> None:
    # the same each time: a failure here must be one that can be looked into
    seed = int(os.environ.get("SOAK_SEED", "3"))
    with Progress(disable=True) as progress:
        result = await soak(tmp_path, MINUTES, seed, progress)
    print(result)
    assert broken_promises(result) == [], result
    assert result["kills"] >= 4
    assert result["jobs"] > 1000
