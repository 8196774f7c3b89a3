"""Emulator of Cloud Run on 127.0.0.1, over gRPC and REST, which runs the tasks of one job as processes.

It implements google.cloud.run.v2 Jobs (RunJob, GetJob; TestIamPermissions over gRPC only), Executions (GetExecution,
ListExecutions) and google.longrunning Operations (GetOperation), so Google's own client works with it.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, Any
from urllib.parse import parse_qs, urlsplit

import grpc
from google.cloud import run_v2
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import json_format

from emulators.cloud_run.execution import JobDefinition
from emulators.cloud_run.model import CloudRunModel, ResponseLost, RpcError

_HTTP = {
    "INVALID_ARGUMENT": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}


class JobsServer:
    """Both servers of one model; `grpc_url` and `rest_url` are values for CLOUD_RUN_ENDPOINT."""

    def __init__(self, model: CloudRunModel) -> None:
        self.model = model
        self._grpc = grpc.server(ThreadPoolExecutor(8, "jobs-grpc"), options=[("grpc.so_reuseport", 0)])
        self._grpc.add_generic_rpc_handlers(_handlers(model))
        port = self._grpc.add_insecure_port("127.0.0.1:0")
        self.grpc_url = f"grpc://127.0.0.1:{port}"
        self._rest = ThreadingHTTPServer(("127.0.0.1", 0), _rest_handler(model))
        self._rest.daemon_threads = True
        self.rest_url = f"http://127.0.0.1:{self._rest.server_address[1]}"
        self._rest.timeout = 0.05
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve_rest, daemon=True)

    def start(self) -> None:
        self._grpc.start()
        self._thread.start()

    def stop(self) -> None:
        """Stop both servers and terminate all tasks."""
        self._stopping.set()
        self._thread.join(10.0)
        self._rest.server_close()
        self._grpc.stop(0.0).wait(10.0)
        self.model.close()

    def _serve_rest(self) -> None:
        # `serve_forever` ends by `shutdown`, which waits without a limit: a stuck thread would hold up its caller.
        while not self._stopping.is_set():
            self._rest.handle_request()


@contextlib.contextmanager
def running_jobs_server(
    job: str, definition: JobDefinition, *, output: IO[bytes] | None = None, start_seconds: float = 0.0
) -> Iterator[JobsServer]:
    """Run a server within a block; `job` is the full name projects/.../locations/.../jobs/..."""
    server = JobsServer(CloudRunModel(job, definition, output=output, start_seconds=start_seconds))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _handlers(model: CloudRunModel) -> tuple[Any, ...]:
    def unary(call: Callable[[Any], Any], deserialize: Any, serialize: Any) -> Any:
        def serve(message: Any, context: Any) -> Any:
            try:
                return call(message)
            except RpcError as error:
                context.abort(getattr(grpc.StatusCode, error.status), str(error))
            except ResponseLost:
                context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")

        return grpc.unary_unary_rpc_method_handler(serve, deserialize, serialize)

    v2 = "google.cloud.run.v2"
    to_operation = operations_pb2.Operation.SerializeToString
    services = {
        f"{v2}.Jobs": {
            "RunJob": unary(model.run_job, run_v2.RunJobRequest.deserialize, to_operation),
            "GetJob": unary(model.get_job, run_v2.GetJobRequest.deserialize, run_v2.Job.serialize),
            "TestIamPermissions": unary(
                model.test_iam_permissions,
                iam_policy_pb2.TestIamPermissionsRequest.FromString,
                iam_policy_pb2.TestIamPermissionsResponse.SerializeToString,
            ),
        },
        f"{v2}.Executions": {
            "GetExecution": unary(
                model.get_execution, run_v2.GetExecutionRequest.deserialize, run_v2.Execution.serialize
            ),
            "ListExecutions": unary(
                model.list_executions,
                run_v2.ListExecutionsRequest.deserialize,
                run_v2.ListExecutionsResponse.serialize,
            ),
        },
        "google.longrunning.Operations": {
            "GetOperation": unary(model.get_operation, operations_pb2.GetOperationRequest.FromString, to_operation),
        },
    }
    return tuple(grpc.method_handlers_generic_handler(name, methods) for name, methods in services.items())


def _rest_handler(model: CloudRunModel) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """Handler of one REST request: the same methods, as JSON."""

        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            name = parts.path.removeprefix("/v2/")
            if "/operations/" in name:
                self._respond(lambda: model.get_operation(operations_pb2.GetOperationRequest(name=name)))
            elif name.endswith("/executions"):
                query = {key: values[0] for key, values in parse_qs(parts.query).items()}
                request = run_v2.ListExecutionsRequest(
                    parent=name.removesuffix("/executions"),
                    page_size=int(query.get("pageSize", "0")),
                    page_token=query.get("pageToken", ""),
                )
                self._respond(lambda: model.list_executions(request))
            elif "/executions/" in name:
                self._respond(lambda: model.get_execution(run_v2.GetExecutionRequest(name=name)))
            else:
                self._respond(lambda: model.get_job(run_v2.GetJobRequest(name=name)))

        def do_POST(self) -> None:
            name, _, verb = urlsplit(self.path).path.removeprefix("/v2/").partition(":")
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if verb != "run":
                self._send(404, _problem(404, "NOT_FOUND", f"{self.path} is not implemented"))
                return
            request = run_v2.RunJobRequest.from_json(body, ignore_unknown_fields=True)
            request.name = name
            self._respond(lambda: model.run_job(request))

        def _respond(self, call: Callable[[], Any]) -> None:
            try:
                message = call()
            except RpcError as error:
                code = _HTTP[error.status]
                self._send(code, _problem(code, error.status, str(error)))
            except ResponseLost:
                self.close_connection = True
            else:
                protobuf = message if isinstance(message, operations_pb2.Operation) else type(message).pb(message)
                self._send(200, json_format.MessageToJson(protobuf).encode())

        def _send(self, code: int, body: bytes) -> None:
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Write no log: the model stores the requests."""

    return Handler


def _problem(code: int, status: str, sentence: str) -> bytes:
    return json.dumps({"error": {"code": code, "status": status, "message": sentence}}).encode()
