"""The OpenAPI 3.1 document, made from the operations that are served, so the two cannot differ."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel

from service.api import JSON, Operation
from service.errors import PROBLEM_JSON

# Any operation may answer these: bad request lines, wrong methods, limits, a store that is away.
COMMON_PROBLEMS = (400, 429, 500, 503)
BODY_PROBLEMS = (413, 415, 422)
PATH_VARIABLE = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
SCHEMAS = "#/components/schemas/"

PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "request_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "request_id": {"type": "string"},
    },
}


def openapi_document(operations: Sequence[Operation], version: str) -> dict[str, Any]:
    """The document for ``operations``."""
    schemas: dict[str, Any] = {"Problem": PROBLEM_SCHEMA}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        path = PATH_VARIABLE.sub(r"{\1}", operation.rule)
        paths.setdefault(path, {})[operation.method.lower()] = _operation(operation, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Firewatch shop", "version": version},
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": _responses(operation, schemas),
    }
    if operation.parameters:
        document["parameters"] = [
            {"name": p.name, "in": p.place, "required": p.required, "schema": dict(p.schema)}
            for p in operation.parameters
        ]
    if operation.body is not None:
        content = {JSON: {"schema": _reference(operation.body, schemas, "validation")}}
        document["requestBody"] = {"required": True, "content": content}
    if operation.signed_in:
        document["security"] = [{"token": []}]
    return document


def _responses(operation: Operation, schemas: dict[str, Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, (text, model) in operation.responses.items():
        responses[str(status)] = {"description": text}
        if model is not None:
            schema = _reference(model, schemas, "serialization")
            responses[str(status)]["content"] = {JSON: {"schema": schema}}
    problems = {*operation.problems, *COMMON_PROBLEMS}
    problems |= set(BODY_PROBLEMS) if operation.body else set()
    problems |= {401} if operation.signed_in else set()
    for status in sorted(problems - set(operation.responses)):
        responses[str(status)] = {
            "description": HTTPStatus(status).phrase,
            "content": {PROBLEM_JSON: {"schema": {"$ref": SCHEMAS + "Problem"}}},
        }
    return responses


def _reference(model: type[BaseModel], schemas: dict[str, Any], mode: Any) -> dict[str, str]:
    schema = model.model_json_schema(ref_template=SCHEMAS + "{model}", mode=mode)
    schemas.update(schema.pop("$defs", {}))
    schemas[model.__name__] = schema
    return {"$ref": SCHEMAS + model.__name__}
