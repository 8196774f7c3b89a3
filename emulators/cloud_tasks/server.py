"""gRPC server of one emulated queue on 127.0.0.1, for Google's own client: CreateTask, GetQueue, TestIamPermissions."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.cloud import tasks_v2
from google.iam.v1 import iam_policy_pb2

from emulators.cloud_tasks.queue import EmulatedQueue, RejectedCall

SERVICE = "google.cloud.tasks.v2.CloudTasks"


@contextlib.contextmanager
def running_queue(queue: EmulatedQueue) -> Iterator[str]:
    """Serve `queue` and deliver its tasks for the time of a block; yield the address for CLOUD_TASKS_ENDPOINT."""
    server = grpc.server(ThreadPoolExecutor(4, "tasks-grpc"), options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, _methods(queue)),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    queue.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(0.0).wait(10.0)
        queue.close()


def _methods(queue: EmulatedQueue) -> dict[str, Any]:
    def unary(call: Callable[[Any], Any], parse: Any, serialize: Any) -> Any:
        def respond(request: Any, context: Any) -> Any:
            try:
                return call(request)
            except RejectedCall as rejected:
                context.abort(getattr(grpc.StatusCode, rejected.status), str(rejected))

        return grpc.unary_unary_rpc_method_handler(respond, parse, serialize)

    return {
        "CreateTask": unary(queue.create_task, tasks_v2.CreateTaskRequest.deserialize, tasks_v2.Task.serialize),
        "GetQueue": unary(queue.get_queue, tasks_v2.GetQueueRequest.deserialize, tasks_v2.Queue.serialize),
        "TestIamPermissions": unary(
            queue.test_iam_permissions,
            iam_policy_pb2.TestIamPermissionsRequest.FromString,
            iam_policy_pb2.TestIamPermissionsResponse.SerializeToString,
        ),
    }
