"""A task, or with `child` its sandbox process, whose decoder crashes for pictures with a command in a comment.

`ABORT` calls abort(), and `LOOP` never returns.
`EAT` allocates memory until the process is killed; the task kills itself there, as its container would.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
from typing import Any

from processor.codecs.download_buffer import content_of
from processor.pool import render_pool, sandbox
from processor.render import pipeline

OVERDUE_SECONDS = 6.0
CHILD_CPU_SECONDS = 4
CONTAINER_BYTES = 700 * 2**20
PIECE = 32 * 2**20


def eat(*, container: bool) -> None:
    eaten = []
    while True:
        eaten.append(b"\1" * PIECE)
        if container and len(eaten) * PIECE > CONTAINER_BYTES:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    child = sys.argv[1:] == ["child"]
    rendering = pipeline.render_image

    def render_image(data: Any, *args: Any, **kwargs: Any) -> Any:
        whole = content_of(data)
        if b"ABORT" in whole[:200]:
            os.abort()
        while b"LOOP" in whole[:200]:
            time.sleep(0 if child else 0.01)
        if b"EAT" in whole[:200]:
            eat(container=not child)
        return rendering(data, *args, **kwargs)

    pipeline.render_image = render_image
    if child:
        return sandbox.main()
    command = (sys.executable, __file__, "child")
    settings = sandbox.SandboxSettings
    child_settings = functools.partial(settings, command=command, cpu_seconds=CHILD_CPU_SECONDS, wall_seconds=60.0)
    renderer: Any = render_pool.RenderPool
    start = renderer.__init__

    def begin(self: Any, **options: Any) -> None:
        shares = options["shares"]
        start(self, **options, sandbox=child_settings(memory_bytes=shares.rendering), render_seconds=OVERDUE_SECONDS)

    renderer.__init__ = begin
    from processor.__main__ import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
