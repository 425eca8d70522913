"""Named places where a test may kill or freeze the process. A no-op unless MONOQ_FAILPOINT was set
at the start."""

import os
import signal


def _armed(spec: str) -> tuple[str, int, signal.Signals]:
    """`name:kill9`, `name:stop`, or `name:kill9:3` for the third time it is passed."""
    name, action, *times = spec.split(":")
    return (
        name,
        int(times[0]) if times else 1,
        {"kill9": signal.SIGKILL, "stop": signal.SIGSTOP}[action],
    )


_passed = 0


def _hit(name: str) -> None:
    global _passed
    armed, times, signum = _armed(os.environ["MONOQ_FAILPOINT"])
    if name == armed:
        _passed += 1
        if _passed == times:
            os.kill(os.getpid(), signum)


def _nothing(name: str) -> None: ...


hit = _hit if os.environ.get("MONOQ_FAILPOINT") else _nothing
