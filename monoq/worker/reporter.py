"""Writes progress and logs of running jobs in batches, then sends them to viewers. It must never
hold up a handler or the end of its job."""

import asyncio
import logging
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import asyncpg

from monoq import codec
from monoq.errors import DatabaseUnavailable
from monoq.job import timestamp
from monoq.live import note
from monoq.live.note import Note
from monoq.live.publisher import Publisher
from monoq.observe.outage import Outage
from monoq.process.batching import Batches, Pace
from monoq.process.service import Service
from monoq.store.reports import ReportStore, WrittenLine, WrittenProgress
from monoq.worker.mailbox import Mailbox
from monoq.worker.report import (
    MAX_LINES,
    MAX_LOG_BYTES,
    Line,
    Progress,
    Report,
    line_of,
    progress_of,
)
from monoq.worker.run import Run

log = logging.getLogger(__name__)

WRITE_EVERY_S = 0.1  # a lone report is written at once; a job's next one so much later
AT_ONCE = 1000  # runs in one write, at most
BYTES_AT_ONCE = 1 << 20  # of lines in one write, unless one run has more
RETRY_S = 0.25

Said = tuple[Run, Progress | None, list[Line]]


class Reporter(Service):
    """`progress` and `log` may be called by any thread, and return at once."""

    name = "reporter"

    def __init__(self, *, store: ReportStore, publisher: Publisher) -> None:
        super().__init__()
        self._store = store
        self._publisher = publisher
        self._lock = threading.Lock()
        self._waiting: Batches[Run] = Batches(self._write, _take, gather=Pace(WRITE_EVERY_S).wait)
        self._arrived = Mailbox(asyncio.get_running_loop(), self._waiting.add)
        self._outage = Outage(log, "writing progress and logs of jobs")

    def progress(self, run: Run, fraction: float, text: str) -> None:
        """Keeps the newest progress of a run."""
        said = progress_of(fraction, text)

        def keep(report: Report) -> None:
            report.progress = said

        self._say(run, keep)

    def log(self, run: Run, text: str, fields: Mapping[str, Any]) -> None:
        """Keeps a line of a run's log."""
        line = line_of(text, fields)
        self._say(run, lambda report: report.add(line))

    def stop(self) -> None:
        super().stop()
        self._waiting.close()

    async def run(self) -> None:
        await self._waiting.run()

    def _say(self, run: Run, keep: Callable[[Report], None]) -> None:
        with self._lock:
            report = run.report
            if report is None:
                report = run.report = Report()
            keep(report)
            if report.queued:
                return
            report.queued = True
        self._arrived.put(run)

    async def _write(self, runs: Sequence[Run]) -> None:
        with self._lock:
            said: list[Said] = [(run, *run.report.take()) for run in runs if run.report]
        while True:
            try:
                await self._write_all(said)
                self._outage.over()
                return
            except DatabaseUnavailable as error:
                self._outage.failed(error)
                if self.stopping.is_set():  # what jobs said last is not worth a stop's time
                    return
                await self.pause(RETRY_S)

    async def _write_all(self, said: Sequence[Said]) -> None:
        try:
            notes = await self._stored(said)
        except (asyncpg.PostgresError, ValueError, OverflowError) as error:
            if len(said) > 1:
                for one in said:
                    await self._write_all([one])
            else:
                log.warning("PostgreSQL rejects the reports of job %s: %s", said[0][0].id, error)
            return
        self._publisher.publish_notes(notes)

    async def _stored(self, said: Sequence[Said]) -> list[tuple[str, Note]]:
        """Stores what was said by runs that still hold their claim, and makes notes of it."""
        accepted = await self._store.write_progress(
            [
                WrittenProgress(run.id, run.claim, progress.fraction, progress.text)
                for run, progress, _ in said
                if progress
            ]
        )
        lines = [
            WrittenLine(run.id, run.claim, run.attempt, line.at, line.text, line.fields)
            for run, _, of_run in said
            for line in of_run
        ]
        offsets: defaultdict[UUID, list[int]] = defaultdict(list)
        for row in await self._store.write_log(lines):
            offsets[row["job_id"]].append(row["id"])
        await self._trim([run for run, _, of_run in said if _grows(run, of_run)])
        notes: list[tuple[str, Note]] = []
        for run, progress, of_run in said:
            told = Note(str(run.id))
            if progress and run.id in accepted:
                told.progress = _shown_progress(progress)
            if of_run and (of_lines := offsets.get(run.id)):
                assert run.report
                told.log_before, told.log_end = run.report.log_end, of_lines[-1]
                told.lines = _shown_lines(run, of_run, of_lines)
                run.report.log_end = told.log_end
            if told.progress or told.log_end:
                notes.append((run.tenant_id, told))
        return notes

    async def _trim(self, runs: Sequence[Run]) -> None:
        if runs:
            await self._store.trim_logs([run.id for run in runs], MAX_LINES, MAX_LOG_BYTES)


def _take(waiting: deque[Run]) -> list[Run]:
    batch: list[Run] = []
    size = 0
    while waiting and len(batch) < AT_ONCE and size < BYTES_AT_ONCE:
        batch.append(run := waiting.popleft())
        size += run.report.size if run.report else 0
    return batch


def _grows(run: Run, lines: Sequence[Line]) -> bool:
    """Whether the job's log may have become too long by these lines."""
    if not lines or run.report is None:
        return False
    run.report.written_lines += len(lines)
    run.report.written_bytes += sum(line.size for line in lines)
    return (
        run.claim > 1  # earlier runs may have left some
        or run.report.written_lines > MAX_LINES
        or run.report.written_bytes > MAX_LOG_BYTES
    )


def _shown_progress(progress: Progress) -> dict[str, Any]:
    return {"fraction": progress.fraction, "text": progress.text, "at": timestamp(progress.at)}


def _shown_lines(run: Run, lines: Sequence[Line], offsets: Sequence[int]) -> list[Any] | None:
    if len(lines) > note.MAX_LINES:
        return None
    return [
        {
            "offset": offset,
            "attempt": run.attempt,
            "at": timestamp(line.at),
            "text": line.text,
            "fields": None if line.fields is None else codec.read(line.fields),
        }
        for line, offset in zip(lines, offsets, strict=True)
    ]
