"""The names in Redis, spelled here only."""

QUEUE = "job_queue"  # LIST of job ids: the runway, not the backlog
UPDATES = "job_updates"  # pub/sub channel: changes of jobs
