"""Start and stop of the long-running parts of a process. A part that dies must stop the process,
with a critical log line: a worker without its heartbeat is worse than no worker."""

import asyncio
import logging
from collections.abc import Sequence

log = logging.getLogger(__name__)


class Service:
    """A named loop. After `stop`, `run` finishes what it must not lose and returns. `stop` may be
    called twice, or before `run`."""

    name = "service"

    def __init__(self) -> None:
        self.stopping = asyncio.Event()

    async def run(self) -> None:
        """Works until `stop`. Returning earlier, or raising, stops the process."""
        raise NotImplementedError

    def stop(self) -> None:
        """Requests the end of `run`."""
        self.stopping.set()

    async def pause(self, seconds: float) -> None:
        """Sleeps, but no longer than until `stop`."""
        if self.stopping.is_set():
            return
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            pass


async def supervise(
    phases: Sequence[Sequence[Service]], stop: asyncio.Event, grace_s: float
) -> bool:
    """Runs services until `stop` is set or one of them ends; then stops them phase by phase, in the
    order given.

    The whole stop takes at most `grace_s` seconds: what has not ended by then is cancelled. Returns
    whether all went well.
    """
    tasks = {
        service: asyncio.create_task(service.run(), name=service.name)
        for phase in phases
        for service in phase
    }
    stop_requested = asyncio.create_task(stop.wait(), name="stop")
    await asyncio.wait([stop_requested, *tasks.values()], return_when=asyncio.FIRST_COMPLETED)
    stop_requested.cancel()
    died = [service for service, task in tasks.items() if task.done()]
    for service in died:
        log.critical(
            "%s exited unexpectedly; stopping", service.name, exc_info=tasks[service].exception()
        )
    end = asyncio.get_running_loop().time() + grace_s
    late = [service for phase in phases for service in await _stop_phase(phase, tasks, end)]
    failed = [
        service
        for service, task in tasks.items()
        if task.done() and not task.cancelled() and task.exception()
    ]
    for service in set(failed) - set(died):
        log.error("%s failed while stopping", service.name, exc_info=tasks[service].exception())
    return not (died or late or failed)


async def _stop_phase(
    phase: Sequence[Service], tasks: dict[Service, "asyncio.Task[None]"], end: float
) -> list[Service]:
    """Stops the services of a phase at once; returns those that had to be cancelled."""
    for service in phase:
        service.stop()
    left = max(0.0, end - asyncio.get_running_loop().time())
    await asyncio.wait([tasks[service] for service in phase], timeout=left)
    late = [service for service in phase if not tasks[service].done()]
    for service in late:
        log.error("%s did not stop in time; cancelled", service.name)
        tasks[service].cancel()
    if late:  # a task may swallow its cancellation; the stop waits no longer than this
        await asyncio.wait([tasks[service] for service in late], timeout=0.5)
    return late
