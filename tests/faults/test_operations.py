"""Whoever cancels or retries many jobs may die; the end is exact."""

import itertools
from pathlib import Path
from typing import Any

import pytest
from conftest import eventually

from faults.world import world

JOBS = 5000
WAITING = """
    INSERT INTO jobs (tenant_id, type, status, finished_at)
    SELECT 't' || n % 3, 'nobody-runs-it', $2::text::job_status,
           CASE WHEN $2 <> 'PENDING' THEN now() END
    FROM generate_series(1, $1::int) AS n"""


SHORT = [("in_operation_batch", "kill9", "cancel"), ("after_operation_batch", "stop", "retry")]
WAYS = itertools.product(
    ["in_operation_batch", "after_operation_batch"], ["kill9", "stop"], ["cancel", "retry"]
)


@pytest.mark.parametrize(
    ("place", "fate", "kind"),
    [pytest.param(*way, marks=[] if way in SHORT else pytest.mark.soak) for way in WAYS],
)
async def test_an_operation_is_exact_whoever_dies_while_it_is_carried_out(
    tmp_path: Path, place: str, fate: str, kind: str
) -> None:
    before, after = ("PENDING", "CANCELLED") if kind == "cancel" else ("FAILED", "PENDING")
    async with world(tmp_path, apis=1) as broken:
        (api,) = broken.apis
        await broken.fetch(WAITING, JOBS, before)
        victim = broken.member("worker", MONOQ_FAILPOINT=f"{place}:{fate}:2")
        await broken.is_up(victim)
        jobs = {"filter": {"type": "nobody-runs-it"}}
        answer = await broken.http.post(f"{api.url}/jobs/{kind}", json=jobs)
        assert answer.status_code == 202, answer.text
        api.freeze()  # or it might do all the work
        await eventually(lambda: state_of(victim.pid) in "TZ")
        done = "SELECT done FROM operations"
        assert 0 < await broken.value(done) < JOBS, "a part of the work, or this shows nothing"
        api.thaw()

        async def ended() -> dict[str, Any] | None:
            url = f"{api.url}/operations/{answer.json()['id']}"
            now = (await broken.http.get(url)).json()
            return now if now["finishedAt"] else None

        now = await eventually(ended)
        assert (now["state"], now["done"], now["skipped"]) == ("COMPLETED", JOBS, 0)
        victim.thaw()
        rows = await broken.fetch("SELECT status, version, count(*) FROM jobs GROUP BY 1, 2")
        assert [tuple(row) for row in rows] == [(after, 2, JOBS)]
        told = "SELECT count(*) FROM job_changes, unnest(ids)"
        assert await broken.value(told) == 2 * JOBS, "each was stored, and changed once"


def state_of(pid: int) -> str:
    """T: frozen; Z: dead."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
