"""The live stream: publisher → `job_updates` → subscriber → hub → sockets. Every part may lose a
message; none may send an older version after a newer one."""
