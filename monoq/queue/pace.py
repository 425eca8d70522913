"""How fast ids are taken off the runway, from the count of all ever taken. Pure; a wrong count must
never cost more than a wrong pace."""

SAMPLE_S = 0.1  # a shorter stretch tells little: ids are taken hundreds at a time
HALF_LIFE_S = 0.5  # a pause is believed slowly: a disk or a collector of garbage makes short ones


class Pace:
    """Rises at once, falls by half in HALF_LIFE_S."""

    def __init__(self) -> None:
        self.per_s = 0.0
        self._taken: int | None = None
        self._at = 0.0

    def note(self, taken: int, now: float) -> None:
        """`taken`: how many ids were ever taken, at `now` on the monotonic clock. Less than before:
        the count began anew."""
        elapsed = now - self._at
        if self._taken is not None:
            if elapsed < SAMPLE_S:
                return
            self.per_s = max(
                (taken - self._taken) / elapsed, self.per_s * 0.5 ** (elapsed / HALF_LIFE_S)
            )
        self._taken, self._at = taken, now
