-- Says "alive" for as long as this connection lives; the kernel of a killed process closes it at once.
SELECT pg_try_advisory_lock($1::int, ($2::bigint % 2147483647)::int)
