"""Runs jobs: fetcher → executor → completer, vouched for by the heartbeat. It must never forget a
job it holds."""
