"""The client for code without an event loop: the same methods, each run by a Client on a loop in a
thread of its own. It must add nothing to them."""

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, overload

from monoq.client.client import Client
from monoq.client.requests import JobId, P, SubmitOptions, Takes, TakesMany, TakesNothing
from monoq.client.shapes import Update
from monoq.client.stream import Stream

Args = ParamSpec("Args")
R = TypeVar("R")


def _sync(
    method: Callable[Concatenate[Client, Args], Coroutine[Any, Any, R]],
) -> Callable[Concatenate["SyncClient", Args], R]:
    @wraps(method)
    def call(self: "SyncClient", /, *args: Args.args, **kwargs: Args.kwargs) -> R:
        return self._run(method(self._client, *args, **kwargs))

    return call


class SyncClient:
    """A connection to a running monoq, for code without an event loop. Its methods are those of
    Client, and wait. Several threads may use one.

    Args:
        url: Where the server is, like `http://127.0.0.1:8000`.
        timeout: Seconds for each request.

    >>> with SyncClient("http://127.0.0.1:8000") as client:
    ...     job_id = client.submit("acme", "send_email", {"to": "a@example.com"})
    ...     job = client.wait(job_id, timeout=30)
    """

    def __init__(self, url: str, *, timeout: float = 10.0) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = Client(url, timeout=timeout)
        # a daemon: a client that is never closed does not keep the process alive
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="monoq.SyncClient", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections, and the streams that are still open."""
        if not self._thread.is_alive():
            return
        self._run(self._client.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @overload
    def submit(
        self, tenant_id: str, job_type: str, payload: Any = None, **options: Unpack[SubmitOptions]
    ) -> JobId: ...
    @overload
    def submit(
        self, tenant_id: str, job_type: TakesMany[P], payload: P, **options: Unpack[SubmitOptions]
    ) -> JobId: ...
    @overload
    def submit(
        self, tenant_id: str, job_type: Takes[P], payload: P, **options: Unpack[SubmitOptions]
    ) -> JobId: ...
    @overload
    def submit(
        self, tenant_id: str, job_type: TakesNothing, **options: Unpack[SubmitOptions]
    ) -> JobId: ...
    def submit(
        self,
        tenant_id: str,
        job_type: str | Callable[..., Any],
        payload: Any = None,
        **options: Unpack[SubmitOptions],
    ) -> JobId:
        """Creates a job and returns its id; see Client.submit."""
        name: Any = job_type  # either form: the overloads have checked it
        return self._run(self._client.submit(tenant_id, name, payload, **options))

    submit_many = _sync(Client.submit_many)
    get = _sync(Client.get)
    list = _sync(Client.list)
    cancel = _sync(Client.cancel)
    retry = _sync(Client.retry)
    explain = _sync(Client.explain)
    log = _sync(Client.log)
    wait = _sync(Client.wait)
    tenants = _sync(Client.tenants)
    stats = _sync(Client.stats)
    history = _sync(Client.history)
    types = _sync(Client.types)
    workers = _sync(Client.workers)
    drain_worker = _sync(Client.drain_worker)
    resume_worker = _sync(Client.resume_worker)
    breakers = _sync(Client.breakers)
    health = _sync(Client.health)
    policy = _sync(Client.policy)
    set_policy = _sync(Client.set_policy)
    remove_policy = _sync(Client.remove_policy)
    policy_history = _sync(Client.policy_history)
    count_matching = _sync(Client.count_matching)
    cancel_all = _sync(Client.cancel_all)
    retry_all = _sync(Client.retry_all)
    operation = _sync(Client.operation)
    operations = _sync(Client.operations)
    abort = _sync(Client.abort)
    wait_for = _sync(Client.wait_for)

    def stream(
        self, tenant_id: str, *, cursor: str | None = None, snapshot: bool = True
    ) -> "SyncStream":
        """Every change of a tenant's jobs; see Client.stream.

        >>> with client.stream("acme") as updates:
        ...     for update in updates:
        ...         print(update["jobId"], update["status"])
        """

        async def made() -> Stream:
            return self._client.stream(tenant_id, cursor=cursor, snapshot=snapshot)

        return SyncStream(self._run(made()), self._run)

    def _run(self, call: Coroutine[Any, Any, R]) -> R:
        if not self._thread.is_alive():
            call.close()
            raise RuntimeError("this SyncClient is closed")
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        try:
            return future.result()
        except BaseException:  # Ctrl-C here must end the call in progress there
            future.cancel()
            raise


class SyncStream(Iterator[Update]):
    """An iterator of updates, made by `SyncClient.stream`; see Stream."""

    def __init__(self, stream: Stream, run: Callable[[Coroutine[Any, Any, Any]], Any]) -> None:
        self._stream = stream
        self._run = run

    @property
    def cursor(self) -> str | None:
        """What covers all that was taken from it; None: not known yet."""
        return self._stream.cursor

    def __next__(self) -> Update:
        try:
            update: Update = self._run(self._stream.__anext__())
        except StopAsyncIteration:
            raise StopIteration from None
        return update

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connection and ends the iteration."""
        self._run(self._stream.aclose())
