"""The client's calls for policies: of tenants, of job types, and of each tenant without its own."""

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import quote

from monoq.client.calls import Calls

PolicyKind = Literal["tenants", "types", "defaults"]


class PolicyCalls(Calls):
    """Reads and writes policies."""

    async def policy(self, kind: PolicyKind, name: str = "") -> dict[str, Any]:
        """The policy of a tenant ("tenants"), a job type ("types"), or of each tenant without a
        value of its own ("defaults", which has no name); of a tenant also what holds now.

        >>> (await client.policy("tenants", "acme"))["effective"]["maxRunning"]
        """
        return await self._get(_path(kind, name))

    async def set_policy(
        self, kind: PolicyKind, name: str, policy: Mapping[str, Any]
    ) -> dict[str, Any]:
        """Sets a whole policy, which is in force when this returns; returns it as `policy` does.

        Args:
            kind: "tenants", "types" or "defaults".
            name: Of the tenant or the type; "" for the defaults.
            policy: Any of weight, maxRunning, ratePerSecond (starts a second), burst, maxWaiting,
                paused; each a value, or {"value", "until", "then"}.

        Raises:
            RequestRefused: 422 names each bad field.

        >>> await client.set_policy("tenants", "acme", {"maxRunning": 20})
        """
        return await self._send("PUT", _path(kind, name), policy)

    async def remove_policy(self, kind: PolicyKind, name: str = "") -> dict[str, Any]:
        """Removes a whole policy; returns what is left of it.

        >>> await client.remove_policy("tenants", "acme")
        """
        return (await self._call("DELETE", _path(kind, name)))[1]

    async def policy_history(self, kind: PolicyKind, name: str = "") -> dict[str, Any]:
        """The last 100 changes of a policy, newest first, each with before and after.

        >>> (await client.policy_history("defaults"))["changes"]
        """
        return await self._get(f"{_path(kind, name)}/history")


def _path(kind: PolicyKind, name: str) -> str:
    return f"/{kind}/{quote(name, safe='/')}" if name else f"/{kind}"
