"""What holds while clients mean harm, whatever they send: their connections end, memory stays flat,
and the others are served."""

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import psutil
import pytest

from faults.load import Load
from faults.member import Member
from faults.viewer import watching
from faults.world import World

MB = 1 << 20
LOOK_S = 0.02  # between two looks at how large a process is
_packer = zlib.compressobj(9, wbits=-15)
BOMB = _packer.compress(b"x" * 64 * MB) + _packer.flush(zlib.Z_SYNC_FLUSH)  # 64 KB on the wire


@asynccontextmanager
async def others_are_served(broken: World, api: Member, most_mb: int) -> AsyncIterator[None]:
    """A viewer and four posters, all through it; and the process grows by less than so many
    megabytes, even for a moment."""
    process = psutil.Process(api.pid)
    before = peak = process.memory_info().rss

    async def look() -> None:
        nonlocal peak
        while True:
            peak = max(peak, process.memory_info().rss)
            await asyncio.sleep(LOOK_S)

    looking = asyncio.create_task(look())
    try:
        async with watching(api) as viewer:
            async with Load(broken) as load:
                await load.more(20)
                yield
                await load.more(20)
            await viewer.knows(load.acknowledged)
    finally:
        looking.cancel()
    assert set(load.statuses) == {201}
    assert load.slowest_s < 10
    assert (peak - before) / MB < most_mb, f"{(peak - before) / MB:.0f} MB"


@contextlib.contextmanager
def its_end(name: str) -> Iterator[None]:
    """Around what waits for the end of a connection: fails with the name of the attack if that does
    not come."""
    try:
        yield
    except TimeoutError:
        pytest.fail(f"{name}: the connection was left open")
