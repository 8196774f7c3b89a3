"""Generate the OpenAPI 3.1 document from the operations and their message types.

The members are defined in https://spec.openapis.org/oas/v3.1.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from backend.api.operations import Operation
from backend.auth.access import COOKIE, Access
from contract.messages.admin import Problem

METHODS = ("get", "post", "put", "patch", "delete")
_SCHEMES: dict[Access, list[dict[str, list[str]]]] = {
    Access.PUBLIC: [],
    Access.PROCESSOR: [{"processor": []}],
    Access.TICK: [{"processor": []}, {"scheduler": []}],
    Access.ADMIN: [{"session": []}],
    Access.DEVICE: [{"device": []}, {"session": []}],
    Access.METRICS: [{"metrics": []}, {"session": []}],
    Access.PICTURE: [{"signature": []}, {"session": []}],
}
_PARAMETER = re.compile(r"{(\w+)}")
# `format` is the form of OpenAPI 3.0, which generators of clients still need to send bytes.
_FILE = {"type": "string", "format": "binary", "contentMediaType": "application/octet-stream"}
_FORM = {
    "type": "object",
    "properties": {"file": _FILE, "files": {"type": "array", "items": _FILE, "minItems": 1}},
    # One of the two is required. `anyOf` would say the same, but generators of clients then drop the fields.
    "additionalProperties": False,
    "minProperties": 1,
}


def operations_of(routes: Mapping[str, object]) -> Iterator[tuple[str, str, Operation]]:
    """Yield (path, method, operation) of every API responder. Raises TypeError for one without an access rule."""
    for path, resource in routes.items():
        for method in METHODS:
            responder = getattr(resource, f"on_{method}", None)
            if responder is None:
                continue
            if getattr(responder, "is_page", False):  # has the access rule of pages.access, and is not part of the API
                continue
            described = getattr(responder, "operation", None)
            if not isinstance(described, Operation):
                raise TypeError(f"{method.upper()} {path} has no access rule; decorate it with @operation or @page")
            yield path, method, described


def document(routes: Mapping[str, object]) -> dict[str, Any]:
    """Return the document of an app's routes, which map path templates to resources."""
    operations = list(operations_of(routes))
    types: list[Any] = [Problem]
    for _, _, operation in operations:
        for message in (operation.body, *operation.responses.values()):
            types += _alternatives(message)
        types += [parameter.type for parameter in operation.query]
    unique = list(dict.fromkeys(types))
    schemas, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(unique, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for path, method, operation in operations:
        paths.setdefault(path, {})[method] = _describe(path, method, operation, schema_of)
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "Photo slideshow", "version": "1"},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {
                "processor": {"type": "http", "scheme": "bearer"},
                "scheduler": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
                "device": {"type": "http", "scheme": "bearer"},
                "metrics": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
                "signature": {"type": "apiKey", "in": "query", "name": "s"},
            },
        },
    }
    plain: dict[str, Any] = _without_tuples(described)
    return plain


def _without_tuples(schema: Any) -> Any:
    """Describe tuples of equal items as arrays of a fixed length.

    msgspec writes `prefixItems` and `items: false`, which generators of clients do not accept.
    """
    if isinstance(schema, list):
        return [_without_tuples(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {key: _without_tuples(value) for key, value in schema.items()}
    first, *others = plain.get("prefixItems") or [None]
    if plain.get("items") is False and all(item == first for item in others):
        del plain["prefixItems"]
        plain["items"] = first
    return plain


def _describe(path: str, method: str, operation: Operation, schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    problem = {"content": {"application/problem+json": {"schema": schema_of[Problem]}}}
    responses = {
        str(status): {
            "description": HTTPStatus(status).phrase,
            **({} if message is None else {"content": {_media(status): {"schema": _schema(message, schema_of)}}}),
        }
        for status, message in operation.responses.items()
    }
    if operation.access is not Access.PUBLIC:
        responses.setdefault("401", {"description": "credentials are missing", **problem})
        responses.setdefault("403", {"description": "credentials are wrong", **problem})
    if operation.body is not None or operation.query:
        responses.setdefault("422", {"description": "a field is wrong", **problem})
    entry: dict[str, Any] = {
        "summary": operation.summary,
        "operationId": f"{method}_{re.sub(r'[^a-z]+', '_', path.lower()).strip('_')}",
        "security": _SCHEMES[operation.access],
        "responses": responses,
        "parameters": [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
            for name in _PARAMETER.findall(path)
        ]
        + [
            {
                "name": parameter.name,
                "in": "query",
                "required": False,
                "description": parameter.description,
                "schema": schema_of[parameter.type],
            }
            for parameter in operation.query
        ],
    }
    if operation.body is not None:
        entry["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[operation.body]}},
        }
    elif operation.media == "multipart/form-data":
        entry["requestBody"] = {"required": True, "content": {operation.media: {"schema": _FORM}}}
    return entry


def _alternatives(message: Any) -> tuple[Any, ...]:
    """Return the types that a body may have: none, one, or several."""
    if message is None:
        return ()
    return message if isinstance(message, tuple) else (message,)


def _schema(message: Any, schema_of: Mapping[Any, Any]) -> Any:
    schemas = [schema_of[kind] for kind in _alternatives(message)]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _media(status: int) -> str:
    return "application/json" if status < 400 else "application/problem+json"
