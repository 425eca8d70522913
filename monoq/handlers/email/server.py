"""Which mail server, and how it is spoken to: MONOQ_SMTP_URL. It must never show the password."""

import ssl
from dataclasses import dataclass, field
from typing import Any, Literal, get_args
from urllib.parse import parse_qsl, unquote, urlsplit

from monoq.errors import ConfigError

StartTls = Literal["always", "auto", "never"]
FORM = "smtp://user:password@host:587?starttls=always or smtps://user:password@host:465"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """A mail server. `starttls`: of a connection that begins without TLS; "auto" takes it if the
    server offers it."""

    host: str
    port: int
    tls: bool
    starttls: StartTls
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    cafile: str | None = None

    def options(self) -> dict[str, Any]:
        """As aiosmtplib takes them. Slow: what the system trusts is read from a file."""
        return {
            "hostname": self.host,
            "port": self.port,
            "username": self.user,
            "password": self.password,
            "use_tls": self.tls,
            "start_tls": {"always": True, "auto": None, "never": False}[self.starttls],
            "tls_context": None if self.starttls == "never" and not self.tls else self.context(),
        }

    def context(self) -> ssl.SSLContext:
        """Certificates are always checked: against `cafile`, or what the system trusts."""
        return ssl.create_default_context(cafile=self.cafile)


def read_smtp_url(url: str) -> SmtpServer:
    """Reads MONOQ_SMTP_URL; raises ConfigError, which does not repeat it.

    With a user, TLS is required unless the URL says `starttls=never`: nobody on the way is to get
    the password by hiding that the server has TLS.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _bad("it is not a URL") from None
    if parts.scheme not in ("smtp", "smtps"):
        raise _bad("it must begin with smtp:// or smtps://")
    if not parts.hostname:
        raise _bad("it has no host")
    if parts.path not in ("", "/") or parts.fragment:
        raise _bad("only ?options may follow the host (in a password write / as %2F and # as %23)")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    starttls = options.pop("starttls", "always" if parts.username else "auto")
    cafile = options.pop("cafile", None)
    if options:
        raise _bad("the only options are starttls and cafile")
    if starttls not in get_args(StartTls):
        raise _bad("starttls must be always, auto or never")
    tls = parts.scheme == "smtps"
    if tls and "starttls" in parts.query:
        raise _bad("smtps:// uses TLS from the start, without starttls")
    server = SmtpServer(
        host=parts.hostname,
        port=port or (465 if tls else 587 if parts.username else 25),
        tls=tls,
        starttls="never" if tls else starttls,  # type: ignore[arg-type]
        user=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        cafile=cafile,
    )
    try:
        server.context()
    except (OSError, ValueError) as error:
        raise _bad(f"cafile cannot be used: {error}") from None
    return server


def _bad(reason: str) -> ConfigError:
    return ConfigError(f"MONOQ_SMTP_URL: {reason}; it is of the form {FORM}")
