"""How a run ends, other than by a plain result. Pure values; a handler may raise or return them."""


class Outcome(Exception):  # noqa: N818 - an ending that may be raised, not an error
    """A way to end a run."""


class Retry(Outcome):
    """This attempt failed; the job runs again. On the last attempt the job becomes FAILED.

    Args:
        reason: Goes into the job's `error` and its history. A number is taken as the delay:
            `Retry(60)` is `Retry(delay=60)`.
        delay: Seconds until the next attempt; None: what the handler's backoff says.

    >>> raise monoq.Retry("the mail server is busy", delay=60)
    """

    def __init__(
        self,
        reason: str | float = "the handler requested a retry",
        *,
        delay: float | None = None,
    ) -> None:
        if not isinstance(reason, str):  # Retry(60), like Snooze(60)
            delay = reason if delay is None else delay
            reason = f"retry after {delay:g} s"
        super().__init__(reason)
        self.delay = delay


class Snooze(Outcome):
    """Not ready yet: the job runs again after `delay` seconds. Does not count as an attempt.

    >>> return monoq.Snooze(300)
    """

    def __init__(self, delay: float) -> None:
        super().__init__(f"snoozed for {delay:g} s")
        self.delay = delay


class Cancel(Outcome):
    """The job ends as CANCELLED: on purpose, and not as an error. `reason` becomes its `error`.

    >>> raise monoq.Cancel("the order was withdrawn")
    """

    def __init__(self, reason: str = "cancelled by its handler") -> None:
        super().__init__(reason)


class Fail(Outcome):
    """The job ends as FAILED, whatever attempts are left. `reason` becomes its `error`.

    >>> raise monoq.Fail("there is no such address")
    """

    def __init__(self, reason: str = "failed by its handler") -> None:
        super().__init__(reason)
