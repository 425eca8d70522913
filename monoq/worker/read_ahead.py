"""How many jobs may be claimed before they can start. A claim is a promise to start now, so the
limit is a time: what starts within AHEAD_S, at the pace at which jobs have started lately. Pure."""

AHEAD_S = 0.05
SAMPLE_S = 0.005  # a shorter sample is too noisy
HALF_LIFE_S = 0.05
# Before anything is known: two jobs. The pace of those that end at once grows tenfold within a few
# milliseconds; of those that compute, many would be given back.
FIRST_PER_S = 2 / AHEAD_S


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


class RunTimes:
    """The recent mean run time, for a pool with a fixed number of places. There the pace of starts
    is no measure, because jobs that began together end together."""

    def __init__(self) -> None:
        self._mean_s: float | None = None

    def note(self, seconds: float) -> None:
        """A run took so long."""
        self._mean_s = seconds if self._mean_s is None else 0.9 * self._mean_s + 0.1 * seconds

    def allowed(self, places: int) -> int:
        """How many jobs may wait to start: as many as `places` can start within AHEAD_S."""
        return 0 if not self._mean_s else int(min(places * AHEAD_S / self._mean_s, 1000))
