"""What an `email` job may say, and the mail that is made of it: nothing that a user writes ends a
line of a header or of a command."""

import base64
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import SMTP
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from monoq.handlers.email.mailbox import has_controls, read_mailbox
from monoq.handlers.email.message import write_message
from monoq.handlers.email.payload import MAX_BYTES, Email

JOB = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
SHOP = read_mailbox("Shop <shop@example.com>")
LEAST = {"to": ["ann@example.com"], "subject": "s", "text": "t"}
OWN_HEADERS = {"from", "to", "subject", "date", "message-id", "mime-version"}
CONTENT = {"content-type", "content-transfer-encoding"}


def read(mail: dict[str, Any]) -> Email:
    return Email.model_validate(LEAST | mail)


def parsed(mail: Email) -> EmailMessage:
    message = BytesParser(policy=SMTP).parsebytes(write_message(mail, SHOP, JOB))
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("ann@example.com", "", "ann@example.com"),
        (" Ann Lee <ann@Example.COM> ", "Ann Lee", "ann@example.com"),
        ('"Lee, Ann" <ann@example.com>', "Lee, Ann", "ann@example.com"),
        ("<ann@example.com>", "", "ann@example.com"),
        ("root@localhost", "", "root@localhost"),
        ("o'neil+tag=x@corp.local", "", "o'neil+tag=x@corp.local"),
        ("Jürgen <jürgen@bücher.example>", "Jürgen", "jürgen@xn--bcher-kva.example"),
    ],
)
def test_a_mailbox_is_read_as_people_write_it(text: str, name: str, address: str) -> None:
    mailbox = read_mailbox(text)
    assert (mailbox.name, mailbox.address) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.com",
        "ann@",
        "ann@example.com, bob@example.com",
        "Ann <ann@example.com> <bob@example.com>",
        "ann@example.com\r\nRCPT TO:<bob@example.com>",
        "Ann\nBcc: bob@example.com <ann@example.com>",
        "ann@example.com\u2028",
        "a b@example.com",
        '"a b"@example.com',
        "ann@[127.0.0.1]",
        "ann@-example.com",
        "ann@exa_mple.com",
        "ann@example..com",
        ".ann@example.com",
        "ann@b\u00fc\u202e.example",
        f"{'a' * 65}@example.com",
        f"ann@{'a' * 64}.com",
        f"{'n' * 201} <ann@example.com>",
        "ann@example.com> SIZE=1",
    ],
)
def test_what_is_no_mailbox_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"address|@|name|control"):
        read_mailbox(text)


@pytest.mark.parametrize(
    ("mail", "field"),
    [
        ({"to": []}, ""),
        ({"to": ["ann"]}, "to.0"),
        ({"to": [f"a{n}@example.com" for n in range(101)]}, "to"),
        ({"to": [f"a{n}@example.com" for n in range(51)], "bcc": ["b@c.de"] * 51}, None),
        ({"to": [f"a{n}@c.de" for n in range(51)], "cc": [f"b{n}@c.de" for n in range(51)]}, ""),
        ({"from": "shop"}, "from"),
        ({"subject": "a\r\nBcc: bob@example.com"}, "subject"),
        ({"subject": "a\u0085b"}, "subject"),
        ({"text": None}, ""),
        ({"headers": {"Bcc": "bob@example.com"}}, "headers.Bcc.[key]"),
        ({"headers": {"mEssage-iD": "<1@2>"}}, "headers.mEssage-iD.[key]"),
        ({"headers": {"Content-Type": "text/html"}}, "headers.Content-Type.[key]"),
        ({"headers": {"X-A: b\r\nBcc": "c"}}, "headers.X-A: b\r\nBcc.[key]"),
        ({"headers": {"X-A": "b\nBcc: c"}}, "headers.X-A"),
        ({"headers": {"X-A": "b", "x-a": "c"}}, ""),
        ({"headers": {"List-Unsubscribe": "<https://example.com/u>"}}, None),
        ({"attachments": [{"filename": "a\r\nb", "content": ""}]}, "attachments.0.filename"),
        ({"attachments": [{"filename": "a", "content": "%%"}]}, "attachments.0.content"),
        ({"attachments": [{"filename": "a", "content": 1}]}, "attachments.0.content"),
        (
            {"attachments": [{"filename": "a", "content": "", "contentType": "a/b; c=d"}]},
            "attachments.0.contentType",
        ),
        (
            {"attachments": [{"filename": "a", "content": "", "contentType": "message/rfc822"}]},
            "attachments.0.contentType",
        ),
        ({"text": "x" * (MAX_BYTES + 1)}, ""),
        ({"recipients": ["a@b.c"]}, "recipients"),
    ],
)
def test_a_payload_that_is_no_mail_is_refused_and_the_field_is_named(
    mail: dict[str, Any], field: str | None
) -> None:
    if field is None:
        read(mail)
        return
    with pytest.raises(ValidationError) as refused:
        read(mail)
    (error,) = refused.value.errors()
    assert ".".join(map(str, error["loc"])) == field


