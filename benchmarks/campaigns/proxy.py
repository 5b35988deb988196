"""A proxy between clients and a server's socket, in a process of its own, that delays what is said and cuts it off.

As a program, with the paths of its socket and of the server's, it reads words from its standard input: ``cut`` ends all
connections, with whatever is under way in them; ``delay SECONDS`` lets each answer wait up to so long; ``to PATH`` has
those that are made from then on lead to another server.
"""

import asyncio
import os
import random
import subprocess
import sys
from contextlib import suppress
from types import TracebackType
from typing import Self


class Proxy:
    """A proxy that runs until its block is left.

    Args:
        listening: The path of its socket.
        server: The path of the server's.
    """

    def __init__(self, listening: str, server: str) -> None:
        os.makedirs(os.path.dirname(listening), exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, __file__, listening, server],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.communicate()

    def cut(self) -> None:
        """End all connections."""
        self._say("cut")

    def delay(self, seconds: float) -> None:
        """Let each answer wait up to so many seconds from now on."""
        self._say(f"delay {seconds}")

    def lead(self, server: str) -> None:
        """End all connections, and lead to another server's socket from now on."""
        self._say(f"to {server}")
        self.cut()

    def _say(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()


class _Between:
    """What stands between clients and the server."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._open: set[asyncio.StreamWriter] = set()
        self._delay = 0.0

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        """Carry one connection until either side ends it."""
        try:
            server, to_server = await asyncio.open_unix_connection(self._server)
        except OSError:  # it is being started again
            to_client.close()
            return
        ends = {to_client, to_server}
        self._open |= ends
        try:
            await asyncio.gather(self._carry(client, to_server, ends), self._carry(server, to_client, ends, late=True))
        finally:
            self._open -= ends

    async def _carry(
        self,
        source: asyncio.StreamReader,
        to: asyncio.StreamWriter,
        ends: set[asyncio.StreamWriter],
        late: bool = False,
    ) -> None:
        with suppress(OSError):
            while data := await source.read(1 << 16):
                if late and self._delay:
                    await asyncio.sleep(random.random() * self._delay)
                to.write(data)
                await to.drain()
        for end in ends:
            end.close()

    def hear(self, line: str) -> None:
        """Do what a word says."""
        word, _, rest = line.strip().partition(" ")
        if word == "delay":
            self._delay = float(rest)
        elif word == "to":
            self._server = rest
        else:
            for end in self._open:
                end.transport.abort()


async def _main(listening: str, server: str) -> None:
    between, loop = _Between(server), asyncio.get_running_loop()
    words = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(words), sys.stdin)
    await asyncio.start_unix_server(between.serve, listening)
    print("ready", flush=True)
    while line := await words.readline():
        between.hear(line.decode())
    between.hear("cut")
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()})


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
