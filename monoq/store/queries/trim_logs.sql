-- Leaves the last $2 lines of the log of each job, or $3 bytes of them.
DELETE FROM job_log_lines
USING (
    SELECT job_id, max(id) AS last
    FROM (
        SELECT job_id, id, row_number() OVER newest_first AS lines,
               sum(octet_length(text) + octet_length(coalesce(fields::text, '')))
               OVER newest_first AS bytes
        FROM job_log_lines WHERE job_id = ANY ($1::uuid[])
        WINDOW newest_first AS (PARTITION BY job_id ORDER BY id DESC)
    ) AS counted
    WHERE lines > $2 OR bytes > $3
    GROUP BY job_id
) AS too_old
WHERE job_log_lines.job_id = too_old.job_id AND job_log_lines.id <= too_old.last
