"""The job types that this API accepts: its own, and those that workers have registered. A hint, a
second old at most; a type that is not known is looked up before it is refused."""

import asyncio
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import jsonschema_rs

from monoq import codec
from monoq.api.problems import FieldErrors
from monoq.app.handler import Handler
from monoq.app.registry import App
from monoq.client.shapes import JobType
from monoq.store.types import TypeStore
from monoq.upkeep.loop import UpkeepLoop
from monoq.upkeep.troubles import Troubles

log = logging.getLogger(__name__)

PERIOD_S = 1.0
LOOK_AGAIN_S = 0.05  # between two looks for unknown types, however many ask
MAX_REFUSALS = 20  # of one payload
MAX_NAMES = 100  # that a refusal lists


@dataclass(frozen=True)
class Registered:
    """A type as workers have registered it. `validator`: None allows everything."""

    schema: dict[str, Any]
    changed_at: datetime | None
    validator: "jsonschema_rs.Validator | None"


NO_SCHEMA = Registered({}, None, None)


class KnownTypes(UpkeepLoop):
    """Keeps what the table of types says. An own type is checked by its handler's model; another by
    its JSON schema, which converts nothing and knows no validators written in Python."""

    name = "types"

    def __init__(
        self, app: App, types: TypeStore, troubles: Troubles, *, accept_unknown: bool
    ) -> None:
        super().__init__(troubles)
        self._app = app
        self._types = types
        self._accept_unknown = accept_unknown
        self._registered: dict[str, Registered] = {}
        self._workers: dict[str, int] = {}
        self._callbacks: dict[str, str | None] = {}
        self._looked_at = float("-inf")
        self._looking = asyncio.Lock()

    async def look(self) -> None:
        """Reads the table; schemas only where they have changed."""
        async with self._looking:
            await self._read()

    async def _read(self) -> None:
        self._looked_at = time.monotonic()
        rows = await self._types.list_types()
        known = {name: one.changed_at for name, one in self._registered.items()}
        changed = [
            row["name"]
            for row in rows
            if row["changed_at"] and row["changed_at"] != known.get(row["name"])
        ]
        read = await self._types.read_schemas(changed) if changed else []
        fresh = {row["name"]: _registered(row["name"], row["schema"], row["changed_at"])
                 for row in read}  # fmt: skip
        self._registered = {
            row["name"]: fresh.get(row["name"]) or self._registered.get(row["name"], NO_SCHEMA)
            for row in rows
        }
        self._workers = {row["name"]: row["workers"] for row in rows}
        self._callbacks = {row["name"]: row["callback_url"] for row in rows}

    async def rest(self) -> None:
        await self.pause(PERIOD_S)

    async def look_again(self) -> None:
        """Returns after a read that began after the call: a type that is unknown then was not
        registered when this was called. Raises DatabaseUnavailable."""
        asked = time.monotonic()
        async with self._looking:
            if self._looked_at < asked:
                await asyncio.sleep(self._looked_at + LOOK_AGAIN_S - asked)
                await self._read()

    async def refresh(self) -> None:
        """Returns when the last look is a moment ago at most. Raises DatabaseUnavailable."""
        if time.monotonic() - self._looked_at > LOOK_AGAIN_S:
            await self.look()

    def handler(self, job_type: str) -> Handler | None:
        """The handler, if this process has loaded it."""
        return self._app.get(job_type)

    def refusal(self, job_type: str) -> str | None:
        """Why a type that this process has not loaded is not accepted; None: it is."""
        if self._accept_unknown or job_type in self._registered:
            return None
        names = sorted({*self._app.handlers, *self._registered})
        more = ", …" if len(names) > MAX_NAMES else ""
        return f"no handler for {job_type!r}; known: {', '.join(names[:MAX_NAMES])}{more}"

    def refusals(self, job_type: str, payload: Any, prefix: tuple[str | int, ...]) -> FieldErrors:
        """What is wrong with the payload of a type that this process has not loaded."""
        validator = self._registered.get(job_type, NO_SCHEMA).validator
        if validator is None:
            return []
        found = validator.iter_errors(payload)
        return [
            {"field": ".".join(map(str, (*prefix, *place))), "message": error.message}
            for error, _ in zip(found, range(MAX_REFUSALS), strict=False)
            for place in _places(error)
        ]

    def __iter__(self) -> Iterator[JobType]:
        """Each type by name, as GET /types tells it."""
        for name in sorted({*self._app.handlers, *self._registered}):
            own = self._app.get(name)
            schema = own.schema() if own else self._registered[name].schema
            workers, callback_url = self._workers.get(name, 0), self._callbacks.get(name)
            yield {"name": name, "schema": schema, "workers": workers, "callbackUrl": callback_url}


def _registered(name: str, text: str, changed_at: datetime) -> Registered:
    schema = codec.read(text)
    try:
        # offline: a reference to elsewhere must not make this process ask there
        validator = jsonschema_rs.validator_for(schema, mask="the value", offline=True)
    except Exception as error:  # noqa: BLE001 - a schema of a user's own making may be anything
        log.warning("the schema of the job type %s is invalid: %s", name, str(error)[:500])
        validator = None
    return Registered(schema, changed_at, validator)


def _places(error: "jsonschema_rs.ValidationError") -> Iterator[tuple[str | int, ...]]:
    """The fields that an error is about: one that lacks or is too many is named itself."""
    here = tuple(error.instance_path)
    match error.kind:
        case jsonschema_rs.ValidationErrorKind.Required(property=name):
            yield (*here, name)
        case jsonschema_rs.ValidationErrorKind.AdditionalProperties(unexpected=names):
            yield from ((*here, name) for name in names)
        case _:
            yield here
