"""Keeps this worker's lease alive from a thread of its own, so that a handler which blocks the
event loop does not look dead. It must share nothing with the loop it vouches for: own thread, own
loop, own connection."""

import asyncio
import faulthandler
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence

import asyncpg

from monoq import __version__
from monoq.errors import DatabaseUnavailable
from monoq.observe.outage import Outage
from monoq.process.exit import force_exit
from monoq.process.service import Service
from monoq.store.database import CONNECT_TIMEOUT_S, UNAVAILABLE, query
from monoq.upkeep import deaths

log = logging.getLogger(__name__)

# share of the lease after a good beat in which new work may start: a claim made then is surely
# within it
PROVED = 0.7
# how long the main loop may be stuck before the process is ended: no handler runs in it
STUCK_S = 10.0
REGISTER_WITHIN_S = 30.0  # how long an outage may last while a worker starts


class Heartbeat(Service):
    """The worker's row: registered at `register`, renewed every `beat_s` seconds, removed at
    `stop`.

    `worker_id` is new for every start of a process, and whenever its jobs were taken from it: an id
    is never used again.

    The thread also ends a process that cannot be saved: one whose main loop is stuck, and, by a
    timer in C, one in which C code keeps the interpreter so long (`watchdog_s`; 0: never) that even
    this thread cannot run.
    """

    name = "heartbeat"

    def __init__(
        self,
        *,
        database_url: str,
        sizes: Sequence[int],
        types: Sequence[Sequence[str]],
        lease_s: float,
        beat_s: float,
        watchdog_s: float,
    ) -> None:
        """`sizes`: slots, threads, children. `types`: those that run on the loop, in threads and in
        children."""
        super().__init__()
        self.worker_id = 0
        self.draining = False  # as of the last beat; the claim itself checks it, too
        self._database_url = database_url
        self._sizes = sizes
        self._types = types
        self._lease_s = lease_s
        self._beat_s = beat_s
        self._watchdog_s = watchdog_s
        self._last_tick: Callable[[], float] | None = None
        self._hung: Callable[[], int] = int
        self._run_s: Callable[[str], float | None] = lambda _: None
        self._same_tick, self._beats_since_tick = 0.0, 0
        self._last_beat = 0.0
        self._registered = threading.Event()
        self._finish = threading.Event()
        self._failure: BaseException | None = None
        self._last_error: Exception | None = None
        self._thread = threading.Thread(target=self._beat_in_thread, name="heartbeat", daemon=True)

    @property
    def lease_is_proved(self) -> bool:
        """Whether new work may start."""
        return time.monotonic() - self._last_beat < PROVED * self._lease_s

    def watch(
        self,
        *,
        last_tick: Callable[[], float],
        hung: Callable[[], int],
        run_s: Callable[[str], float | None],
    ) -> None:
        """Gives the thread functions for when the main loop last turned, how many handlers cannot
        be stopped, and how many seconds a run of a type takes."""
        self._hung = hung
        self._run_s = run_s
        self._last_tick = last_tick

    async def register(self) -> None:
        """Starts the thread; returns when the worker has an id. An outage of PostgreSQL that ends
        within REGISTER_WITHIN_S is waited out. Raises DatabaseUnavailable."""
        self._thread.start()
        await asyncio.to_thread(self._registered.wait, REGISTER_WITHIN_S)
        if not self.worker_id:
            self._finish.set()
            why = str(self._failure or self._last_error or "") or "no answer"
            raise DatabaseUnavailable(f"the worker could not be registered: {why}")

    async def run(self) -> None:
        """Watches the thread until `stop`; raises what it died of."""
        while not self.stopping.is_set() and self._thread.is_alive():
            await self.pause(0.25)
        self._finish.set()
        await asyncio.to_thread(self._thread.join, 3.0)
        if self._failure and not self.stopping.is_set():
            raise self._failure

    def _beat_in_thread(self) -> None:
        try:
            asyncio.run(self._beat_until_stopped())
        except BaseException as error:  # noqa: BLE001 - `run` raises it where it is seen
            self._failure = error
        finally:
            self._registered.set()
            faulthandler.cancel_dump_traceback_later()

    async def _beat_until_stopped(self) -> None:
        connection: asyncpg.Connection | None = None
        outage = Outage(log, "heartbeat")
        while not self._finish.is_set():
            self._end_a_hung_process()
            try:
                if connection is None or connection.is_closed():
                    connection = await self._connect()
                await self._beat(connection)
                outage.over()
            except (*UNAVAILABLE, asyncpg.PostgresError) as error:
                outage.failed(error)
                self._last_error = error
                if connection is not None:
                    connection.terminate()
                connection = None
                if not self.worker_id and not isinstance(error, UNAVAILABLE):
                    raise
            self._finish.wait(self._beat_s)
        if connection is not None and not connection.is_closed():
            await connection.execute(query("remove_worker"), self.worker_id)
            await connection.close(timeout=1)

    async def _connect(self) -> asyncpg.Connection:
        # A lost beat is made good by the next one, so it need not wait for the disk. A beat is
        # never to be undone for the sake of others, whatever isolation is the database's default.
        isolation = {"default_transaction_isolation": "read committed"}
        settings = {"application_name": "monoq heartbeat", "synchronous_commit": "off"} | isolation
        return await asyncpg.connect(
            self._database_url,
            timeout=CONNECT_TIMEOUT_S,
            command_timeout=max(self._beat_s, 1.0),
            server_settings=settings,
        )

    async def _beat(self, connection: asyncpg.Connection) -> None:
        # the lease runs from a moment after this one: counting from here errs on the safe side
        sent = time.monotonic()
        run_s = [self._run_s(job_type) for types in self._types for job_type in types]
        beat = (self.worker_id, self._lease_s, self._hung(), run_s)
        if self.worker_id and (row := await connection.fetchrow(query("beat_worker"), *beat)):
            self._last_beat = sent
            if row["draining"] != self.draining:
                self.draining = row["draining"]
                does = "drains: it claims no more jobs" if self.draining else "claims jobs again"
                log.info("worker %d %s", self.worker_id, does)
            return
        if self.worker_id:
            log.warning(
                "the lease of worker %d expired and its jobs were rescued; registering again",
                self.worker_id,
            )
        pid = os.getpid()
        host = deaths.host_key()
        who = (f"{socket.gethostname()}:{pid}", host, pid, deaths.started_at(pid) if host else None)
        what = (*self._sizes, *self._types, self._lease_s, __version__, self.draining)
        self.worker_id = await connection.fetchval(query("register_worker"), *who, *what)
        self._last_beat = sent
        self._registered.set()

    def _end_a_hung_process(self) -> None:
        if not self._watchdog_s:
            return
        # armed again at each pass: it fires only if none comes
        faulthandler.dump_traceback_later(self._watchdog_s, exit=True)
        if self._last_tick is None:
            return
        # In beats of this thread, not by a clock: after a freeze of the whole process both are
        # late, and well.
        if (tick := self._last_tick()) != self._same_tick:
            self._same_tick, self._beats_since_tick = tick, 0
        self._beats_since_tick += 1
        if self._beats_since_tick * self._beat_s > STUCK_S:
            sys.stderr.write("monoq: the main event loop is stuck; ending this process\n")
            faulthandler.dump_traceback(all_threads=True)
            faulthandler.cancel_dump_traceback_later()  # embedded engines are stopped first
            force_exit(70)  # EX_SOFTWARE; nothing gentler can be relied on
            threading.Event().wait()
