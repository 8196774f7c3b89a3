"""The emulated queue rejects the calls that Cloud Tasks rejects, and delivers all others; called by Google's client."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import tasks_v2
from google.cloud.tasks_v2.services.cloud_tasks.transports import CloudTasksGrpcTransport
from google.protobuf import duration_pb2

from emulators.cloud_tasks.queue import EmulatedQueue, RetryPolicy
from emulators.cloud_tasks.server import running_queue

pytestmark = pytest.mark.server

QUEUE = "projects/my-photos-1/locations/us-central1/queues/slideshow-ticks"
URL = "http://127.0.0.1:9/internal/tick"
ACCOUNT = "slideshow-scheduler@my-photos-1.iam.gserviceaccount.com"


class Client:
    """Google's client and the emulated queue that it calls."""

    def __init__(self, queue: EmulatedQueue, endpoint: str) -> None:
        self.queue = queue
        channel = grpc.insecure_channel(endpoint.removeprefix("grpc://"), options=[("grpc.enable_http_proxy", 0)])
        self._client = tasks_v2.CloudTasksClient(transport=CloudTasksGrpcTransport(channel=channel))

    def create(
        self, *, parent: str = QUEUE, name: str = "", url: str = URL, seconds: float = 3600, **fields: Any
    ) -> str:
        """Create a task due in `seconds`, without the client's retries; return its name."""
        target = {"url": url, "http_method": tasks_v2.HttpMethod.POST, **fields.pop("target", {})}
        task = {"schedule_time": datetime.now(UTC) + timedelta(seconds=seconds), "http_request": target, **fields}
        if name:
            task["name"] = f"{QUEUE}/tasks/{name}"
        request = {"parent": parent, "task": task}
        created: str = self._client.create_task(request=request, retry=None, timeout=10).name
        return created

    def describe(self, name: str) -> tasks_v2.Queue:
        queue: tasks_v2.Queue = self._client.get_queue(name=name, retry=None, timeout=10)
        return queue


@pytest.fixture
def client() -> Iterator[Client]:
    queue = EmulatedQueue(QUEUE)
    with running_queue(queue) as endpoint:
        yield Client(queue, endpoint)


def create_twice(client: Client) -> None:
    client.create(name="same")
    client.create(name="same")


def without_permission(name: str) -> Callable[[Client], None]:
    def act(client: Client) -> None:
        client.queue.missing = {name}
        client.create(target={"oidc_token": {"service_account_email": ACCOUNT}})

    return act


RULES: dict[str, tuple[type[Exception], list[Callable[[Client], object]]]] = {
    "queue exists": (
        exceptions.NotFound,
        [
            lambda client: client.create(parent=QUEUE.replace("ticks", "other")),
            lambda client: client.describe(QUEUE.replace("ticks", "other")),
        ],
    ),
    "task id": (
        exceptions.InvalidArgument,
        [lambda client: client.create(name="a.b"), lambda client: client.create(name="x" * 501)],
    ),
    "unique name": (exceptions.AlreadyExists, [create_twice]),
    "http request": (
        exceptions.InvalidArgument,
        [lambda client: client.create(http_request=None)],
    ),
    "url": (
        exceptions.InvalidArgument,
        [lambda client: client.create(url="ftp://x/y"), lambda client: client.create(url="http://x/" + "y" * 2083)],
    ),
    "deadline": (
        exceptions.InvalidArgument,
        [
            lambda client: client.create(dispatch_deadline=duration_pb2.Duration(seconds=14)),
            lambda client: client.create(dispatch_deadline=duration_pb2.Duration(seconds=1801)),
        ],
    ),
    "size": (exceptions.InvalidArgument, [lambda client: client.create(target={"body": b"x" * 102_500})]),
    "body": (
        exceptions.InvalidArgument,
        [lambda client: client.create(target={"http_method": tasks_v2.HttpMethod.GET, "body": b"x"})],
    ),
    "headers": (
        exceptions.InvalidArgument,
        [lambda client: client.create(target={"headers": {"X-Long": "x" * 81_920}})],
    ),
    "schedule": (exceptions.InvalidArgument, [lambda client: client.create(seconds=31 * 24 * 3600)]),
    "account project": (
        exceptions.InvalidArgument,
        [
            lambda client: client.create(
                target={"oidc_token": {"service_account_email": ACCOUNT.replace("my-photos-1", "another")}}
            )
        ],
    ),
    "act as": (exceptions.PermissionDenied, [without_permission("iam.serviceAccounts.actAs")]),
    "enqueuer": (exceptions.PermissionDenied, [without_permission("cloudtasks.tasks.create")]),
}


@pytest.mark.parametrize("rule", RULES)
def test_rule(client: Client, rule: str) -> None:
    """A call that breaks the rule is rejected."""
    error, calls = RULES[rule]
    for call in calls:
        with pytest.raises(error):
            call(client)
    assert len(client.queue.created) == (1 if rule == "unique name" else 0)


def test_call_at_the_limits_is_accepted(client: Client) -> None:
    client.create(name="x" * 500, dispatch_deadline=duration_pb2.Duration(seconds=15))
    client.create(url="http://x/" + "y" * 2074, dispatch_deadline=duration_pb2.Duration(seconds=1800))
    client.create(target={"body": b"x" * 100_000, "oidc_token": {"service_account_email": ACCOUNT}})
    assert len(client.queue.waiting()) == 3


class Receiver(BaseHTTPRequestHandler):
    """Responds to deliveries with the statuses in its server's list, then with 200."""

    def do_POST(self) -> None:
        server: Any = self.server
        server.received.append((time.monotonic(), self.headers))
        self.send_response(server.statuses.pop(0) if server.statuses else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Receiver)
    server.received, server.statuses = [], []
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_task_is_delivered_at_its_time_with_a_token_and_its_name_stays_taken(receiver: Any) -> None:
    queue = EmulatedQueue(QUEUE, token=lambda email, audience: f"{email} {audience}")
    with running_queue(queue) as endpoint:
        client = Client(queue, endpoint)
        token = {"service_account_email": ACCOUNT, "audience": "https://backend.example"}
        began = time.monotonic()
        url = f"http://127.0.0.1:{receiver.server_port}/internal/tick"
        client.create(name="once", url=url, seconds=0.5, target={"oidc_token": token})
        wait_for(lambda: queue.deliveries)
        ((at, headers),) = receiver.received
        assert 0.4 < at - began < 10
        assert headers["Authorization"] == f"Bearer {ACCOUNT} https://backend.example"
        assert headers["X-CloudTasks-TaskName"] == "once"
        with pytest.raises(exceptions.AlreadyExists):
            client.create(name="once")


def test_delivery_is_retried_until_it_succeeds_or_attempts_run_out(receiver: Any) -> None:
    receiver.statuses = [503, 500]
    queue = EmulatedQueue(QUEUE, retry=RetryPolicy(max_attempts=3, min_backoff_seconds=0.05))
    url = f"http://127.0.0.1:{receiver.server_port}/"
    with running_queue(queue) as endpoint:
        client = Client(queue, endpoint)
        client.create(name="late", url=url, seconds=0)
        wait_for(lambda: len(queue.deliveries) == 3)
        receiver.statuses = [500] * 9
        client.create(name="never", url=url, seconds=0)
        wait_for(lambda: len(queue.deliveries) == 6)
        wait_for(lambda: not queue.waiting())
    assert [delivery.status for delivery in queue.deliveries] == [503, 500, 200, 500, 500, 500]
    assert [headers["X-CloudTasks-TaskRetryCount"] for _, headers in receiver.received] == ["0", "1", "2"] * 2
