"""One emulated Cloud Tasks queue: it rejects what the API reference forbids, and delivers tasks over HTTP.

`emulators.invariants` lists each rule with its source.
"""

from __future__ import annotations

import re
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable

from google.cloud import tasks_v2
from google.iam.v1 import iam_policy_pb2
from msgspec import Struct

MAX_TASK_BYTES = 100 * 1024
MAX_URL_CHARACTERS = 2083
MIN_DEADLINE_SECONDS, MAX_DEADLINE_SECONDS = 15.0, 1800.0
NAME_REUSE_SECONDS = 24 * 3600.0
MAX_SCHEDULE_SECONDS = 30 * 24 * 3600.0
MAX_HEADER_BYTES = 80 * 1024
_TASK_ID = re.compile(r"[A-Za-z0-9_-]{1,500}")
_ACCOUNT_PROJECT = re.compile(r"[^@]+@([a-z0-9-]+)\.iam\.gserviceaccount\.com")
_QUEUE = re.compile(r"projects/[A-Za-z0-9:.-]+/locations/[a-z0-9-]+/queues/[A-Za-z0-9-]{1,100}")


class RejectedCall(Exception):
    """The call is answered with an error: a gRPC status code by name, and a sentence."""

    def __init__(self, status: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Delivery(Struct, frozen=True):
    """One attempt to deliver a task: its time, and the HTTP status of the answer (0 without an answer)."""

    task: str
    at: float
    status: int


class RetryPolicy(Struct, frozen=True, kw_only=True):
    """Retries of a queue, as `gcloud tasks queues create` sets them."""

    max_attempts: int = 5
    min_backoff_seconds: float = 1.0
    max_backoff_seconds: float = 60.0


class EmulatedQueue:
    """A queue and its tasks. All methods may be called from several threads."""

    def __init__(
        self,
        name: str,
        *,
        retry: RetryPolicy | None = None,
        token: Callable[[str, str], str] = lambda email, audience: f"token-of-{email}-for-{audience}",
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Create an empty queue.

        Args:
            name: Full name, `projects/.../locations/.../queues/...`.
            retry: Retries of deliveries that are not answered with 2xx.
            token: Makes the ID token that a delivery carries, from service account and audience.
            clock: Seconds since the epoch.
        """
        if not _QUEUE.fullmatch(name):
            raise ValueError(f"{name!r} is not the name of a queue")
        self.name = name
        self.missing: set[str] = set()
        """Permissions that the caller does not have."""
        self.deliveries: list[Delivery] = []
        self.created: list[str] = []
        self._retry = retry or RetryPolicy()
        self._token = token
        self._clock = clock
        self._tasks: dict[str, tuple[tasks_v2.Task, float]] = {}
        self._ended: dict[str, float] = {}
        self._attempts: dict[str, int] = {}
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._deliver_due, name="cloud-tasks", daemon=True)

    def start(self) -> None:
        """Begin to deliver tasks."""
        self._thread.start()

    def close(self) -> None:
        """Stop delivering, and wait for a delivery under way."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(30.0)

    def waiting(self) -> list[str]:
        """Return the names of the tasks that are not delivered yet."""
        with self._changed:
            return sorted(self._tasks)

    def create_task(self, request: tasks_v2.CreateTaskRequest) -> tasks_v2.Task:
        """Add a task.

        Raises:
            RejectedCall: The API rejects such a task.
        """
        now = self._clock()
        if request.parent != self.name:
            raise RejectedCall("NOT_FOUND", f"Queue does not exist: {request.parent}")
        if "cloudtasks.tasks.create" in self.missing:
            raise RejectedCall("PERMISSION_DENIED", "The principal lacks IAM permission cloudtasks.tasks.create")
        task = tasks_v2.Task(request.task)
        self._check(task)
        at = task.schedule_time.timestamp() if task.schedule_time else now
        with self._changed:
            name = task.name or f"{self.name}/tasks/{len(self.created) + 1}"
            ended = self._ended.get(name)
            if name in self._tasks or (ended is not None and now < ended + NAME_REUSE_SECONDS):
                raise RejectedCall("ALREADY_EXISTS", "Requested entity already exists")
            task.name = name
            self._tasks[name] = (task, max(at, now))
            self.created.append(name)
            self._changed.notify_all()
        return task

    def _check(self, task: tasks_v2.Task) -> None:
        if task.name:
            parent, _, identifier = task.name.rpartition("/tasks/")
            if parent != self.name or not _TASK_ID.fullmatch(identifier):
                raise RejectedCall("INVALID_ARGUMENT", f"Task name is malformed or not in {self.name}: {task.name}")
        if "app_engine_http_request" in task:
            raise RejectedCall("UNIMPLEMENTED", "App Engine targets are not emulated")
        if "http_request" not in task:
            raise RejectedCall("INVALID_ARGUMENT", "Task.http_request is required")
        target = task.http_request
        if not target.url.startswith(("http://", "https://")) or len(target.url) > MAX_URL_CHARACTERS:
            raise RejectedCall("INVALID_ARGUMENT", f"HttpRequest.url is invalid: {target.url[:100]}")
        method = tasks_v2.HttpMethod(target.http_method).name
        if target.body and method not in ("HTTP_METHOD_UNSPECIFIED", "POST", "PUT", "PATCH"):
            raise RejectedCall("INVALID_ARGUMENT", f"HttpRequest.body is not allowed with {method}")
        if sum(len(name) + len(value) for name, value in target.headers.items()) >= MAX_HEADER_BYTES:
            raise RejectedCall("INVALID_ARGUMENT", f"HttpRequest.headers are larger than {MAX_HEADER_BYTES} bytes")
        if task.schedule_time and task.schedule_time.timestamp() > self._clock() + MAX_SCHEDULE_SECONDS:
            raise RejectedCall("INVALID_ARGUMENT", "Task.schedule_time is more than 30 days in the future")
        if len(tasks_v2.Task.serialize(task)) > MAX_TASK_BYTES:
            raise RejectedCall("INVALID_ARGUMENT", f"Task size is larger than {MAX_TASK_BYTES} bytes")
        if "dispatch_deadline" in task:
            seconds = task.dispatch_deadline.total_seconds()
            if not MIN_DEADLINE_SECONDS <= seconds <= MAX_DEADLINE_SECONDS:
                raise RejectedCall("INVALID_ARGUMENT", "Task.dispatch_deadline must be between 15 s and 30 min")
        if "oidc_token" in target:
            if "@" not in target.oidc_token.service_account_email:
                raise RejectedCall("INVALID_ARGUMENT", "OidcToken.service_account_email is invalid")
            owner = _ACCOUNT_PROJECT.fullmatch(target.oidc_token.service_account_email)
            if owner and owner[1] != self.name.split("/")[1]:
                raise RejectedCall("INVALID_ARGUMENT", f"The service account belongs to another project: {owner[1]}")
            if "iam.serviceAccounts.actAs" in self.missing:
                raise RejectedCall("PERMISSION_DENIED", "The principal lacks IAM permission iam.serviceAccounts.actAs")

    def get_queue(self, request: tasks_v2.GetQueueRequest) -> tasks_v2.Queue:
        """Return the queue and its retry configuration."""
        if request.name != self.name:
            raise RejectedCall("NOT_FOUND", f"Queue does not exist: {request.name}")
        return tasks_v2.Queue(
            name=self.name,
            state=tasks_v2.Queue.State.RUNNING,
            retry_config=tasks_v2.RetryConfig(max_attempts=self._retry.max_attempts),
        )

    def test_iam_permissions(
        self, request: iam_policy_pb2.TestIamPermissionsRequest
    ) -> iam_policy_pb2.TestIamPermissionsResponse:
        """Return those of the requested permissions that are not in `missing`."""
        if request.resource != self.name:
            raise RejectedCall("NOT_FOUND", f"Queue does not exist: {request.resource}")
        granted = [permission for permission in request.permissions if permission not in self.missing]
        return iam_policy_pb2.TestIamPermissionsResponse(permissions=granted)

    def _deliver_due(self) -> None:
        while True:
            with self._changed:
                if self._closing:
                    return
                due = min(self._tasks.values(), key=lambda entry: entry[1], default=None)
                wait = None if due is None else due[1] - self._clock()
                if due is None or (wait is not None and wait > 0):
                    self._changed.wait(wait)
                    continue
            self._deliver(due[0])

    def _deliver(self, task: tasks_v2.Task) -> None:
        attempt = self._attempts.get(task.name, 0)
        self._attempts[task.name] = attempt + 1
        status = _send(task, attempt, self._token)
        now = self._clock()
        with self._changed:
            self.deliveries.append(Delivery(task.name, now, status))
            if 200 <= status < 300 or attempt + 1 >= self._retry.max_attempts:
                del self._tasks[task.name]
                self._ended[task.name] = now
                return
            pause = min(self._retry.min_backoff_seconds * 2**attempt, self._retry.max_backoff_seconds)
            self._tasks[task.name] = (task, now + pause)


def _send(task: tasks_v2.Task, attempt: int, token: Callable[[str, str], str]) -> int:
    """Send the task's HTTP request, and return the status of the answer, or 0 without one."""
    target = task.http_request
    headers = dict(target.headers)
    queue, _, identifier = task.name.rpartition("/tasks/")
    headers |= {
        "User-Agent": "Google-Cloud-Tasks",
        "X-CloudTasks-QueueName": queue.rpartition("/")[2],
        "X-CloudTasks-TaskName": identifier,
        "X-CloudTasks-TaskRetryCount": str(attempt),
    }
    if "oidc_token" in target:
        account = target.oidc_token
        headers["Authorization"] = f"Bearer {token(account.service_account_email, account.audience or target.url)}"
    method = tasks_v2.HttpMethod(target.http_method).name if target.http_method else "POST"
    request = urllib.request.Request(target.url, data=target.body or b"", headers=headers, method=method)
    seconds = task.dispatch_deadline.total_seconds() if "dispatch_deadline" in task else 600.0
    try:
        with urllib.request.urlopen(request, timeout=seconds) as response:
            response.read()
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
