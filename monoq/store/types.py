"""The table `job_types`: which types there are and what their payloads look like, as workers say;
one method per statement."""

from collections.abc import Mapping, Sequence

from monoq.store.database import Queryable, Row, query


class TypeStore:
    """Every method raises DatabaseUnavailable."""

    def __init__(self, database: Queryable) -> None:
        self._database = database

    async def register(self, schemas: Mapping[str, str]) -> None:
        """Says which types a worker has, each with the JSON schema of its payload as text."""
        await self._database.fetch(query("register_types"), list(schemas), list(schemas.values()))

    async def register_callbacks(self, urls: Mapping[str, str | None]) -> None:
        """Says who is told of the ends of a worker's types; None: nobody. Ends that are committed
        later tell them."""
        await self._database.fetch(query("register_callbacks"), list(urls), list(urls.values()))

    async def touch(self, names: Sequence[str]) -> None:
        """Says that these types are still run."""
        await self._database.fetch(query("touch_types"), names)

    async def forget(self, unseen_s: float) -> None:
        """Removes the types that no worker has named for so many seconds."""
        await self._database.fetch(query("forget_types"), unseen_s)

    async def list_types(self) -> Sequence[Row]:
        """Rows of name, changed_at (of the schema), workers (the live ones) and callback_url."""
        return await self._database.fetch(query("list_types"))

    async def read_schemas(self, names: Sequence[str]) -> Sequence[Row]:
        """Rows of name, schema (as text) and changed_at."""
        return await self._database.fetch(query("read_schemas"), names)
