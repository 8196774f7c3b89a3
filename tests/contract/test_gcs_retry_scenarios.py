"""Our calls of Cloud Storage under the retry scenarios of Google's own conformance tests, against the emulator.

A scenario lists API methods, and cases of instructions for the server. It says whether the call must succeed.
All that apply to our calls must pass; the test reports them by name.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from msgspec import Struct

from contract.bucket.gcs.bucket import GcsBucket
from contract.bucket.port import BucketError
from emulators.cloud_storage.retry_tests import METHODS
from emulators.cloud_storage.server import GcsServer
from tests.conformance.bucket import TYPE
from tests.support.gcs_buckets import bucket_at, new_name
from tests.support.google_sources import retry_scenarios

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

OBJECT, DATA = "images/metadata/one.json", bytes(range(256)) * 2048  # 512 KiB: a scenario breaks after 256 KiB


class Call(Struct, frozen=True, kw_only=True):
    """One call of the bucket.

    Attributes:
        method: API method that gets the instructions.
        act: Makes the call.
        conditional: Whether the request carries a precondition; None for a method that is safe to repeat without one.
        media: Whether it downloads the object's bytes.
    """

    method: str
    act: Callable[[GcsBucket], object]
    conditional: bool | None = None
    media: bool = False


class Pieces:
    def write(self, data: bytes, /) -> object:
        return len(data)


CALLS = {
    "read": Call(method="storage.objects.get", act=lambda bucket: bucket.read(OBJECT), media=True),
    "read_with_generation": Call(
        method="storage.objects.get", act=lambda bucket: bucket.read_with_generation(OBJECT), media=True
    ),
    "download_to": Call(
        method="storage.objects.get", act=lambda bucket: bucket.download_to(OBJECT, Pieces()), media=True
    ),
    "stat": Call(method="storage.objects.get", act=lambda bucket: bucket.stat(OBJECT)),
    "list": Call(method="storage.objects.list", act=lambda bucket: list(bucket.list("images/", recursive=True))),
    "probe": Call(method="storage.objects.list", act=lambda bucket: bucket.probe()),
    "delete": Call(method="storage.objects.delete", act=lambda bucket: bucket.delete(OBJECT)),
    "move: delete": Call(method="storage.objects.delete", act=lambda bucket: bucket.move(OBJECT, "images/new")),
    "move: get": Call(method="storage.objects.get", act=lambda bucket: bucket.move(OBJECT, "images/new")),
    "move: rewrite": Call(
        method="storage.objects.rewrite", act=lambda bucket: bucket.move(OBJECT, "images/new"), conditional=True
    ),
    "create": Call(
        method="storage.objects.insert", act=lambda bucket: bucket.create("images/new", DATA, TYPE), conditional=True
    ),
    "write_if": Call(
        method="storage.objects.insert",
        act=lambda bucket: bucket.write_if("images/new", DATA, TYPE, ""),
        conditional=True,
    ),
    "replace": Call(
        method="storage.objects.insert", act=lambda bucket: bucket.replace(OBJECT, DATA, TYPE), conditional=False
    ),
    "expire: get": Call(method="storage.buckets.get", act=lambda bucket: bucket.expire("images/metadata/", 30)),
    "expire: patch": Call(
        method="storage.buckets.patch", act=lambda bucket: bucket.expire("images/metadata/", 30), conditional=True
    ),
}

NOT_OURS = {
    "storage.resumable.upload": "only the snapshot is sent in several requests, and a failed one is taken again",
    "storage.bucket_acl": "access is granted by IAM, outside of the programs",
    "storage.object_acl": "access is granted by IAM, outside of the programs",
    "storage.default_object_acl": "access is granted by IAM, outside of the programs",
    "storage.hmacKey": "the programs use service accounts",
    "storage.notifications": "the programs read no notifications",
    "storage.serviceaccount": "the programs use service accounts",
    "storage.buckets": "of a bucket the programs read and patch the lifecycle rules only",
    "storage.objects.compose": "objects are written as a whole",
    "storage.objects.copy": "copies are made by rewrite",
    "storage.objects.patch": "metadata is written with the object",
    "storage.objects.update": "metadata is written with the object",
}
"""Methods of the scenarios that the programs do not call, by prefix, with the reason."""


def applies(call: Call, scenario: dict[str, Any], method: dict[str, Any], case: list[str]) -> bool:
    """Return True if a case of a scenario is about this call.

    A scenario for requests without a precondition says nothing about one that has it, and the reverse.
    Errors that are never retried are independent of it.
    """
    if method["name"] != call.method or method.get("group") == "storage.resumable.upload":
        return False
    if method.get("group") == "storage.objects.download" and not call.media:
        return False
    permanent = all(instruction in ("return-400", "return-401") for instruction in case)
    return call.conditional is None or permanent or scenario["preconditionProvided"] == call.conditional


def cases(call: Call) -> Iterator[tuple[str, list[str], bool]]:
    """Yield the name, the instructions and the expected success of each case that applies to a call."""
    for scenario in retry_scenarios():
        for method in scenario["methods"]:
            for number, case in enumerate(scenario["cases"]):
                if applies(call, scenario, method, case["instructions"]):
                    name = f"S{scenario['id']} {scenario['description']} {method.get('group', method['name'])} {number}"
                    yield name, case["instructions"], scenario["expectSuccess"]


@pytest.fixture(scope="module")
def server() -> Iterator[GcsServer]:
    with GcsServer() as running:
        yield running


def post(address: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(address, data, timeout=10) as response:
        answer: dict[str, Any] = json.load(response)
        return answer


@pytest.mark.parametrize("name", CALLS)
def test_call_passes_every_scenario_that_applies(server: GcsServer, name: str, subtests: pytest.Subtests) -> None:
    call, count = CALLS[name], 0
    for scenario, instructions, succeeds in cases(call):
        count += 1
        with subtests.test(f"{name}: {scenario}"):
            bucket_name = new_name()
            server.store.add_bucket(bucket_name)
            bucket = bucket_at(server.url, bucket_name)
            bucket.replace(OBJECT, DATA, TYPE)
            test = post(f"{server.url}/retry_test", {"instructions": {call.method: instructions}})
            bucket._access.client._http.headers["x-retry-test-id"] = test["id"]
            try:
                call.act(bucket)
                succeeded = True
            except BucketError:
                succeeded = False
            assert succeeded is succeeds
            state = post(f"{server.url}/retry_test/{test['id']}")
            assert state["completed"], f"the call never met {state['instructions']}"
            if succeeds and not name.startswith(("delete", "move")):
                assert bucket.read(OBJECT) == DATA
    assert count > 0


def test_every_method_of_the_scenarios_is_ours_or_has_a_reason() -> None:
    ours = {call.method for call in CALLS.values()}
    assert ours == set(METHODS.values())
    for scenario in retry_scenarios():
        for method in scenario["methods"]:
            group = method.get("group", method["name"])
            assert method["name"] in ours or any(group.startswith(prefix) for prefix in NOT_OURS), group


def test_unknown_instruction_and_unknown_test_are_rejected(server: GcsServer) -> None:
    for body, path in (({"instructions": {"storage.objects.get": ["return-to-sender"]}}, ""), (None, "/nothing")):
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(f"{server.url}/retry_test{path}", body)
        assert caught.value.code == (404 if path else 400)
