"""What tests ask of Postgres: whether the tables beside `jobs` say what it says, and how a
statement is planned."""

from collections.abc import Iterator, Sequence
from typing import Any

import asyncpg

from monoq.store.database import query

# A line for each difference. What is due may still be among the delayed jobs, but not the other way
# round.
DIFFER = """
    SELECT format('%s waits, it is said', id) FROM waiting_jobs AS said
    WHERE run_at > now()
       OR NOT EXISTS (SELECT FROM jobs
                      WHERE status = 'PENDING'
                        AND (id, run_at, priority, crashes + deaths > 0, tenant_id::text,
                             type::text)
                            = (said.id, said.run_at, said.priority, said.suspect, said.tenant_id,
                               said.type))
    UNION ALL
    SELECT format('%s is delayed, it is said', id) FROM delayed_jobs AS said
    WHERE NOT EXISTS (SELECT FROM jobs
                      WHERE status = 'PENDING'
                        AND (id, run_at, tenant_id::text, type::text)
                            = (said.id, said.run_at, said.tenant_id, said.type))
    UNION ALL
    SELECT format('%s waits', id) FROM jobs
    WHERE status = 'PENDING'
      AND (SELECT count(*) FROM (SELECT id FROM waiting_jobs
                                  UNION ALL SELECT id FROM delayed_jobs
                                  UNION ALL SELECT id FROM keyed_jobs) AS said
           WHERE said.id = jobs.id) <> 1
    UNION ALL
    SELECT format('%s runs', id) FROM jobs
    WHERE status = 'RUNNING'
      AND NOT EXISTS (SELECT FROM claims WHERE claims.worker_id = jobs.worker_id
                       AND jobs.id = ANY (ids))
    UNION ALL
    SELECT format('%s changed', id) FROM jobs
    WHERE NOT EXISTS (SELECT FROM job_changes
                      WHERE (job_changes.tenant_id, job_changes.changed_xid)
                             = (jobs.tenant_id, jobs.changed_xid)
                        AND jobs.id = ANY (ids))
    UNION ALL
    SELECT format('%s counts of %s jobs of %s', counted.jobs, counted.status, counted.tenant_id)
    FROM (SELECT tenant_id, type, status, sum(jobs) AS jobs
          FROM (SELECT tenant_id, type, status, jobs FROM job_counts
                UNION ALL SELECT tenant_id, type, status, jobs FROM job_count_changes) AS parts
          GROUP BY 1, 2, 3) AS counted
         FULL JOIN (SELECT tenant_id::text COLLATE "C" AS tenant_id, type::text COLLATE "C" AS type,
                           status, count(*) AS jobs
                    FROM jobs GROUP BY 1, 2, 3) AS truth
         USING (tenant_id, type, status)
    WHERE coalesce(counted.jobs, 0) <> coalesce(truth.jobs, 0)
    UNION ALL
    SELECT format('%s in total of %s jobs', counted.jobs, status)
    FROM (SELECT type, status, sum(jobs) AS jobs
          FROM (SELECT type, status, jobs FROM job_totals
                UNION ALL SELECT type, status, jobs FROM job_count_changes) AS parts
          GROUP BY 1, 2) AS counted
         FULL JOIN (SELECT type::text COLLATE "C" AS type, status, count(*) AS jobs
                    FROM jobs GROUP BY 1, 2) AS truth
         USING (type, status)
    WHERE coalesce(counted.jobs, 0) <> coalesce(truth.jobs, 0)
    UNION ALL
    SELECT format('%s waiting and %s running jobs of %s', said.waiting, said.running, tenant_id)
    FROM (SELECT tenant_id, coalesce(sum(jobs) FILTER (WHERE status = 'PENDING'), 0) AS waiting,
                 coalesce(sum(jobs) FILTER (WHERE status = 'RUNNING'), 0) AS running
          FROM job_counts GROUP BY 1) AS truth
         FULL JOIN tenant_counts AS said USING (tenant_id)
    WHERE (coalesce(said.waiting, 0), coalesce(said.running, 0))
          <> (coalesce(truth.waiting, 0), coalesce(truth.running, 0))
"""


async def register(
    db: asyncpg.Connection,
    *types: str,
    lease_s: float = 60.0,
    process: "tuple[str | None, int | None, int | None]" = (None, None, None),
    threads: Sequence[str] = (),
    children: Sequence[str] = (),
) -> int:
    """A worker with async handlers of these types; returns its id. `process`: host, pid, start of
    it."""
    kinds = (list(types), list(threads), list(children))
    arguments = ("w", *process, 1, 1, 1, *kinds, lease_s, "1.2.3", False)
    return int(await db.fetchval(query("register_worker"), *arguments))


async def claim(
    db: asyncpg.Connection, ids: Sequence[Any], worker: int, *types: str, suspects: bool = False
) -> list[asyncpg.Record]:
    """The rows that a worker's claim of these ids brings."""
    arguments = (list(ids), worker, list(types), [60_000] * len(types), suspects, 4096)
    return list(await db.fetch(query("claim_jobs"), *arguments))


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan as EXPLAIN (FORMAT JSON) tells it, and all below it."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes_of(part)
