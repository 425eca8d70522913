"""HTTP calls of the Python client: one request, its JSON answer, its errors."""

from collections.abc import Mapping
from typing import Any

import httpx

from monoq import codec
from monoq.errors import RequestRefused, ServerUnreachable


class Calls:
    """A pool of connections to one server, for one event loop. Every call raises ServerUnreachable
    if no server answers, and RequestRefused if one answers with an error."""

    def __init__(self, url: str, *, timeout: float) -> None:
        self._http = httpx.AsyncClient(base_url=url, timeout=timeout, trust_env=False)
        self._url = url

    async def _get(self, path: str, **query: Any) -> dict[str, Any]:
        """GET; parameters that are None are left out."""
        params = {name: value for name, value in query.items() if value is not None}
        return (await self._call("GET", path, params=params))[1]

    async def _send(self, method: str, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        return (await self._send_for_status(method, path, body))[1]

    async def _send_for_status(
        self, method: str, path: str, body: Mapping[str, Any]
    ) -> tuple[int, dict[str, Any]]:
        """Raises InvalidJson for a body that has no JSON form."""
        kind = {"content-type": "application/json"}
        return await self._call(method, path, content=codec.dumps(body), headers=kind)

    async def _call(self, method: str, path: str, **request: Any) -> tuple[int, dict[str, Any]]:
        """The status and the JSON of an answer."""
        try:
            response = await self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            # a timeout of httpx has no words of its own
            why = str(error) or type(error).__name__
            raise ServerUnreachable(f"no monoq server answers at {self._url}: {why}") from error
        try:
            body = response.json()
        except ValueError:
            body = {}
        if response.is_error or not isinstance(body, dict):
            raise RequestRefused(response.status_code, body if isinstance(body, dict) else {})
        return response.status_code, body
