-- Writes and flushes a commit: after it, no transaction id that was seen before can be handed out
-- again by a crash.
SELECT pg_logical_emit_message(true, 'monoq', '')
