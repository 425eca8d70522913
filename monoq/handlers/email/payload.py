"""What an `email` job says. It must refuse what a mail server, or a header, could take for
something else."""

import base64
import binascii
import re
from functools import cached_property
from hashlib import blake2b
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)

from monoq.handlers.email.mailbox import Mailbox, has_controls, read_mailbox

MAX_RECIPIENTS = 100  # which every server must take (RFC 5321, 4.5.3.1.8)
MAX_ATTACHMENTS = 25
MAX_HEADERS = 50
MAX_BYTES = 12 << 20  # of texts and attachments together
MAX_HEADER = 900  # characters: a line of a mail has at most 998

_HEADER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,75}")
# They are made from the other fields, or by the servers on the way.
OURS = {
    *("to", "from", "cc", "bcc", "sender", "reply-to", "subject", "date", "message-id"),
    *("mime-version", "return-path", "received", "dkim-signature"),
}
OUR_PREFIXES = ("content-", "resent-", "arc-")
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,63}/[a-z0-9][a-z0-9!#$&^_.+-]{0,63}")


def _one_line(text: str) -> str:
    if has_controls(text):
        raise ValueError("it must not contain line breaks or other control characters")
    return text


def _mailbox(value: Any) -> Any:
    return read_mailbox(value) if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError("it must be a string in base64")  # noqa: TRY004 - pydantic asks for it
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("it is not base64") from None


def _media_type(text: str) -> str:
    text = text.lower()
    if not _MEDIA_TYPE.fullmatch(text):
        raise ValueError("not a media type like application/pdf")
    if text.startswith(("multipart/", "message/")):
        raise ValueError("multipart/ and message/ cannot be attached; wrap them in another type")
    return text


def _header_name(name: str) -> str:
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("a header name must be at most 76 letters, digits and hyphens")
    if name.lower() in OURS or name.lower().startswith(OUR_PREFIXES):
        raise ValueError(f"{name} is made from the other fields, or by mail servers")
    return name


Line = Annotated[str, Field(max_length=MAX_HEADER), AfterValidator(_one_line)]
_ONE = {"type": "string", "examples": ["Ann Lee <ann@example.com>"]}
Address = Annotated[Mailbox, BeforeValidator(_mailbox), WithJsonSchema(_ONE)]
_MANY = {"type": "array", "items": {"type": "string"}, "maxItems": MAX_RECIPIENTS}
Addresses = Annotated[
    list[Address],
    BeforeValidator(_listed),
    Field(max_length=MAX_RECIPIENTS),
    WithJsonSchema({"anyOf": [_MANY, _ONE]}),
]


class Attachment(BaseModel):
    """A file."""

    model_config = ConfigDict(extra="forbid")

    filename: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_one_line)]
    contentType: Annotated[str, AfterValidator(_media_type)] = "application/octet-stream"  # noqa: N815
    content: Annotated[
        bytes,
        BeforeValidator(_decoded),
        WithJsonSchema({"type": "string", "contentEncoding": "base64"}),
    ]


class Email(BaseModel):
    """A mail. `resend`: send it once more when it is not known whether it was sent."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        json_schema_extra={
            "examples": [{"to": ["ann@example.com"], "subject": "Hello", "text": "It works."}]
        },
    )

    sender: Address | None = Field(None, alias="from")
    to: Addresses = []
    cc: Addresses = []
    bcc: Addresses = []
    replyTo: Address | None = None  # noqa: N815 - the wire's name
    subject: Line = ""
    text: str | None = None
    html: str | None = None
    attachments: Annotated[list[Attachment], Field(max_length=MAX_ATTACHMENTS)] = []
    headers: Annotated[
        dict[Annotated[str, AfterValidator(_header_name)], Line], Field(max_length=MAX_HEADERS)
    ] = {}
    resend: bool = False

    @model_validator(mode="after")
    def _is_a_mail(self) -> "Email":
        if not self.recipients:
            raise ValueError("a mail needs a recipient: to, cc or bcc")
        if len(self.recipients) > MAX_RECIPIENTS:
            raise ValueError(f"a mail has at most {MAX_RECIPIENTS} recipients: to, cc and bcc")
        if self.text is None and self.html is None:
            raise ValueError("a mail needs a text: text or html")
        if len({name.lower() for name in self.headers}) < len(self.headers):
            raise ValueError("headers: a name is given twice")
        if self.size > MAX_BYTES:
            raise ValueError(f"a mail has at most {MAX_BYTES >> 20} MB of texts and attachments")
        return self

    @property
    def recipients(self) -> dict[str, Mailbox]:
        """The recipients, each once, by address."""
        return {mailbox.address: mailbox for mailbox in (*self.to, *self.cc, *self.bcc)}

    @cached_property
    def digest(self) -> str:
        """Identifies this mail; made only of the fields that are set, because a later version of
        monoq may know of more."""
        said = repr(self.model_dump(exclude={"resend"}, exclude_unset=True))
        return blake2b(said.encode(errors="surrogatepass"), digest_size=6).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of texts and attachments."""
        texts = sum(len((text or "").encode()) for text in (self.text, self.html))
        return texts + sum(len(attachment.content) for attachment in self.attachments)
