"""A wire to the product's store or database that does what networks do: refuses, resets, is slow, loses answers."""

import asyncio
import contextlib
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

Rule = Callable[[bytes], bool]
"""Whether the fault meets a request, by the beginning of what the client sends."""
SLOW_DOWN = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: 92\r\nConnection: close\r\n\r\n"
    + b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>".ljust(92)
)


def request(method: str, part: str = "") -> Rule:
    """Requests of a method whose target contains `part`."""
    pattern = re.compile(rf"^{method} \S*{re.escape(part)}".encode(), re.MULTILINE)
    return lambda begun: pattern.search(begun) is not None


_DELAY_SECONDS = 0.1


class FaultProxy:
    """`fault` is one of "", refuse, hang, slow_down, reset, lose_answer, delay; it meets `times` of what `rule` picks.

    `reset` breaks off in the middle of the request, `lose_answer` after the server did its work, `delay` passes on
    whatever comes, but late.
    """

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.struck = asyncio.Event()
        self.heal()

    def heal(self) -> None:
        self.set("")

    def set(self, fault: str, rule: Rule = lambda _: True, times: int = 1_000_000) -> None:
        self.fault, self.rule, self.times, self.met = fault, rule, times, 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Its address."""
        server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{self.port}"
        finally:
            server.close()
            await self.break_all()
            await server.wait_closed()

    async def break_all(self) -> None:
        """Every connection, now."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.fault == "refuse":
            _reset(writer)
            return
        up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._upstream_port)
        answers = asyncio.create_task(_copy(up_reader, writer))
        try:
            while begun := await reader.read(65_536):
                if self.fault == "refuse":
                    _reset(writer)
                    return
                if self.fault and self.met < self.times and self.rule(begun):
                    self.met += 1
                    self.struck.set()
                    if self.fault == "delay":
                        await asyncio.sleep(_DELAY_SECONDS)
                        up_writer.write(begun)
                        continue
                    await self._break(begun, reader, writer, up_reader, up_writer, answers)
                    return
                up_writer.write(begun)
                await up_writer.drain()
        finally:
            answers.cancel()
            up_writer.close()

    async def _break(self, begun, reader, writer, up_reader, up_writer, answers) -> None:
        match self.fault:
            case "hang":
                await asyncio.Event().wait()
            case "slow_down":
                writer.write(SLOW_DOWN)
                await writer.drain()
            case "reset":
                up_writer.write(begun[: len(begun) // 2])
                _reset(up_writer)
                _reset(writer)
            case "lose_answer":
                answers.cancel()
                up_writer.write(begun)
                sending = asyncio.create_task(_copy(reader, up_writer))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(up_reader.read(1), 10)
                    await asyncio.sleep(0.2)  # some servers send their headers first and work then
                sending.cancel()
                _reset(writer)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, AttributeError):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
