"""Connections to the mail server: a bounded number, kept for a while, looked at before each use. It
must know nothing of mails."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from monoq.handlers.email.server import SmtpServer

if TYPE_CHECKING:
    from aiosmtplib import SMTP

COMMAND_TIMEOUT_S = 30.0  # to connect, and for each answer but the last of a mail
CHECK_TIMEOUT_S = 5.0  # for the first answer of one that was idle
IDLE_S = 15.0  # servers close what is idle after 30 s or more
MAX_MAILS = 100  # by one connection: many servers allow no more
QUIT_S = 1.0


class Busy(Exception):  # noqa: N818
    """All connections to the mail server are in use."""


@dataclass(eq=False, slots=True)
class _Connection:
    smtp: "SMTP"
    mails: int = 0
    expiry: asyncio.TimerHandle | None = None


class Connections:
    """At most `size` connections at once; opened when they are needed."""

    def __init__(self, server: SmtpServer, size: int) -> None:
        self._server = server
        self._places = asyncio.Semaphore(size)
        self._idle: list[_Connection] = []
        self._quitting: set[asyncio.Task[None]] = set()
        self._options: dict[str, Any] = {}
        self._preparing = asyncio.Lock()

    @asynccontextmanager
    async def one(self, wait_s: float) -> "AsyncIterator[SMTP]":
        """A connection that answers, in no transaction. It is closed if the block raises.

        Raises Busy if all are in use for `wait_s` seconds; what aiosmtplib raises if the server
        cannot be reached or does not let us in.
        """
        try:
            async with asyncio.timeout(wait_s):
                await self._places.acquire()
        except TimeoutError:
            raise Busy("all connections to the mail server are in use") from None
        try:
            connection = await self._idle_one() or await self._new_one()
            connection.mails += 1
            try:
                yield connection.smtp
            except BaseException:
                connection.smtp.close()
                raise
            self._keep(connection)
        finally:
            self._places.release()

    async def close(self) -> None:
        """Ends those that are idle."""
        for connection in self._idle:
            self._end(connection)
        self._idle.clear()
        if self._quitting:
            await asyncio.wait(self._quitting)

    async def _idle_one(self) -> _Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.expiry:
                connection.expiry.cancel()
            try:
                await connection.smtp.rset(timeout=CHECK_TIMEOUT_S)
            except Exception:  # noqa: BLE001 - gone, or of no use, for whatever reason
                connection.smtp.close()
            except BaseException:
                connection.smtp.close()
                raise
            else:
                return connection
        return None

    async def _new_one(self) -> _Connection:
        options = await self._prepared()
        from aiosmtplib import SMTP, SMTPHeloError

        smtp = SMTP(timeout=COMMAND_TIMEOUT_S, **options)
        try:
            await smtp.connect()
            if smtp.is_ehlo_or_helo_needed:  # what the server offers must be known
                try:
                    await smtp.ehlo()
                except SMTPHeloError:  # an old one, which offers nothing
                    await smtp.helo()
        except BaseException:
            smtp.close()
            raise
        return _Connection(smtp)

    async def _prepared(self) -> dict[str, Any]:
        """Once, at the first mail, and in a thread: it takes a tenth of a second."""
        async with self._preparing:
            if not self._options:
                await asyncio.to_thread(import_module, "aiosmtplib")
                self._options = await asyncio.to_thread(self._server.options)
            return self._options

    def _keep(self, connection: _Connection) -> None:
        if connection.mails >= MAX_MAILS or not connection.smtp.is_connected:
            self._end(connection)
            return
        self._idle.append(connection)
        connection.expiry = asyncio.get_running_loop().call_later(IDLE_S, self._expire, connection)

    def _expire(self, connection: _Connection) -> None:
        self._idle.remove(connection)
        self._end(connection)

    def _end(self, connection: _Connection) -> None:
        if connection.expiry:
            connection.expiry.cancel()
        task = asyncio.get_running_loop().create_task(_quit(connection.smtp))
        self._quitting.add(task)
        task.add_done_callback(self._quitting.discard)


async def _quit(smtp: "SMTP") -> None:
    with contextlib.suppress(Exception):
        await smtp.quit(timeout=QUIT_S)
    smtp.close()
