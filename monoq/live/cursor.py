"""A cursor of the stream of changes: "every transaction below this one has been seen". A pure
value; reading one must never raise."""

import re
from collections.abc import Iterable
from hashlib import blake2b
from typing import NamedTuple

from monoq.job import TENANT_PATTERN

_FORM = re.compile(r"([0-9a-f]{16})\.([1-9][0-9]{0,18})\.(" + TENANT_PATTERN.strip("^$") + ")")
MAX_XID = 2**63 - 1


class Horizon(NamedTuple):
    """Below `xid` no transaction of this stream can still commit, or commit again after a crash."""

    stream: str
    xid: int


class Cursor(NamedTuple):
    """How far a viewer of one tenant has seen the changes. To clients it is an opaque string."""

    stream: str
    xid: int
    tenant_id: str

    def __str__(self) -> str:
        return f"{self.stream}.{self.xid}.{self.tenant_id}"

    @classmethod
    def parse(cls, said: object) -> "Cursor | None":
        """What `str` wrote; None for anything else, of any type."""
        form = _FORM.fullmatch(said) if isinstance(said, str) else None
        if form is None or int(form[2]) > MAX_XID:
            return None
        return cls(form[1], int(form[2]), form[3])


def stream_id(parts: Iterable[str]) -> str:
    """The id of a stream of changes: it differs if any part differs."""
    return blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()
