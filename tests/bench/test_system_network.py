"""The emulated network: data is unchanged, and takes the configured time."""

from __future__ import annotations

import asyncio
import hashlib
import time
from pathlib import Path

import pytest

from bench.system.network import Network, Proxy, SlowBucket
from contract.bucket.disk import DiskBucket

BODY = hashlib.sha512(b"some bytes").digest() * 16_000  # 1 MB


def test_slow_bucket_waits_for_round_trip_and_bytes(tmp_path: Path) -> None:
    bucket = SlowBucket(DiskBucket(tmp_path.as_uri()), Network(latency_s=0.02, bytes_per_s=20e6))
    began = time.monotonic()
    bucket.create("images/originals/a.jpg", BODY, "image/jpeg")
    assert time.monotonic() - began >= 0.02 + len(BODY) / 20e6
    began = time.monotonic()
    assert bucket.stat("images/originals/a.jpg").size == len(BODY)
    assert time.monotonic() - began >= 0.02
    assert bucket.read("images/originals/a.jpg") == BODY
    assert bucket.url == tmp_path.as_uri()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readexactly(len(BODY)))
    await writer.drain()
    writer.close()


async def sent_through(network: Network) -> tuple[bytes, float]:
    """Return the echo of BODY through a proxy, and the seconds since the connection was opened."""
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    proxy = Proxy(server.sockets[0].getsockname()[1], network)
    front = await asyncio.start_server(proxy.connected, "127.0.0.1", 0)
    began = time.monotonic()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", front.sockets[0].getsockname()[1])
        writer.write(BODY)
        back = await reader.read(-1)
        writer.close()
        return back, time.monotonic() - began
    finally:
        front.close()
        server.close()


@pytest.mark.server
def test_a_proxy_passes_everything_on_at_its_pace() -> None:
    network = Network(latency_s=0.04, bytes_per_s=20e6)
    back, seconds = asyncio.run(asyncio.wait_for(sent_through(network), 20))
    assert back == BODY
    # To connect, and there and back; the bytes flow in both directions, one after the other.
    assert seconds >= 2 * network.latency_s + 2 * len(BODY) / network.bytes_per_s
    assert seconds < 10
