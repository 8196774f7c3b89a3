"""`python -m bench.system.bare_server FILE`: a Falcon handler that answers with the bytes of FILE, and nothing else.

Falcon, uvicorn with httptools, and uvloop as they come, in one process: the backend's own stack, without its way of
writing an answer in one piece. It says its port on its first line and ends with its standard input.
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
        """Answer with the body."""
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

    def end_with_input() -> None:
        sys.stdin.read()
        server.should_exit = True

    threading.Thread(target=end_with_input, daemon=True).start()
    sys.stdout.write(f"{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.serve(sockets=[listener]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
