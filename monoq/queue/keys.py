"""The names in Redis, spelled here only."""

QUEUE = "job_queue"  # LIST of job ids: the runway, not the backlog
TAKEN = "job_queue_taken"  # how many ids were ever popped from it
UPDATES = "job_updates"  # pub/sub channel: changes of jobs
