"""What a WebSocket client may send, frame by frame: the bounds that Hypercorn's own stream does not keep. It must know no message."""

import hypercorn.protocol.h2
import hypercorn.protocol.h11
import hypercorn.protocol.ws_stream
from hypercorn.protocol.events import StreamClosed
from hypercorn.protocol.ws_stream import WSStream
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping
from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason

MAX_PIECES = 64  # frames of one message: no client of ours sends more than one


class BoundedStream(WSStream):
    """Hypercorn's stream of one WebSocket; but what is too large, in too many pieces or against the protocol is answered with
    its code, and then the connection is cut. Hypercorn sends 1009 and reads on, and keeps all that comes."""

    _size = 0  # of the message that is coming in
    _pieces = 0

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            if isinstance(event, Message):
                self._size += len(event.data)
                self._pieces += event.frame_finished
                if self._size > self.config.websocket_max_message_size:
                    return await self._end(CloseReason.MESSAGE_TOO_BIG)
                if self._pieces > MAX_PIECES:
                    return await self._end(CloseReason.POLICY_VIOLATION)
                self.buffer.extend(event)
                if event.message_finished and self.app_put is not None:
                    await self.app_put(self.buffer.to_message())
                    self.buffer.clear()
                    self._size = self._pieces = 0
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection):  # the client's, or wsproto's verdict on a frame; an answer to ours needs none
                return await self._end(event.code)
        return None

    async def _end(self, code: int) -> None:
        if self.connection.state is not ConnectionState.CLOSED:
            await self._send_wsproto_event(CloseConnection(code=code))
        await self.send(StreamClosed(stream_id=self.stream_id))


def bound_frames() -> None:
    """Makes every Hypercorn server of this process use these bounds, and refuse compression.

    It would accept permessage-deflate: 190 KB per socket. And it hands the unpacking to every connection, so that a packed frame
    is unpacked though nobody agreed on it: 64 KB to 67 MB, before any limit.
    """
    hypercorn.protocol.ws_stream.server_extensions_handshake = lambda *_: None  # type: ignore[attr-defined]
    hypercorn.protocol.ws_stream.PerMessageDeflate = Extension  # type: ignore[attr-defined, assignment]
    for protocol in (hypercorn.protocol.h11, hypercorn.protocol.h2):
        protocol.WSStream = BoundedStream  # type: ignore[attr-defined]
