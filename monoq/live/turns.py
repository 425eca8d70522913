"""Lets sockets write in turns. One change may concern ten thousand sockets: the event loop must
stay free for everything else."""

import asyncio
from collections import OrderedDict

AT_ONCE = 100  # 5 ms: a frame takes the server some 50 µs


class Turns:
    """Sets events in the order of their requests, a few in each round of the event loop. What a
    socket has to send meanwhile accumulates, so the busier the loop, the fewer the frames."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[asyncio.Event, None] = OrderedDict()

    def ask(self, event: asyncio.Event) -> None:
        """Sets the event soon; once, however often that is requested meanwhile."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._give)
        self._waiting[event] = None

    def _give(self) -> None:
        for _ in range(min(AT_ONCE, len(self._waiting))):
            self._waiting.popitem(last=False)[0].set()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._give)
