"""A mail server on loopback (aiosmtpd), whose faults are arguments, and what it got."""

import asyncio
import ssl
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP as SMTP_POLICY
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session


@dataclass
class Mail:
    """A mail as it came, and whom it was for."""

    sender: str
    recipients: list[str]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        parsed = BytesParser(policy=SMTP_POLICY).parsebytes(self.content)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class MailServer:
    """What it says: `answers` to RCPT by address, `sender_answer` to MAIL, `data_answer` at the end
    of a mail. `before_answer` is awaited when it has a mail, `before_rcpt` at each RCPT; `cut`
    ends the connection in place of that answer."""

    answers: dict[str, str] = field(default_factory=dict)
    sender_answer: str = ""
    data_answer: str = "250 2.0.0 taken"
    cut: bool = False
    before_answer: Any = None
    before_rcpt: Any = None
    port: int = 0
    mails: list[Mail] = field(default_factory=list)
    connections: int = 0
    commands: list[str] = field(default_factory=list)
    servers: list[SMTP] = field(default_factory=list)

    @property
    def open(self) -> int:
        return sum(1 for server in self.servers if server.transport is not None)

    def drop_all(self) -> None:
        """Ends each connection, as a server does that restarts."""
        for server in self.servers:
            if isinstance(server.transport, asyncio.WriteTransport):
                server.transport.abort()

    async def handle_MAIL(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.commands.append("MAIL")
        if self.sender_answer:
            return self.sender_answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.commands.append(f"RCPT {address}")
        if self.before_rcpt:
            await self.before_rcpt()
        if answer := self.answers.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_RSET(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        self.commands.append("RSET")
        return "250 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.original_content or b""
        mail = Mail(envelope.mail_from or "", list(envelope.rcpt_tos), content)
        self.commands.append("DATA")
        if self.data_answer.startswith("2"):
            self.mails.append(mail)
        if self.before_answer:
            await self.before_answer()
        if self.cut:
            assert isinstance(server.transport, asyncio.WriteTransport)
            server.transport.abort()
        return self.data_answer

    @contextmanager
    def faults(self, **faults: Any) -> Iterator[None]:
        before = {name: getattr(self, name) for name in faults}
        for name, value in faults.items():
            setattr(self, name, value)
        yield
        for name, value in before.items():
            setattr(self, name, value)


@asynccontextmanager
async def mail_server(
    *, tls: ssl.SSLContext | None = None, login: tuple[str, str] | None = None, **options: Any
) -> AsyncIterator[MailServer]:
    """Serves SMTP on a free port of loopback; `options` are aiosmtpd's."""
    mails = MailServer()

    def authenticate(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any
    ) -> AuthResult:
        good = (
            isinstance(data, LoginPassword)
            and login is not None
            and (data.login.decode(), data.password.decode()) == login
        )
        return AuthResult(success=good, handled=False)

    login_options: dict[str, Any] = (
        {"authenticator": authenticate, "auth_required": True, "auth_require_tls": False}
        if login
        else {}
    )

    def serve() -> SMTP:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # on loopback a login without TLS is no risk
            server = SMTP(mails, **{"enable_SMTPUTF8": True} | login_options | options)
        mails.connections += 1
        mails.servers.append(server)
        return server

    listener = await asyncio.get_running_loop().create_server(serve, "127.0.0.1", 0, ssl=tls)
    mails.port = listener.sockets[0].getsockname()[1]
    try:
        yield mails
    finally:
        mails.drop_all()
        listener.close()
        await asyncio.sleep(0)
