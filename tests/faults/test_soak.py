"""The soak, for half a minute. `make soak MINUTES=30` is the long one."""

import os
from pathlib import Path

import pytest
from rich.progress import Progress

from faults.judge import Asked, _is_changed, broken_promises
from faults.soak import soak

MINUTES = 0.25  # of faults; with start, drain and judgement about half a minute


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


FINE = {
    "lost": 0,
    "changed": 0,
    "innocents failed": 0,
    "not completed": 0,
    "charged for another's deed": 0,
    "forbidden changes": 0,
    "versions gone back": 0,
    "final states missed": 0,
    "duplicates": 5,
    "in flight at faults": 5,
    "ended unasked": {"worker 1": 1},
    "faults": {"freeze a worker": 1},
}


@pytest.mark.parametrize("broken", [name for name, found in FINE.items() if found == 0])
def test_the_judge_finds_each_promise_that_is_broken(broken: str) -> None:
    assert broken_promises(FINE) == []
    assert broken_promises(FINE | {broken: 1}) == [f"{broken}: 1"]


def test_the_judge_finds_runs_and_ends_that_no_fault_explains() -> None:
    assert len(broken_promises(FINE | {"duplicates": 6})) == 1
    assert len(broken_promises(FINE | {"ended unasked": {"worker 1": 1, "api 1": 1}})) == 1


STORED = {
    "tenant_id": "t1",
    "type": "bench-payload",
    "ms": 0,
    "fail": True,
    "data": 100,
    "whole": True,
    "status": "COMPLETED",
    "result": '{"ms": 0, "bytes": 100}',
}


@pytest.mark.parametrize(
    "change",
    [
        {"tenant_id": "t2"},
        {"type": "bench-noop"},
        {"ms": 5},
        {"fail": False},
        {"data": 99},
        {"whole": False},
        {"result": '{"ms": 0, "bytes": 99}'},
    ],
)
def test_the_judge_finds_a_job_that_is_not_as_it_was_asked_for(change: dict[str, object]) -> None:
    asked = Asked("t1", "bench-payload", 0, True, 100)
    assert not _is_changed(STORED, asked)
    assert _is_changed(STORED | change, asked)
