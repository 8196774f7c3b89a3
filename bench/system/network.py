"""An imitated network: a proxy for HTTP on 127.0.0.1, and a bucket whose every call takes its time.

Both take a round trip of `latency_s` for each request and `bytes_per_s` for each connection. The proxy is a
process of its own, `python -m bench.system.network`, so that its CPU is nobody else's.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from typing import Any

from msgspec import Struct

from contract.bucket.port import Bucket

CHUNK = 64 * 1024
CHUNKS_UNDER_WAY = 128
"""Of one direction: more than 50 MB/s times 30 ms, so that the pace is the network's and not the queue's."""


class Network(Struct, frozen=True, kw_only=True):
    """A round trip in seconds, and bytes a second of one connection."""

    latency_s: float
    bytes_per_s: float

    def seconds(self, size: int) -> float:
        """How long a request takes that moves `size` bytes."""
        return self.latency_s + size / self.bytes_per_s


class SlowBucket:
    """A `contract.bucket.port.Bucket` whose every call waits as one over a network would; blocking, like the real ones.

    The size of a call is that of the bytes that it is given or gives.
    """

    def __init__(self, bucket: Bucket, network: Network) -> None:
        self._bucket = bucket
        self._network = network
        self.url = bucket.url

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._bucket, name)
        if not callable(found):
            return found

        def slow(*args: Any, **kwargs: Any) -> Any:
            answer = found(*args, **kwargs)
            time.sleep(self._network.seconds(sum(len(value) for value in (*args, answer) if isinstance(value, bytes))))
            return answer

        return slow


class Proxy:
    """Forwards connections to a port of 127.0.0.1; half a round trip in each direction, one more to connect."""

    def __init__(self, port: int, network: Network) -> None:
        self._port = port
        self._network = network

    async def serve(self, listen: int) -> None:
        """Listen on `listen` until cancelled; prints the port that it got as one line of JSON."""
        server = await asyncio.start_server(self.connected, "127.0.0.1", listen, limit=CHUNK)
        sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
        sys.stdout.flush()
        async with server:
            await server.serve_forever()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection until either side ends it."""
        await asyncio.sleep(self._network.latency_s)
        try:
            upstream, towards = await asyncio.open_connection("127.0.0.1", self._port, limit=CHUNK)
        except OSError:  # nobody listens: the caller sees its connection end, as behind a real proxy
            writer.close()
            return
        await asyncio.gather(self._pass_on(reader, towards), self._pass_on(upstream, writer))

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Every piece leaves when the line is free, and arrives half a round trip later."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS_UNDER_WAY)

        async def take() -> None:
            free_at = 0.0
            with contextlib.suppress(ConnectionError):  # the one side went away: so does the other
                while piece := await reader.read(CHUNK):
                    free_at = max(free_at, time.monotonic()) + len(piece) / self._network.bytes_per_s
                    await under_way.put((free_at + self._network.latency_s / 2, piece))
            await under_way.put((0.0, b""))

        async def deliver() -> None:
            with contextlib.suppress(ConnectionError):
                while (given := await under_way.get())[1]:
                    await asyncio.sleep(max(0.0, given[0] - time.monotonic()))
                    writer.write(given[1])
                    await writer.drain()

        taking = asyncio.create_task(take())
        try:
            await deliver()
        finally:
            taking.cancel()
            writer.close()


def main(arguments: list[str]) -> int:
    """`PORT LATENCY_S BYTES_PER_S`: forward to PORT until ended by a signal."""
    port, latency, pace = arguments
    network = Network(latency_s=float(latency), bytes_per_s=float(pace))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Proxy(int(port), network).serve(0))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
