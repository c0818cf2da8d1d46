"""A TCP proxy in front of a server, to lose, hold or delay what passes through."""

import asyncio
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from tests.servers.process import HOST

CHUNK = 65536

#: What a client gets in place of a reply, and whether its connection goes on.
Instead = tuple[bytes, bool]


@dataclass
class Link:
    """A client's connection, joined to a connection of our own to the server."""

    requests: asyncio.StreamReader
    to_client: asyncio.StreamWriter
    replies: asyncio.StreamReader
    to_server: asyncio.StreamWriter
    last_request: bytes = b""


class Proxy:
    """Stands before the server at `target`, a URL; `url` is the same, through here."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)
        self._port_holder = _bound_socket()
        self.port: int = self._port_holder.getsockname()[1]
        self.url = target.replace(f":{parts.port}", f":{self.port}", 1)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._relays: set[asyncio.Task[None]] = set()
        self._listener: asyncio.Server | None = None
        self._flowing = asyncio.Event()
        self._delay = 0.0
        self._to_swallow = (0, b"")
        self._change: Callable[[bytes], Instead] | None = None
        #: How often clients have asked; what they send at one time is asked once.
        self.requests = 0

    def lead_to(self, target: str) -> None:
        """Join new connections to the server at `target`; the others stay."""
        parts = urlsplit(target)
        self._target = (parts.hostname, parts.port)

    def cut(self) -> None:
        """Drop every connection and refuse new ones, until `restore()`."""
        self._run(self._close())

    def drop(self) -> None:
        """Drop every connection; new ones are welcome."""
        self._run(self._break_off())

    def hang(self) -> None:
        """Take connections and requests, hold all replies back until `restore()`."""
        self._flowing.clear()

    def delay(self, seconds: float) -> None:
        """Hold each reply back for `seconds`."""
        self._delay = seconds

    def swallow_replies(self, count: int, to: bytes = b"") -> None:
        """Break off instead of replying, `count` times, to requests containing `to`.

        The server has done what it was asked; the client cannot know. Without `to`,
        what a client says first on a new connection counts as well.
        """
        self._to_swallow = (count, to)

    def change_replies(self, change: Callable[[bytes], Instead]) -> None:
        """Send what `change` makes of each reply, in place of the reply."""
        self._change = change

    def restore(self) -> None:
        """Let everything through again."""
        self._delay = 0.0
        self._change = None
        self._to_swallow = (0, b"")
        self._run(self._open())

    def __enter__(self) -> "Proxy":
        self._thread.start()
        self.restore()
        return self

    def __exit__(self, *_: object) -> None:
        self.cut()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=30)
        self._loop.close()
        self._port_holder.close()

    def _run(self, switch: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(switch, self._loop).result(timeout=30)

    async def _open(self) -> None:
        self._flowing.set()
        if not self._listener:
            self._listener = await asyncio.start_server(
                self._accept, HOST, self.port, reuse_port=True
            )

    async def _close(self) -> None:
        if self._listener:
            # A client that asyncio has accepted must first be let in: of one that it
            # finds no server for, it forgets to close the connection.
            for listening in self._listener.sockets:
                self._loop.remove_reader(listening.fileno())
            await asyncio.sleep(0.01)
            self._listener.close()
            self._listener = None
        await self._break_off()

    async def _break_off(self) -> None:
        for relay in self._relays:
            relay.cancel()
        await asyncio.gather(*self._relays, return_exceptions=True)

    # Not a coroutine: what is accepted before a cut has to be known to the cut.
    def _accept(
        self, requests: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        relay = self._loop.create_task(self._relay(requests, to_client))
        self._relays.add(relay)
        relay.add_done_callback(self._relays.discard)
        # Also when the relay is cancelled before it begins.
        relay.add_done_callback(lambda _: to_client.transport.abort())

    async def _relay(
        self, requests: asyncio.StreamReader, to_client: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            replies, to_server = await asyncio.open_connection(*self._target)
            link = Link(requests, to_client, replies, to_server)
            try:
                await _first_to_end(self._pass_requests(link), self._pass_replies(link))
            finally:
                to_server.transport.abort()

    async def _pass_requests(self, link: Link) -> None:
        with suppress(OSError):
            while data := await link.requests.read(CHUNK):
                self.requests += 1
                link.last_request = data
                link.to_server.write(data)

    async def _pass_replies(self, link: Link) -> None:
        with suppress(OSError):
            while data := await link.replies.read(CHUNK):
                await self._flowing.wait()
                await asyncio.sleep(self._delay)
                if self._swallows(link.last_request):
                    return
                data, goes_on = self._change(data) if self._change else (data, True)
                link.to_client.write(data)
                if not goes_on:
                    return await link.to_client.drain()

    def _swallows(self, request: bytes) -> bool:
        count, to = self._to_swallow
        if count == 0 or to not in request:
            return False
        self._to_swallow = (count - 1, to)
        return True


async def _first_to_end(*ways: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.ensure_future(way) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _bound_socket() -> socket.socket:
    # It never listens: while the proxy is cut, the port refuses and stays ours.
    holder = socket.socket()
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    holder.bind((HOST, 0))
    return holder
