"""Lets sockets write in turns. One change may concern ten thousand of them: the event loop must
stay free for everything else."""

import asyncio
from collections import OrderedDict

AT_ONCE = 100  # 5 ms: a frame takes the server some 50 µs


class Turns:
    """Sets events in the order in which they were asked for, a few in each round of the event loop.
    What a socket has to say meanwhile waits in one place, so that it is told in fewer frames the
    more there is to do."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[asyncio.Event, None] = OrderedDict()

    def ask(self, event: asyncio.Event) -> None:
        """Sets it soon; however often it is asked for meanwhile, once."""
        if not self._waiting:
            asyncio.get_running_loop().call_soon(self._give)
        self._waiting[event] = None

    def _give(self) -> None:
        for _ in range(min(AT_ONCE, len(self._waiting))):
            self._waiting.popitem(last=False)[0].set()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._give)
