"""`python -m bench.system.bare_server FILE`: a Falcon handler that only returns the bytes of FILE.

It runs Falcon, uvicorn with httptools, and uvloop with their defaults, in one process. This is the stack of the backend
without its write coalescing. It prints its port, and ends when its standard input ends.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
from pathlib import Path

import falcon.asgi
import uvicorn
import uvloop
from falcon.asgi import Request, Response


class Bare:
    """`GET /`."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def on_get(self, req: Request, resp: Response) -> None:
        """Return the body."""
        resp.content_type = "application/json"
        resp.data = self._body


def main() -> int:
    """Serve until standard input ends."""
    app: falcon.asgi.App[Request, Response] = falcon.asgi.App()
    app.add_route("/", Bare(Path(sys.argv[1]).read_bytes()))
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http="httptools", ws="none", lifespan="off", log_config=None, access_log=False, server_header=False
    )
    server = uvicorn.Server(config)

    def wait_for_end_of_input() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=wait_for_end_of_input, daemon=True).start()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listener]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