def test_text_html_and_attachments_come_out_as_they_went_in() -> None:
    data = bytes(range(256)) * 10
    mail = read(
        {
            "text": "Grüße\n.\n..\nEnde\n",
            "html": "<p>Grüße</p>\n",
            "replyTo": "help@example.com",
            "headers": {"List-Unsubscribe": f"<https://example.com/{'u' * 200}>"},
            "attachments": [
                {
                    "filename": "Füße.pdf",
                    "contentType": "application/pdf",
                    "content": base64.b64encode(data).decode(),
                }
            ],
        }
    )
    raw = write_message(mail, SHOP, JOB)
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))
    message = parsed(mail)
    assert message["Message-ID"] == f"<{JOB}.{mail.digest}@example.com>"
    assert message["List-Unsubscribe"] == mail.headers["List-Unsubscribe"]
    assert f"<https://example.com/{'u' * 200}>".encode() in raw
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().replace("\r\n", "\n") == mail.text
    assert html.get_content().replace("\r\n", "\n") == mail.html
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "Füße.pdf"
    assert attachment.get_content() == data


def test_a_mail_differs_between_attempts_in_its_date_only() -> None:
    def lines() -> list[bytes]:
        raw = write_message(read({}), SHOP, JOB)
        return [line for line in raw.split(b"\r\n") if not line.startswith(b"Date: ")]

    assert lines() == lines()


hostile = st.text(
    st.one_of(st.sampled_from('\r\n\0\t :;,.<>@"\\=?\u0085\u2028\v\f\x1c'), st.characters())
)
header_names = st.from_regex(r"[A-Za-z0-9-]{1,20}", fullmatch=True)


@settings(deadline=None, max_examples=100)  # no deadline: a busy machine
@given(
    name=hostile,
    subject=hostile,
    header=st.tuples(st.one_of(header_names, hostile), hostile),
    filename=hostile,
    text=hostile,
)
def test_nothing_that_a_user_writes_adds_a_header(
    name: str, subject: str, header: tuple[str, str], filename: str, text: str
) -> None:
    """Each field alone, so that one that is refused does not hide the others."""
    for mail in (
        {"to": [f"{name} <ann@example.com>"]},
        {"to": [f'"{name}" <ann@example.com>']},
        {"to": [f"{name}@example.com"]},
        {"subject": subject},
        {"headers": {header[0]: header[1]}},
        {"attachments": [{"filename": filename, "content": "eA=="}]},
        {"text": text},
    ):
        try:
            valid = read(mail)
            raw = write_message(valid, SHOP, JOB)
        except (ValidationError, UnicodeEncodeError):
            continue
        head, _, _ = raw.partition(b"\r\n\r\n")
        named = {
            line.partition(b":")[0].decode().lower()
            for line in head.split(b"\r\n")
            if not line.startswith((b" ", b"\t"))
        }
        added = {header[0].lower()} if "headers" in mail else set()
        assert named <= OWN_HEADERS | CONTENT | added
        assert b"\r" not in head.replace(b"\r\n", b"")
        assert b"\n" not in head.replace(b"\r\n", b"")
        message = parsed(valid)
        if "subject" in mail:
            assert " ".join(message["Subject"].split()) == " ".join(subject.split())
        (recipient,) = valid.recipients
        assert not has_controls(recipient)
        assert " " not in recipient
        addresses = [
            one.addr_spec.encode(errors="surrogateescape") for one in message["To"].addresses
        ]
        assert addresses == [recipient.encode()]
