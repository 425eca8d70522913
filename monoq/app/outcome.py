"""How a run ends, other than by a plain result. Pure values; a handler may raise them or return
them."""


class Outcome(Exception):  # noqa: N818 - an ending that may be raised, not an error
    """A way to end a run."""


class Retry(Outcome):
    """This attempt failed: try again after `delay` seconds (None: the handler's backoff). On the
    last attempt the job fails."""

    def __init__(
        self, reason: str = "the handler asked for a retry", *, delay: float | None = None
    ) -> None:
        super().__init__(reason)
        self.delay = delay


class Snooze(Outcome):
    """Not ready yet: run again after `delay` seconds. Does not count as an attempt."""

    def __init__(self, delay: float) -> None:
        super().__init__(f"snoozed for {delay:g} s")
        self.delay = delay


class Cancel(Outcome):
    """Stop for good, on purpose: the job ends as CANCELLED."""

    def __init__(self, reason: str = "cancelled by its handler") -> None:
        super().__init__(reason)


class Fail(Outcome):
    """Stop for good: the job ends as FAILED whatever attempts are left."""

    def __init__(self, reason: str = "failed by its handler") -> None:
        super().__init__(reason)
