"""What keeps VACUUM from removing dead rows: one method per statement. It must look into no table
of ours."""

from collections.abc import Sequence
from typing import NamedTuple

from monoq.store.database import Queryable, Row, query

KINDS = {
    "session": "an open transaction",
    "prepared": "a prepared transaction",
    "slot": "a replication slot",
    "standby": "a standby with hot_standby_feedback",
}


class Holder(NamedTuple):
    """The holder of a kind with the oldest snapshot: transaction `xid`. `open_s`: since when its
    transaction is open, None: it has none."""

    kind: str
    holder: str
    xid: int
    open_s: float | None


class Holders(NamedTuple):
    """Of each kind at most one, and the transaction that comes next."""

    next: int
    oldest: Sequence[Holder]


class VacuumStore:
    """Looks at Postgres' own views."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def find_holders(self) -> Holders:
        """What holds VACUUM back, as far as this role may see."""
        rows = await self._database.fetch(query("find_vacuum_holders"))
        return Holders(rows[0]["next"], [_holder(row) for row in rows if row["kind"]])


def _holder(row: Row) -> Holder:
    return Holder(
        row["kind"], row["holder"], max(0, row["next"] - max(0, row["behind"])), row["open_s"]
    )
