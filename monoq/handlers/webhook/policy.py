"""How often, how long and when again a webhook is posted. Pure values."""

from monoq.app.backoff import Schedule

# Seconds after each failed attempt: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h.
SCHEDULE = Schedule(delays=(5, 300, 1800, 7200, 18_000, 36_000))
MAX_ATTEMPTS = 7
TIMEOUT_S = 90.0  # of a run: the call, and the wait for its turn
