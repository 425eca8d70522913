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


@dataclass(frozen=True, slots=True)
class Schedule(Backoff):
    """A delay for each attempt: `delays[0]` seconds after the first, and so on; the last one after
    all further ones. With `jitter` each is up to a tenth longer.

    Raises ValueError for no delay, or one below 0.

    >>> @app.handler(max_attempts=4, backoff=Schedule(delays=(5, 300, 3600)))
    ... async def send_email(payload: Email) -> None: ...
    """

    delays: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not self.delays or min(self.delays) < 0:
            raise ValueError("a schedule needs delays, none below 0")

    def delay(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt` (the first is 1)."""
        full = self.delays[min(attempt, len(self.delays)) - 1]
        return full * random.uniform(1, 1.1) if self.jitter else full  # noqa: S311 - spreads load
