"""From a job to its row in Postgres: insert, commit, answer; then push and publish."""
