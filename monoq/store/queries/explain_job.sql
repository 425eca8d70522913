-- What the reason why job $1 waits begins with.
SELECT tenant_id::text, type::text, status::text, priority, run_at, run_at > clock_timestamp() AS not_due,
       attempts, error, crashes + deaths > 0 AS suspect
FROM jobs WHERE id = $1
