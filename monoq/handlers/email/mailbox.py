"""Mailboxes as people write them. It must let nothing through that could end a line of a header or
of a command."""

import re
import unicodedata
from dataclasses import dataclass
from email.headerregistry import Address

import idna

MAX_LOCAL_BYTES = 64  # RFC 5321, 4.5.3.1
MAX_DOMAIN = 253
MAX_NAME = 200

# "Ann Lee" <ann@example.com>, Ann Lee <ann@example.com>, <ann@example.com>, ann@example.com
_WITH_NAME = re.compile(r'(?:"(?P<quoted>[^"\\<>]*)"|(?P<plain>[^"\\<>]*)) *<(?P<address>[^<> ]+)>')
# a dot-atom (RFC 5322), with characters beyond ASCII (RFC 6531); no quoted local parts
_LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A person's name, which may be empty, and an address. The domain is in ASCII (IDNA)."""

    name: str
    local: str
    domain: str

    @property
    def address(self) -> str:
        """`local@domain`."""
        return f"{self.local}@{self.domain}"

    @property
    def is_ascii(self) -> bool:
        """False: it needs a mail server that speaks SMTPUTF8."""
        return self.local.isascii()

    def header(self) -> Address:
        """As headers take it."""
        return Address(self.name, self.local, self.domain)


def read_mailbox(text: str) -> Mailbox:
    """Reads `ann@example.com` or `Ann Lee <ann@example.com>`; raises ValueError with the reason."""
    text = text.strip(" ")
    if has_controls(text):
        raise ValueError("a mailbox must not contain line breaks or other control characters")
    name = ""
    if with_name := _WITH_NAME.fullmatch(text):
        name = (with_name["quoted"] or with_name["plain"] or "").strip()
        text = with_name["address"]
    if len(name) > MAX_NAME:
        raise ValueError(f"a name has at most {MAX_NAME} characters")
    local, at, domain = unicodedata.normalize("NFC", text).rpartition("@")
    if not at or not _LOCAL.fullmatch(local):
        raise ValueError("not an address like ann@example.com or Ann Lee <ann@example.com>")
    if len(local.encode()) > MAX_LOCAL_BYTES:
        raise ValueError(f"the part before the @ has at most {MAX_LOCAL_BYTES} bytes")
    return Mailbox(name, local, _ascii_domain(domain))


def has_controls(text: str) -> bool:
    """Whether it has a line break of any kind, another control character, or half a pair."""
    return any(unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") for char in text)


def _ascii_domain(domain: str) -> str:
    if not domain.isascii():
        try:
            domain = idna.encode(domain, uts46=True).decode()
        except idna.IDNAError as error:
            raise ValueError(f"not a domain name: {error}") from None
    if len(domain) > MAX_DOMAIN or not all(map(_LABEL.fullmatch, domain.split("."))):
        raise ValueError("the part after the @ is not a domain name")
    return domain.lower()
