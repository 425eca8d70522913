"""MONOQ_SMTP_URL: what it says, and that its password is never shown."""

from pathlib import Path

import pytest

from monoq.errors import ConfigError
from monoq.handlers.email.server import SmtpServer, read_smtp_url


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail", SmtpServer("mail", 25, False, "auto")),
        ("smtp://mail:2525/?starttls=never", SmtpServer("mail", 2525, False, "never")),
        ("smtp://[::1]:25", SmtpServer("::1", 25, False, "auto")),
        ("smtps://mail", SmtpServer("mail", 465, True, "never")),
        (
            "smtp://ann%40example.com:s%2Fcret%23@mail",
            SmtpServer("mail", 587, False, "always", "ann@example.com", "s/cret#"),
        ),
        (
            "smtp://ann:secret@mail?starttls=auto",
            SmtpServer("mail", 587, False, "auto", "ann", "secret"),
        ),
    ],
)
def test_a_url_says_how_the_server_is_spoken_to(url: str, server: SmtpServer) -> None:
    assert read_smtp_url(url) == server


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("mail.example.com", "it must begin with smtp:// or smtps://"),
        ("http://ann:secret@mail", "it must begin with"),
        ("smtp://ann:secret@", "it has no host"),
        ("smtp://ann:secret@mail:port", "it is not a URL"),
        ("smtp://ann:secret@mail:99999", "it is not a URL"),
        ("smtp://ann:sec#ret@mail", "it is not a URL|only ?options"),
        ("smtp://ann:sec/ret@mail", "it is not a URL|only ?options"),
        ("smtp://ann:secret@mail/path", "only ?options may follow the host"),
        ("smtp://ann:secret@mail?starttls=maybe", "starttls must be always, auto or never"),
        ("smtp://ann:secret@mail?tls=1", "the only options are starttls and cafile"),
        ("smtps://ann:secret@mail?starttls=always", "TLS from the start"),
        ("smtp://ann:secret@mail?cafile=/none", "cafile cannot be used"),
    ],
)
def test_a_bad_url_is_told_in_one_line_without_the_password(url: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_smtp_url(url)
    told = str(refused.value)
    assert told.startswith("MONOQ_SMTP_URL: ")
    assert any(one in told for one in reason.split("|"))
    assert "\n" not in told
    assert "secret" not in told
    assert "ret@" not in told


def test_a_server_does_not_show_its_password(tmp_path: Path) -> None:
    assert "secret" not in repr(read_smtp_url("smtp://ann:secret@mail"))
