"""What this process knows of the policies. A hint, a second old at most: the claim itself decides,
in Postgres."""

import time
from collections.abc import Sequence

from monoq.policy import Room, Scope
from monoq.store.policies import PolicyStore

REFRESH_S = 0.5
LOOK_S = 0.1


class Limits:
    """Shared by what chooses jobs and what claims them."""

    def __init__(self, policies: PolicyStore) -> None:
        self._policies = policies
        self._refreshed_at = self._looked_at = float("-inf")
        self._weights: dict[str, float] = {}
        self._usual_weight = 1.0
        self.active = False  # whether a policy limits what may start, of anybody

    async def refresh(self) -> None:
        """Reads them again if they are old. Raises DatabaseUnavailable."""
        if time.monotonic() - self._refreshed_at < REFRESH_S:
            return
        self._refreshed_at = time.monotonic()
        self.active = await self._policies.has_limits()
        self._weights, self._usual_weight = await self._policies.weights()

    async def look(self) -> bool:
        """Whether a policy limits what may start, as of a moment ago: a claim that brought nothing
        may have met the first one. Raises DatabaseUnavailable."""
        now = time.monotonic()
        if now - self._looked_at > LOOK_S:
            self._looked_at = now
            self.active = await self._policies.has_limits()
        return self.active

    def weight(self, tenant_id: str) -> float:
        """A tenant's share of the work, beside the others'."""
        return self._weights.get(tenant_id, self._usual_weight)

    @property
    def weighted(self) -> bool:
        """Whether some tenants are to have more than others."""
        return bool(self._weights)

    async def rooms(
        self, tenants: Sequence[str], types: Sequence[str]
    ) -> dict[tuple[Scope, str], Room]:
        """How many jobs may start now, of those that have a limit. Raises DatabaseUnavailable."""
        return await self._policies.rooms(tenants, types) if self.active else {}
