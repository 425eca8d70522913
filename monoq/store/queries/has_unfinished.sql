-- Whether a job runs or is due. For tests: it reads the whole table.
SELECT EXISTS (SELECT FROM waiting_jobs)
       OR EXISTS (SELECT FROM delayed_jobs WHERE run_at <= now())
       OR EXISTS (SELECT FROM jobs WHERE status = 'RUNNING')
