"""Reads what returning viewers missed since their cursors. All waiting viewers of a tenant share
one read, and few reads run at once: thousands who return together must not overload Postgres."""

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from monoq.errors import DatabaseUnavailable
from monoq.live.change import Change
from monoq.live.hub import Hub
from monoq.live.subscription import Subscription
from monoq.process.service import Service
from monoq.store.stream import StreamStore

log = logging.getLogger(__name__)

# changes, about three per job; a viewer that missed more reads the table faster
MAX_REPLAYED = 30_000
PAGE = 1_000
READS_AT_ONCE = 2
REST_S = 0.1  # between two reads for a tenant: viewers that return meanwhile share the next one
RETRY_S = 1.0

LAST_ID = UUID(int=2**128 - 1)


class _Missed(NamedTuple):
    """What a read found: the changes, and the floor below which some may be missing."""

    changes: Sequence[Change]
    floor: int


class Replayer(Service):
    """Serves tenants in turn."""

    name = "replayer"

    def __init__(self, store: StreamStore, hub: Hub) -> None:
        super().__init__()
        self._store = store
        self._hub = hub
        # by tenant, in order of arrival
        self._waiting: dict[str, list[Subscription]] = {}
        self._busy: set[str] = set()  # tenants with a read in progress or just finished
        self._requested = asyncio.Event()
        self._turns = asyncio.Semaphore(READS_AT_ONCE)

    def ask(self, subscription: Subscription) -> None:
        """Queues a read. The subscription must be registered with the hub already, so that no
        change falls between the two."""
        self._waiting.setdefault(subscription.tenant_id, []).append(subscription)
        self._requested.set()

    def stop(self) -> None:
        super().stop()
        self._requested.set()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as reads:
            while not self.stopping.is_set():
                await self._requested.wait()
                self._requested.clear()
                for tenant_id in self._waiting.keys() - self._busy:
                    self._busy.add(tenant_id)
                    reads.create_task(self._serve(tenant_id), name=f"replay of {tenant_id}")

    async def _serve(self, tenant_id: str) -> None:
        pause = REST_S
        async with self._turns:
            returning = [
                subscription
                for subscription in self._waiting.pop(tenant_id, ())
                if subscription.is_open
            ]
            try:
                if returning and not self.stopping.is_set():
                    await self._replay(tenant_id, returning)
            except DatabaseUnavailable as error:
                log.debug("replays of %s wait: %s", tenant_id, error)
                self._waiting.setdefault(tenant_id, []).extend(returning)
                pause = RETRY_S
        await self.pause(pause)
        self._busy.discard(tenant_id)
        self._requested.set()

    async def _replay(self, tenant_id: str, returning: list[Subscription]) -> None:
        """One read, from the oldest cursor that can be honoured."""
        # taken before the read: a newer one may cover changes that only the hub has, not yet sent
        horizon = self._hub.horizon
        if horizon is None:
            raise DatabaseUnavailable("no horizon is known")
        end, too_far = await self._store.measure_replay(
            tenant_id, min(one.xid for one in returning), MAX_REPLAYED
        )
        served = [one for one in returning if too_far < one.xid <= end]
        if served:
            missed = await self._read(tenant_id, min(one.xid for one in served), end, served)
            served = [one for one in served if one.xid >= missed.floor]
        if self._hub.horizon is None or self._hub.horizon.stream != horizon.stream:
            return  # the database was replaced meanwhile, and these viewers were closed
        honoured = set(served)
        for one in returning:
            if not one.is_open:
                continue
            if one in honoured:
                one.catch_up(missed.changes, horizon)
            else:
                one.reset()

    async def _read(
        self, tenant_id: str, since: int, end: int, returning: list[Subscription]
    ) -> _Missed:
        """In pages, by transaction and job. The hub sends what moves beyond the end meanwhile."""
        changes: list[Change] = []
        after, highest_floor = (since - 1, LAST_ID), 0
        while True:
            page = await self._store.read_replay(tenant_id, after, end, PAGE)
            read = [Change.of_row(row) for row in page.rows]
            self._hub.learn(tenant_id, read, returning)
            changes += read
            highest_floor = max(highest_floor, page.floor)
            if len(page.rows) < PAGE:
                return _Missed(changes, highest_floor)
            after = (page.rows[-1]["changed_xid"], page.rows[-1]["id"])
