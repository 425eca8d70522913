-- Types that no worker has named for $1 seconds are types no more.
DELETE FROM job_types WHERE seen_at < now() - $1 * interval '1 s'
