"""An emulated network: an HTTP proxy on 127.0.0.1, and a bucket with slow calls.

Both add a round trip of `latency_s` to each request and limit each connection to `bytes_per_s`. The proxy runs in its
own process, `python -m bench.system.network`, so that its CPU time is not counted.
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
MAX_CHUNKS = 128
"""Queued chunks in one direction: more than 50 MB/s times 30 ms, so that the queue does not limit the rate."""


class Network(Struct, frozen=True, kw_only=True):
    """Seconds of a round trip, and bytes per second of a connection."""

    latency_s: float
    bytes_per_s: float

    def seconds(self, size: int) -> float:
        """Return the duration of a request that transfers `size` bytes."""
        return self.latency_s + size / self.bytes_per_s


class SlowBucket:
    """A `contract.bucket.port.Bucket` whose calls take as long as over the network. They block, like real ones.

    The size of a call is that of its bytes arguments and results.
    """

    def __init__(self, bucket: Bucket, network: Network) -> None:
        self._bucket = bucket
        self._network = network
        self.url = bucket.url

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._bucket, name)
        if not callable(attribute):
            return attribute

        def slow(*args: Any, **kwargs: Any) -> Any:
            answer = attribute(*args, **kwargs)
            time.sleep(self._network.seconds(sum(len(value) for value in (*args, answer) if isinstance(value, bytes))))
            return answer

        return slow


class Proxy:
    """Forward connections to a port of 127.0.0.1, with half a round trip per direction, and one more to connect."""

    def __init__(self, port: int, network: Network) -> None:
        self._port = port
        self._network = network

    async def serve(self, listen: int) -> None:
        """Listen on the port `listen` until cancelled. Print the port as one line of JSON."""
        server = await asyncio.start_server(self.connected, "127.0.0.1", listen, limit=CHUNK)
        sys.stdout.write(json.dumps({"port": server.sockets[0].getsockname()[1]}) + "\n")
        sys.stdout.flush()
        async with server:
            await server.serve_forever()

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection until either side closes it."""
        await asyncio.sleep(self._network.latency_s)
        try:
            upstream, towards = await asyncio.open_connection("127.0.0.1", self._port, limit=CHUNK)
        except OSError:  # the server is down: the caller's connection is closed, as by a real proxy
            writer.close()
            return
        await asyncio.gather(self._forward(reader, towards), self._forward(upstream, writer))

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send each chunk when the line is free, and deliver it half a round trip later."""
        in_transit: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(MAX_CHUNKS)

        async def take() -> None:
            free_at = 0.0
            with contextlib.suppress(ConnectionError):  # one side closed, so the other is closed as well
                while piece := await reader.read(CHUNK):
                    free_at = max(free_at, time.monotonic()) + len(piece) / self._network.bytes_per_s
                    await in_transit.put((free_at + self._network.latency_s / 2, piece))
            await in_transit.put((0.0, b""))

        async def deliver() -> None:
            with contextlib.suppress(ConnectionError):
                while (chunk := await in_transit.get())[1]:
                    await asyncio.sleep(max(0.0, chunk[0] - time.monotonic()))
                    writer.write(chunk[1])
                    await writer.drain()

        taking = asyncio.create_task(take())
        try:
            await deliver()
        finally:
            taking.cancel()
            writer.close()


def main(arguments: list[str]) -> int:
    """Forward to PORT until a signal. The arguments are PORT LATENCY_S BYTES_PER_S."""
    port, latency, rate = arguments
    network = Network(latency_s=float(latency), bytes_per_s=float(rate))
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(Proxy(int(port), network).serve(0))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
