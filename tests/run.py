"""Runs all tests and ends with one line and one exit code: `python tests/run.py [arguments for
pytest]`.

Most tests wait a good part of their time, so several run at once, each process with engines of its
own. Those marked `alone` measure times or keep the whole machine busy; they come after the others,
one by one. The long forms of tests, marked `soak`, are for `make soak`.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

AT_ONCE = 2 * (os.cpu_count() or 1)  # more gain nothing: on two cores, four keep them busy
PASSES = {
    "side by side": [
        "-m",
        "not alone and not soak",
        "-n",
        str(AT_ONCE),
        "--dist",
        "loadgroup",
        "--no-loadscope-reorder",
    ],
    "alone": ["-m", "alone and not soak"],
}
NONE_COLLECTED = 5
ROOM_BYTES = 10 << 30


def main() -> int:
    began = time.monotonic()
    passed, failed, skipped = 0, 0, 0
    broken: list[str] = []
    reasons: list[str] = []
    with tempfile.TemporaryDirectory(prefix="monoq-", dir=_memory_disk()) as folder:
        environment = os.environ | {"TMPDIR": folder}
        # The tests start hundreds of processes; compiling everything in each costs a fifth of it.
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for name, arguments in PASSES.items():
            report = Path(folder) / f"{name}.xml"
            # Native tracebacks: pytest's own parse the source, which can fail on 3.11 (a
            # SystemError of ast.parse) and end the session.
            command = [
                sys.executable,
                "-m",
                "pytest",
                "--tb=native",
                *arguments,
                f"--junitxml={report}",
                *sys.argv[1:],
            ]
            code = subprocess.run(command, env=environment, check=False).returncode
            if code not in (0, NONE_COLLECTED):
                broken.append(f"{name} (exit code {code})")
            if report.exists():
                for suite in ElementTree.parse(report).getroot().iter("testsuite"):
                    tests, bad, left = (
                        int(suite.get(what, "0")) for what in ("tests", "failures", "skipped")
                    )
                    bad += int(suite.get("errors", "0"))
                    passed, failed, skipped = (
                        passed + tests - bad - left,
                        failed + bad,
                        skipped + left,
                    )
                    reasons += _reasons(suite)
    if not broken and not passed:
        broken.append("no test was run")
    print("", *reasons, sep="\n")
    print(
        f"\n{'FAILED: ' + ', '.join(broken) if broken else 'all is well'},"
        f" after {time.monotonic() - began:.0f} s"
    )
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if broken else 0


def _reasons(suite: ElementTree.Element) -> Iterator[str]:
    """A line for each test that failed: its traceback is far above, or cut off where somebody reads
    this."""
    for case in suite.iter("testcase"):
        for problem in (*case.iter("failure"), *case.iter("error")):
            message = " ".join(problem.get("message", "").split())[:300]
            yield f"{case.get('classname')}::{case.get('name')}: {message}"


def _memory_disk() -> str | None:
    """Where the engines keep their data: a file system in memory if there is room, since fsync
    costs nothing there, and what a killed process has written is as safe as on a disk. None:
    wherever temporary files are kept."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        free_kb = int(Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0])
        if min(free_kb << 10, shutil.disk_usage("/dev/shm").free) > ROOM_BYTES:
            return "/dev/shm"
    return None


if __name__ == "__main__":
    sys.exit(main())
