"""`python -m backend`: settings in, a server that listens, exit code out."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract import logs

if TYPE_CHECKING:
    from backend.settings import Settings

log = logging.getLogger("backend")

DRAIN_SECONDS = 10
BACKLOG = 512
CANNOT_START = "cannot start: %s: %s; look at BUCKET_URL and DATABASE_URL"
MAX_CONNECTIONS = 1000
"""More are answered with 503: each costs memory."""


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Serve until SIGTERM or Ctrl-C. 0: ended in order; 1: could not start; 2: wrong settings."""
    import msgspec

    from backend.embedded import keep_port, kept_secrets, listening_socket
    from backend.settings import SettingsError, read_settings

    logs.set_up(environ)
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)  # noqa: T201
        return 2
    kept_port = 0
    if settings.embedded:
        os.umask(0o077)  # photos, database and secrets of a laptop are its owner's alone
        try:
            kept = kept_secrets(settings.data_folder)
        except (OSError, ValueError) as error:
            print(f"SLIDESHOW_DATA: {error}", file=sys.stderr)  # noqa: T201
            return 2
        kept_port = kept.port
        settings = msgspec.structs.replace(
            settings,
            processor_auth_token=settings.processor_auth_token or kept.processor_token,
            admin_password=settings.admin_password or kept.admin_password,
        )
    host = settings.host or ("127.0.0.1" if settings.embedded else "0.0.0.0")
    wanted = settings.port or (0 if settings.embedded else 8080)
    try:
        listener = listening_socket(host, wanted, kept_port=kept_port)
    except OSError as error:
        log.error("cannot listen on %s port %d: %s", host, wanted, error.strerror)
        return 1
    listener.listen(BACKLOG)
    port = listener.getsockname()[1]
    own_host = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    url = f"http://[{own_host}]:{port}" if ":" in own_host else f"http://{own_host}:{port}"
    try:
        with _announced(settings.data_folder if settings.embedded else None, url):
            if settings.embedded and not settings.port:
                keep_port(settings.data_folder, port)  # only now: the folder may have been another backend's
            return _run(settings, listener, url)
    except BlockingIOError:
        log.error("another backend works in %s; stop it first, or use another folder", settings.data_folder)
        return 1


@contextlib.contextmanager
def _announced(data_folder: Path | None, url: str) -> Iterator[None]:
    """Hold the data folder and say in it where this backend listens.

    Raises BlockingIOError if another backend holds it.
    """
    if data_folder is None:
        yield
        return
    from backend.embedded import held

    file = data_folder / "backend.json"
    with held(data_folder):
        aside = file.with_suffix(".new")
        aside.write_text(json.dumps({"pid": os.getpid(), "url": url, "started_at": time.time()}))
        aside.replace(file)  # whoever waits for it never reads a part
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def _run(settings: Settings, listener: socket.socket, url: str) -> int:
    if sys.platform == "win32":
        loop_factory = asyncio.new_event_loop
    else:
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_serve(settings, listener, url))


async def _serve(settings: Settings, listener: socket.socket, url: str) -> int:
    """Serve over the bound socket until a signal asks to end."""
    import uvicorn
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    from backend.app import create_app
    from backend.http.middleware import trust_proxy_headers
    from backend.http.server import WriteCoalescingProtocol
    from backend.periodic import loop as tick_loop
    from backend.services import Services
    from backend.startup import take_over
    from contract.bucket.port import BucketError

    class Server(uvicorn.Server):
        _ending: asyncio.Task[None] | None = None

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn would raise the signal again after serving, before the services are closed.
            running = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT):
                running.add_signal_handler(number, self._asked_to_end, number)
            yield

        def _asked_to_end(self, number: signal.Signals) -> None:
            """End the tasks while they can still hand back what they hold, then the server; at once if asked again."""
            if self._ending is not None:
                self.handle_exit(number, None)
                return
            services.ending.set()
            if timer:
                timer.cancel()
            self._ending = asyncio.create_task(services.runner.close())
            self._ending.add_done_callback(lambda _: self.handle_exit(number, None))

    try:
        services = Services(settings, own_url=url)
    except (BucketError, SQLAlchemyError, ImportError, OSError, ValueError) as error:
        # Not with a traceback: a database's address may hold a password.
        reason = error.orig if isinstance(error, DBAPIError) else error
        log.error(CANNOT_START, type(error).__name__, reason)
        return 1 if isinstance(error, BucketError | DBAPIError) else 2
    timer: asyncio.Task[None] | None = None
    loading: asyncio.Task[None] | None = None
    try:
        try:
            await services.start()
        except DBAPIError as error:  # it could be opened, and not be written
            log.error(CANNOT_START, type(error).__name__, error.orig)
            return 1
        if not settings.durable:
            loading = asyncio.create_task(take_over(services))
        if settings.tick_seconds:
            timer = asyncio.create_task(tick_loop(services, settings.tick_seconds))
        app: Any = create_app(services)
        config = uvicorn.Config(
            trust_proxy_headers(app) if "K_SERVICE" in os.environ else app,
            http=WriteCoalescingProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            proxy_headers=False,
            limit_concurrency=MAX_CONNECTIONS,
        )
        log.info("listening on %s (bucket %s)", url, services.bucket.url)
        if settings.device_auth == "open":
            log.warning("DEVICE_AUTH=open: whoever reaches this server may see every device's pictures")
        await Server(config).serve(sockets=[listener])
    finally:
        for task in (timer, loading):
            if task:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await services.close()
    log.info("stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
