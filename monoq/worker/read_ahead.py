"""How many jobs may be claimed before they can start. A claim is a promise to start now, so the limit
is a time: what starts within AHEAD_S, at the pace at which jobs have started lately. Pure."""

AHEAD_S = 0.05
SAMPLE_S = 0.005  # a shorter stretch tells little
HALF_LIFE_S = 0.05
FIRST_PER_S = 16 / AHEAD_S  # before anything is known


class ReadAhead:
    """The pace rises at once. It falls only while jobs wait to start: a pause of the queue says
    nothing about how fast they could."""

    def __init__(self) -> None:
        self._per_s = FIRST_PER_S
        self._started = 0
        self._at = 0.0
        self._measured = False

    def allowed(self, started: int, unstarted: int, now: float) -> int:
        """How many jobs may wait to start. `started`: how many ever did; `unstarted`: how many
        wait; `now`: on the monotonic clock."""
        elapsed = now - self._at
        if elapsed >= SAMPLE_S:
            pace = (started - self._started) / elapsed
            if pace > self._per_s:
                self._per_s = pace
            elif unstarted:
                held = self._per_s * 0.5 ** (elapsed / HALF_LIFE_S)
                self._per_s = max(pace, held)
            self._started, self._at = started, now
        return int(self._per_s * AHEAD_S)
