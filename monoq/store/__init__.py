"""Postgres, the truth: one method per statement, one file per statement. It must decide nothing."""
