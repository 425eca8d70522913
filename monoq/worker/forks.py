"""Starts the fork server (fork_server.py) and requests children from it. It must know nothing of
jobs, and not start again at once what has just failed to start."""

import asyncio
import itertools
import logging
import os
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from contextvars import Context
from typing import Any

from monoq.worker.forked import NUMBER_BYTES, Child, ForkServer, listen, words

log = logging.getLogger(__name__)

START_WITHIN_S = 60.0  # handlers may take their time to load
EXIT_WITHIN_S = 5.0  # once it has closed the pipe on which it says so
FORK_WITHIN_S = 10.0  # a fork takes milliseconds
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0  # after a start that failed


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class NoChild(Exception):  # noqa: N818
    """No child is to be had: it is not the job's fault."""


class Forks:
    """Children by the fork server that `command` starts, which takes two descriptors last. What a
    child says is read in lines of at most `line_bytes`."""

    def __init__(
        self, *, command: Sequence[str], line_bytes: int, variables: Mapping[str, str]
    ) -> None:
        self._command = list(command)
        self._line_bytes = line_bytes
        self._variables = variables
        self._server: ForkServer | None = None
        self._starting: asyncio.Task[ForkServer] | None = None
        self._numbers = itertools.count()
        self._pause_s = 0.0
        self._again_at = 0.0

    @property
    def pause_s(self) -> float:
        """How long there will be no child, because the fork server did not start."""
        return max(0.0, self._again_at - time.monotonic())

    async def fork(self) -> Child:
        """A new child that waits for its job. Raises NoChild or OSError."""
        server = await self._living_server()
        number = next(self._numbers)
        server.codes[number] = asyncio.get_running_loop().create_future()
        try:
            reader, writer = await self._ask(server, number)
        except BaseException:
            del server.codes[number]
            raise
        child = Child(reader, writer, server, number)
        try:
            async with asyncio.timeout(FORK_WITHIN_S):
                child.pid = int(await reader.readline() or 0)
        except TimeoutError:
            log.error("the fork server forked no child within %g s; replacing it", FORK_WITHIN_S)
            await server.end()
        finally:
            if not child.pid:
                child.end()
        if not child.pid:
            raise NoChild("the fork server made no child")
        return child

    async def _ask(self, server: ForkServer, number: int) -> Streams:
        """The connection to the child to come."""
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(server.control, [number.to_bytes(NUMBER_BYTES)], [theirs.fileno()])
            return await asyncio.open_connection(sock=ours, limit=self._line_bytes)
        except BaseException:
            ours.close()
            raise

    async def close(self) -> None:
        """Ends the fork server, and with it every child."""
        if self._starting:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        if self._server:
            await self._server.end()

    async def _living_server(self) -> ForkServer:
        if self._server and self._server.alive:
            return self._server
        if self._starting is None:
            if self.pause_s:
                raise NoChild(f"no fork server; the next attempt is in {self.pause_s:.1f} s")
            # A task of its own: one waiter may be cancelled while others continue to wait. Its log
            # lines are not about the job that happens to ask.
            nobodys = Context()
            self._starting = asyncio.create_task(self._start(), name="fork server", context=nobodys)
            self._starting.add_done_callback(self._started, context=nobodys)
        return await asyncio.shield(self._starting)

    def _started(self, starting: "asyncio.Task[ForkServer]") -> None:
        self._starting = None
        if starting.cancelled():
            return
        if error := starting.exception():
            self._pause_s = min(max(2 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
            self._again_at = time.monotonic() + self._pause_s
            what = "isolated jobs and suspects wait; the next try is in"
            log.error("the fork server does not start: %s; %s %g s", error, what, self._pause_s)
        else:
            self._server = starting.result()
            self._pause_s = 0.0

    async def _start(self) -> ForkServer:
        if self._server:
            log.warning("the fork server died; starting another one")
            await self._server.end()
        server, ready = await self._spawn()
        try:
            either: set[asyncio.Future[Any]] = {ready, server.listening}
            told = asyncio.FIRST_COMPLETED
            await asyncio.wait(either, timeout=START_WITHIN_S, return_when=told)
            if ready.done():
                return server
            if not server.listening.done():
                raise NoChild(f"it did not load the handlers within {START_WITHIN_S:g} s")
            async with asyncio.timeout(EXIT_WITHIN_S):
                raise NoChild(words(await server.process.wait()))
        finally:
            if not ready.done():
                await server.end()

    async def _spawn(self) -> "tuple[ForkServer, asyncio.Future[None]]":
        """A fork server, and whether it has loaded its handlers."""
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # a fork server that takes nothing must not hold up the worker
        read_end, write_end = os.pipe()
        status_pipe = os.fdopen(read_end, "rb")
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                str(theirs.fileno()),
                str(write_end),
                pass_fds=(theirs.fileno(), write_end),
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for the worker
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                    **self._variables,
                },
            )
        except BaseException:
            ours.close()
            status_pipe.close()
            raise
        finally:
            theirs.close()
            os.close(write_end)
        status = asyncio.StreamReader()
        reads = asyncio.StreamReaderProtocol(status)
        pipe, _ = await loop.connect_read_pipe(lambda: reads, status_pipe)
        codes: dict[int, asyncio.Future[int]] = {}
        ready: asyncio.Future[None] = loop.create_future()
        listening = asyncio.create_task(listen(status, ready, codes), name="fork server")
        return ForkServer(process, ours, pipe, codes, listening), ready
