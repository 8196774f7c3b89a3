"""The OpenAPI 3.1 document, generated from the operations and their message types.

https://spec.openapis.org/oas/v3.1.0 says what the members mean.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

import msgspec

from backend.auth.access import COOKIE, Access
from backend.http.operations import Operation
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
_FORM = {
    "type": "object",
    "properties": {
        "file": {"type": "string", "contentMediaType": "application/octet-stream"},
        "files": {"type": "array", "items": {"type": "string", "contentMediaType": "application/octet-stream"}},
    },
}


def operations(routes: Mapping[str, object]) -> Iterator[tuple[str, str, Operation]]:
    """(path, method, operation) of every responder. Raises TypeError for one without an operation."""
    for path, resource in routes.items():
        for method in METHODS:
            responder = getattr(resource, f"on_{method}", None)
            if responder is None:
                continue
            if getattr(responder, "is_page", False):  # for people: guarded by web.guard, and no part of the API
                continue
            described = getattr(responder, "operation", None)
            if not isinstance(described, Operation):
                raise TypeError(f"{method.upper()} {path} says nothing about who may call it")
            yield path, method, described


def document(routes: Mapping[str, object]) -> dict[str, Any]:
    """The document of an app's routes: path template to resource."""
    found = list(operations(routes))
    types: list[Any] = [Problem]
    for _, _, described in found:
        types += [kind for told in (described.body, *described.answers.values()) for kind in _kinds(told)]
        types += [parameter.type for parameter in described.query]
    unique = list(dict.fromkeys(types))
    schemas, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(unique, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for path, method, described in found:
        paths.setdefault(path, {})[method] = _operation(path, method, described, schema_of)
    return {
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


def _operation(path: str, method: str, described: Operation, schema_of: Mapping[Any, Any]) -> dict[str, Any]:
    problem = {"content": {"application/problem+json": {"schema": schema_of[Problem]}}}
    answers = {
        str(status): {
            "description": HTTPStatus(status).phrase,
            **({} if told is None else {"content": {_media(status): {"schema": _schema(told, schema_of)}}}),
        }
        for status, told in described.answers.items()
    }
    if described.access is not Access.PUBLIC:
        answers.setdefault("401", {"description": "no credentials", **problem})
        answers.setdefault("403", {"description": "wrong credentials", **problem})
    if described.body is not None or described.query:
        answers.setdefault("422", {"description": "a field is wrong", **problem})
    entry: dict[str, Any] = {
        "summary": described.summary,
        "operationId": f"{method}_{re.sub(r'[^a-z]+', '_', path.lower()).strip('_')}",
        "security": _SCHEMES[described.access],
        "responses": answers,
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
            for parameter in described.query
        ],
    }
    if described.body is not None:
        entry["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of[described.body]}},
        }
    elif described.media == "multipart/form-data":
        entry["requestBody"] = {"required": True, "content": {described.media: {"schema": _FORM}}}
    return entry


def _kinds(told: Any) -> tuple[Any, ...]:
    """The types of an answer: none, one, or the several that it may have."""
    if told is None:
        return ()
    return told if isinstance(told, tuple) else (told,)


def _schema(told: Any, schema_of: Mapping[Any, Any]) -> Any:
    schemas = [schema_of[kind] for kind in _kinds(told)]
    return schemas[0] if len(schemas) == 1 else {"anyOf": schemas}


def _media(status: int) -> str:
    return "application/json" if status < 400 else "application/problem+json"
