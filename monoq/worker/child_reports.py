"""In the process of an isolated job: what it says of itself goes to the worker, a line of the wire
each."""

import socket
import threading
from collections.abc import Mapping
from typing import Any

import orjson

from monoq.worker.forked import REPORT
from monoq.worker.report import Report, line_of, progress_of
from monoq.worker.run import Run

SEND_EVERY_S = 0.05


class ChildReports:
    """Sends from a thread, so that a job which says a lot does not wait for the worker. The thread
    starts with the first word."""

    def __init__(self, worker: socket.socket) -> None:
        self._worker = worker
        self._report = Report()
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    def progress(self, run: Run, fraction: float, text: str) -> None:
        """Keeps the newest progress."""
        with self._lock:
            self._report.progress = progress_of(fraction, text)
            self._start()

    def log(self, run: Run, text: str, fields: Mapping[str, Any]) -> None:
        """Keeps a line."""
        with self._lock:
            self._report.add(line_of(text, fields))
            self._start()

    def close(self) -> None:
        """Sends what is left; afterwards the wire is the caller's."""
        self._closed.set()
        self._send()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._send_on, name="reports", daemon=True)
            self._thread.start()

    def _send_on(self) -> None:
        while not self._closed.wait(SEND_EVERY_S):
            self._send()

    def _send(self) -> None:
        with self._sending:
            with self._lock:
                progress, lines = self._report.take()
            said: list[dict[str, Any]] = [
                {"log": [line.text, orjson.loads(line.fields or "{}")]} for line in lines
            ]
            if progress:
                said.append({"progress": [progress.fraction, progress.text]})
            if said:
                # A line of the wire for each: the worker reads no longer ones.
                wire = b"".join(REPORT + orjson.dumps(one) + b"\n" for one in said)
                self._worker.sendall(wire)
