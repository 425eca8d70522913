"""What tests ask of Postgres: whether the tables beside `jobs` say what it says, and how a statement is planned."""

from collections.abc import Iterator
from typing import Any

# A line for each difference.
DIFFER = """
    SELECT format('%s waits, it is said', id) FROM waiting_jobs AS said
    WHERE NOT EXISTS (SELECT FROM jobs WHERE status = 'PENDING' AND (id, run_at, priority, tenant_id::text, type::text)
                                             = (said.id, said.run_at, said.priority, said.tenant_id, said.type))
    UNION ALL
    SELECT format('%s waits', id) FROM jobs WHERE status = 'PENDING' AND id NOT IN (SELECT id FROM waiting_jobs)
    UNION ALL
    SELECT format('%s runs', id) FROM jobs
    WHERE status = 'RUNNING'
      AND NOT EXISTS (SELECT FROM claims
                      WHERE claims.worker_id = jobs.worker_id AND jobs.id = ANY (ids) AND claims.deadline_at <= jobs.deadline_at)
    UNION ALL
    SELECT format('%s changed', id) FROM jobs
    WHERE NOT EXISTS (SELECT FROM job_changes
                      WHERE (job_changes.tenant_id, job_changes.changed_xid) = (jobs.tenant_id, jobs.changed_xid) AND jobs.id = ANY (ids))
"""


def nodes_of(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A node of a plan as EXPLAIN (FORMAT JSON) tells it, and all below it."""
    yield plan
    for part in plan.get("Plans", ()):
        yield from nodes_of(part)
