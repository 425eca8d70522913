-- See close_minute() in migrations/0001_schema.sql.
SELECT close_minute($1::float8 * interval '1 s')
