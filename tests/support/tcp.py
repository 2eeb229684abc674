"""A wire between a client and a server that a test can cut, hold or pull out."""

import asyncio
import ctypes
import socket
import struct
from contextlib import suppress

_SO_ATTACH_FILTER = 26
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)
"""A filter of one instruction: nothing of this packet gets in."""


class Proxy:
    """Passes bytes on to `target`; while `held` it takes everything and passes on nothing."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sockets: set[socket.socket] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """At the same port as before, if it was there before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    def hold(self) -> None:
        self._flowing.clear()

    def release(self) -> None:
        self._flowing.set()

    def refuse(self) -> None:
        """New connections; the others stay."""
        assert self._server is not None
        self._server.close()

    def pull(self) -> None:
        """The cable of every connection: nothing that the client sends is acknowledged any more, and nobody says so."""
        drop = ctypes.create_string_buffer(_DROP_ALL)
        for each in self._sockets:
            each.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", 1, ctypes.addressof(drop)))

    def cut(self) -> None:
        """Every connection, at once."""
        for task in self._tasks:
            task.cancel()

    async def stop(self) -> None:
        self.refuse()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        here: socket.socket = writer.get_extra_info("socket")
        self._sockets.add(here)
        task.add_done_callback(lambda _: self._sockets.discard(here))
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        with suppress(OSError, asyncio.CancelledError):
            pumps = [asyncio.create_task(self._pump(reader, back)), asyncio.create_task(self._pump(there, writer))]
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
                writer.transport.abort()
                back.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
