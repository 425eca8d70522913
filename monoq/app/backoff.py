"""When a failed job runs again. Pure; it must never look at a clock."""

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff between the attempts of a job.

    Args:
        base: Seconds after the first failed attempt; doubled after each further one.
        max: Seconds that it never exceeds.
        jitter: Draws the delay between half and the whole of that ("equal jitter"), so that jobs
            which failed together do not return together.

    Raises ValueError unless 0 <= base <= max.

    >>> @app.handler(max_attempts=8, backoff=Backoff(base=2, max=600))
    ... async def send_email(payload: Email) -> None: ...
    """

    base: float = 1.0
    max: float = 300.0
    jitter: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.base <= self.max:
            raise ValueError("a backoff needs 0 <= base <= max")

    def delay(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt` (the first is 1)."""
        full = min(self.max, self.base * 2.0 ** min(attempt - 1, 64))
        return random.uniform(full / 2, full) if self.jitter else full  # noqa: S311 - spreads load
