"""What the payload of a `webhook` says, and which headers are its own to set."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

MAX_HEADERS = 32
MAX_HEADERS_LENGTH = 8192  # characters, of all names and values
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?|")
# What belongs to the connection, or to us.
_NOT_YOURS = frozenset(
    (
        *("connection", "keep-alive", "proxy-connection", "proxy-authenticate"),
        *("proxy-authorization", "te", "trailer", "transfer-encoding", "upgrade", "host"),
        *("content-length", "content-type", "content-encoding", "accept-encoding", "expect"),
    )
)


def _checked_headers(headers: dict[str, str]) -> dict[str, str]:
    if len(headers) > MAX_HEADERS:
        raise ValueError(f"at most {MAX_HEADERS} headers")
    if sum(map(len, [*headers, *headers.values()])) > MAX_HEADERS_LENGTH:
        raise ValueError(f"at most {MAX_HEADERS_LENGTH} characters of headers")
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("two headers have the same name")
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name[:64]!r} is not a header name")
        if name.lower() in _NOT_YOURS or name.lower().startswith("webhook-"):
            raise ValueError(f"the header {name} cannot be set")
        if not _VALUE.fullmatch(value):
            raise ValueError(f"the header {name} must be ASCII without control characters")
    return headers


class Webhook(BaseModel):
    """What is posted where. `timeoutMs`: how long the whole call may take."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"url": "https://example.com/hook", "body": {"event": "order.paid"}}]
        },
    )

    url: str
    body: Any = Field(default_factory=dict)
    headers: Annotated[dict[str, str], AfterValidator(_checked_headers)] = Field(
        default_factory=dict
    )
    timeoutMs: int = Field(15_000, ge=100, le=60_000, strict=True)  # noqa: N815 - the wire's name
