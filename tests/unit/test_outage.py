"""An outage is logged twice, however many attempts fail in between."""

import logging

import pytest

from monoq.observe.outage import Outage

log = logging.getLogger("test")


def test_only_the_first_error_and_the_recovery_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(log, "heartbeat")
    outage.over()
    assert not caplog.records
    for error in ("refused", "refused again"):
        outage.failed(OSError(error))
    assert outage.is_on
    outage.over()
    outage.over()
    first, last = (record.getMessage() for record in caplog.records)
    assert first == "heartbeat failed: refused"
    assert last.startswith("heartbeat restored after 0.")
    assert not outage.is_on


def test_the_next_outage_is_logged_again(caplog: pytest.LogCaptureFixture) -> None:
    outage = Outage(log, "heartbeat")
    for _ in range(2):
        outage.failed("refused")
        outage.over()
    assert len(caplog.records) == 4
