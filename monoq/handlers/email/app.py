"""The App of the job type `email`."""

from collections.abc import AsyncIterator
from typing import Any

from monoq.app.backoff import Backoff
from monoq.app.context import JobContext
from monoq.app.registry import App
from monoq.errors import ConfigError
from monoq.handlers.email.connections import Connections
from monoq.handlers.email.mailbox import Mailbox, read_mailbox
from monoq.handlers.email.payload import Email
from monoq.handlers.email.sender import EmailSender
from monoq.handlers.email.sends import Sends
from monoq.handlers.email.server import read_smtp_url
from monoq.handlers.options import Options

# Nine attempts within about three hours: long enough for a server that takes nobody it does not
# know within the first minutes (greylisting), and for one that is restarted.
MAX_ATTEMPTS = 10
BACKOFF = Backoff(base=20, max=3600)
TIMEOUT_S = 300.0  # servers may think long about a mail once they have it


def email_app(options: Options) -> App:
    """Raises ConfigError for a bad MONOQ_SMTP_URL or MONOQ_SMTP_FROM."""
    server = read_smtp_url(options.smtp_url) if options.smtp_url else None
    default_from = _default_from(options.smtp_from) if options.smtp_from else None

    async def lifespan() -> AsyncIterator[EmailSender]:
        connections = Connections(server, options.smtp_connections) if server else None
        sender = EmailSender(connections, Sends(options.database_url), default_from)
        try:
            yield sender
        finally:
            await sender.close()

    app = App(lifespan=lifespan)
    app.handler("email", max_attempts=MAX_ATTEMPTS, timeout=TIMEOUT_S, backoff=BACKOFF)(email)
    return app


async def email(payload: Email, ctx: JobContext) -> dict[str, Any]:
    """Sends a mail; the result is its Message-ID, and what became of each recipient."""
    sender: EmailSender = ctx.state
    return await sender.send(payload, ctx)


def _default_from(text: str) -> Mailbox:
    try:
        return read_mailbox(text)
    except ValueError as error:
        raise ConfigError(f"MONOQ_SMTP_FROM: {error} (got {text!r})") from None
