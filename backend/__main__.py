"""`python -m backend`: read the settings, serve until a signal, return an exit code."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contract import logs
from contract.files import write_atomically

if TYPE_CHECKING:
    from backend.settings import Settings

log = logging.getLogger("backend")

BACKLOG = 4096
"""Connections that the kernel holds until they are accepted, at about 10,000 a second. If the queue is full, clients
wait for a second before they try again."""
LINGER_SECONDS = 10.0
"""After it lost the fencing token, a backend still answers reads for this time, until requests reach the new one."""
HANG_SECONDS = 1.0
"""A thread that hangs in a call must not delay the end of the process by more than this time."""
LOST_CODE = 3
"""Exit code of a backend that ended because another one is active."""
CANNOT_START = "cannot start: %s: %s; check BUCKET_URL and DATABASE_URL"


def main(environ: Mapping[str, str] = os.environ) -> int:
    """Serve until SIGTERM, SIGHUP or Ctrl-C, or until another backend becomes active.

    Return 0 after a normal end, 1 if it cannot start, 2 for invalid settings, 3 after another backend became active.
    """
    import msgspec

    from backend.embedded import DataFolderError, bind_socket, explain_unwritable, load_secrets, save_port
    from backend.settings import SettingsError, read_settings

    logs.set_up(environ)
    try:
        settings = read_settings(environ)
    except SettingsError as error:
        for problem in error.problems:
            print(problem, file=sys.stderr)  # noqa: T201
        return 2
    stored_port = 0
    if settings.embedded:
        os.umask(0o077)  # photos, database and secrets are readable by their owner only
        try:
            stored = load_secrets(settings.data_folder)
        except (OSError, ValueError) as error:
            print(f"SLIDESHOW_DATA: {error}", file=sys.stderr)  # noqa: T201
            return 2
        stored_port = stored.port
        settings = msgspec.structs.replace(
            settings,
            processor_auth_token=settings.processor_auth_token or stored.processor_token,
            admin_password=settings.admin_password or stored.admin_password,
        )
    host = settings.host or ("127.0.0.1" if settings.embedded else "0.0.0.0")
    requested_port = settings.port or (0 if settings.embedded else 8080)
    try:
        listener = bind_socket(host, requested_port, stored_port=stored_port)
    except OSError as error:
        log.error("cannot listen on %s port %d: %s", host, requested_port, error.strerror)
        return 1
    listener.listen(BACKLOG)
    port = listener.getsockname()[1]
    own_host = "127.0.0.1" if host in ("0.0.0.0", "::") else host
    url = f"http://[{own_host}]:{port}" if ":" in own_host else f"http://{own_host}:{port}"
    try:
        with _announced(settings.data_folder if settings.embedded else None, url):
            if settings.embedded and not settings.port:
                with explain_unwritable(settings.data_folder):
                    save_port(settings.data_folder, port)  # once the folder is locked: another backend may use it
            return _run(settings, listener, url)
    except BlockingIOError:
        log.error("another backend uses %s; stop it first, or use another folder", settings.data_folder)
        return 1
    except DataFolderError as error:
        log.error("cannot start: %s", error)
        return 1


@contextlib.contextmanager
def _announced(data_folder: Path | None, url: str) -> Iterator[None]:
    """Lock the data folder, and store in it the address on which this backend listens.

    Raises:
        BlockingIOError: Another backend holds the lock.
        DataFolderError: The folder cannot be written.
    """
    if data_folder is None:
        yield
        return
    from backend.embedded import explain_unwritable, lock_data_folder

    file = data_folder / "backend.json"
    with contextlib.ExitStack() as stack:
        with explain_unwritable(data_folder):
            stack.enter_context(lock_data_folder(data_folder))
            announcement = {"pid": os.getpid(), "url": url, "started_at": time.time()}
            write_atomically(file, json.dumps(announcement).encode())
        try:
            yield
        finally:
            try:
                file.unlink(missing_ok=True)
            except OSError as error:  # the next start replaces it
                log.warning("%s could not be removed: %s", file, error.strerror)


def _run(settings: Settings, listener: socket.socket, url: str) -> int:
    if sys.platform == "win32":
        loop_factory = asyncio.new_event_loop
    else:
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(_serve(settings, listener, url))


async def _serve(settings: Settings, listener: socket.socket, url: str) -> int:
    """Serve over the bound socket until a signal. Return the exit code."""
    import uvicorn
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    from backend.app import create_app
    from backend.durability.record_reader import UnreadableRecord
    from backend.http.server import server_config
    from backend.periodic import run_periodically
    from backend.services import STOP_SECONDS, open_services
    from backend.startup import finish_start, start_durable, start_serving
    from contract.bucket.port import BucketError

    class Server(uvicorn.Server):
        _closing: asyncio.Task[None] | None = None

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            # uvicorn's own handler would raise the signal again after serving, before the services are closed.
            loop = asyncio.get_running_loop()
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # SIGHUP: the terminal was closed
                if signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it, so that the server stays
                    loop.add_signal_handler(number, self._stop, number)
            yield

        def _stop(self, number: signal.Signals) -> None:
            """Stop the tasks while they can still release images, then the server. A second signal stops at once."""
            if self._closing is not None:
                self.handle_exit(number, None)
                return
            services.begin_stop()
            _exit_after(STOP_SECONDS + HANG_SECONDS)
            if timer:
                timer.cancel()
            self._closing = asyncio.create_task(self._close(number))

        async def _close(self, number: signal.Signals) -> None:
            # The snapshot comes first, because an open request may use up the time. Changes that follow are in the
            # snapshot that `open_services` takes last.
            saving = asyncio.create_task(services.save_last_snapshot())
            try:
                await services.end_tasks()
            finally:
                self.config.timeout_graceful_shutdown = int(services.drain_seconds())
                self.handle_exit(number, None)
            await saving

        async def end_after_losing(self) -> None:
            """End once another backend is active. The platform starts a new process if requests still arrive here."""
            await services.serving_state.lost.wait()
            log.error("another backend is active: this one ends in %.0f s", LINGER_SECONDS)
            await asyncio.sleep(LINGER_SECONDS)
            self._stop(signal.SIGTERM)

    timer: asyncio.Task[None] | None = None
    loading: asyncio.Task[None] | None = None
    losing: asyncio.Task[None] | None = None
    async with contextlib.AsyncExitStack() as stack:
        try:
            services = await stack.enter_async_context(open_services(settings, own_url=url))
            imported = await start_durable(services) if settings.durable else True
        except UnreadableRecord as error:
            log.error(
                "cannot start: %s; restore that object, or remove it and run `slideshow rebuild --replace`", error
            )
            return 1
        except (BucketError, SQLAlchemyError, ImportError, OSError, ValueError) as error:
            # Without a traceback: the address of a database may contain a password.
            reason = error.orig if isinstance(error, DBAPIError) else error
            log.error(CANNOT_START, type(error).__name__, reason)
            if isinstance(error, BucketError) and settings.durable:
                log.error("an empty database is first filled from the bucket; start again, or run `slideshow rebuild`")
            return 1 if isinstance(error, BucketError | DBAPIError) else 2
        try:
            if not settings.durable:
                loading = asyncio.create_task(start_serving(services))
            elif not imported:
                loading = asyncio.create_task(finish_start(services))
            if settings.tick_seconds:
                timer = asyncio.create_task(run_periodically(services, settings.tick_seconds))
            app: Any = create_app(services)
            config = server_config(app, services.connections)
            log.info("listening on %s (bucket %s)", url, services.bucket.url)
            if settings.device_auth == "open":
                log.warning("DEVICE_AUTH=open: every client that reaches this server can read all pictures of frames")
            server = Server(config)
            losing = asyncio.create_task(server.end_after_losing())
            await server.serve(sockets=[listener])
        finally:
            for task in (timer, loading, losing):
                if task:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
    log.info("stopped")
    return LOST_CODE if services.serving_state.lost.is_set() else 0


def _exit_after(seconds: float) -> None:
    """End the process after this time, even if a thread hangs: every acknowledged change is in the bucket."""

    def end() -> None:
        log.error("not everything ended within %.0f s of SIGTERM: ending without it", seconds)
        logging.shutdown()
        os._exit(1)

    watchdog = threading.Timer(seconds, end)
    watchdog.daemon = True
    watchdog.start()


if __name__ == "__main__":
    sys.exit(main())
