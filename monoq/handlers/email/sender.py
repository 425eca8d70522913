"""Sends the mail of an `email` job: through which connection, and what becomes of each error."""

import asyncio
import logging
import random
from typing import Any

from monoq.app.context import JobContext
from monoq.app.outcome import Fail, Retry, Snooze
from monoq.handlers.email.connections import Busy, Connections
from monoq.handlers.email.delivery import Envelope, NotSent, Outcome, Refused, deliver, plain
from monoq.handlers.email.mailbox import Mailbox
from monoq.handlers.email.message import needs_utf8, write_message
from monoq.handlers.email.payload import Email
from monoq.handlers.email.run import EmailRun
from monoq.handlers.email.sends import NoteUnavailable, Sends

log = logging.getLogger(__name__)

LARGE = 100_000  # bytes from which a mail is written in a thread
LATER_S = 5.0  # about, when all connections are in use, or PostgreSQL is away


class EmailSender:
    """Sends mails by one server.

    Args:
        connections: To the mail server; None: none is configured.
        sends: What runs leave for one another.
        default_from: The sender of mails that name none.
    """

    def __init__(
        self, connections: Connections | None, sends: Sends, default_from: Mailbox | None
    ) -> None:
        self._connections = connections
        self._sends = sends
        self._default_from = default_from

    async def send(self, mail: Email, ctx: JobContext) -> dict[str, Any]:
        """Sends a mail to its remaining recipients. The result is the Message-ID, and what became
        of each recipient. Raises Fail, Retry and Snooze."""
        if self._connections is None:
            raise Fail("no mail server is configured: set MONOQ_SMTP_URL")
        sender = mail.sender or self._default_from
        if sender is None:
            raise Fail("the mail has no sender: give it `from`, or set MONOQ_SMTP_FROM")
        run = EmailRun(mail, ctx, sender, self._sends)
        try:
            await run.look()
            if run.left:
                await self._deliver(self._connections, run, ctx)
            return await run.end()
        except (Busy, NoteUnavailable) as error:  # the mail is not to blame
            log.info("job %s waits: %s", ctx.job_id, error)
            later_s = LATER_S * random.uniform(0.5, 1.5)  # noqa: S311 - spreads load
            raise Snooze(later_s) from error

    async def close(self) -> None:
        """Closes the connections."""
        if self._connections:
            await self._connections.close()
        await self._sends.close()

    async def _deliver(self, connections: Connections, run: EmailRun, ctx: JobContext) -> None:
        mail, left = run.mail, run.left
        if mail.size > LARGE:
            message = await asyncio.to_thread(write_message, mail, run.sender, ctx.job_id)
        else:
            message = write_message(mail, run.sender, ctx.job_id)
        envelope = Envelope(run.sender, left, len(message), needs_utf8(mail, run.sender))
        try:
            async with connections.one(run.left_s / 2) as smtp:
                run.take(await deliver(smtp, envelope, message, run.begin, max(1.0, run.left_s)))
        except Refused as error:
            run.take({mailbox.address: Outcome("refused", None, str(error)) for mailbox in left})
        except (Busy, NoteUnavailable, Fail, Retry):
            raise
        except NotSent as error:
            raise Retry(f"not sent: {error}") from error
        except BaseException as error:
            if run.has_begun:  # by a cancellation, too: the time is over, or the worker stops
                run.lose(_reason(error))
            if isinstance(error, Exception):
                raise Retry(f"not sent: {_reason(error)}") from error
            raise


def _reason(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return "the run was ended while it waited for the mail server's answer"
    return plain(str(error)) or type(error).__name__
