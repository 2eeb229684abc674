"""HTTP/1.1 by hand: what is sent goes out as it is, in the pieces it is given in."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_SECONDS = 30


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._socket: socket.socket = writer.get_extra_info("socket")
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self._writer.write(piece)
            await self._writer.drain()

    async def send_bytewise(self, data: bytes) -> None:
        """Each byte in a segment of its own."""
        for position in range(len(data)):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self.send(data[position : position + 1])
            await asyncio.sleep(0)

    async def receive_head(self) -> bytes:
        async with asyncio.timeout(_SECONDS):
            return await self._reader.readuntil(b"\r\n\r\n")

    async def receive(self, *, is_bodiless: bool = False) -> Answer:
        """One answer, with all of its body; `is_bodiless` where its length is that of another one (HEAD, 304)."""
        head = await self.receive_head()
        status, *lines = head.decode("latin-1").split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        async with asyncio.timeout(_SECONDS):
            length = 0 if is_bodiless else int(headers.get("content-length", "0"))
            body = await self._reader.readexactly(length)
        return Answer(int(status.split(" ")[1]), headers, body)

    async def is_closed_by_server(self) -> bool:
        """Also by RST, which is what it takes while bytes of ours lie unread."""
        async with asyncio.timeout(_SECONDS):
            try:
                return await self._reader.read(1) == b""
            except ConnectionResetError:
                return True

    def reset(self) -> None:
        """Goes away without a word, as a booth does whose power is cut: RST instead of FIN."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def connected(port: int, address: str = "127.0.0.1") -> AsyncIterator[Wire]:
    """From this address of the machine."""
    wire = Wire(*await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0)))
    try:
        yield wire
    finally:
        await wire.close()


def request_head(path: str, headers: Iterable[str]) -> bytes:
    return "\r\n".join([f"POST {path} HTTP/1.1", "Host: 127.0.0.1", *headers, "", ""]).encode("latin-1")
