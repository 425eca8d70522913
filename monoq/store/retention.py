"""What is removed when it is old: idempotency keys. One method per statement. It must never decide
how long they are kept."""

from monoq.store.database import Queryable, query


class RetentionStore:
    """Through a Database, or a connection inside somebody's transaction."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def forget_keys(self, kept_s: float, limit: int) -> int:
        """Forgets up to `limit` idempotency keys that were used longer ago; returns how many."""
        ((forgotten,),) = await self._database.fetch(query("forget_keys"), kept_s, limit)
        return int(forgotten)
