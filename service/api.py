"""An operation of the API: its route, its handler, and what its document says, written once.

Features list their operations; ``blueprint_of`` serves them, ``service/openapi.py`` documents them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from flask import Blueprint, Response, request
from pydantic import BaseModel, ValidationError

from service.errors import Problem

M = TypeVar("M", bound=BaseModel)
JSON = "application/json"


@dataclass(frozen=True)
class Parameter:
    """A path, query or header parameter; ``schema`` is its JSON schema."""

    name: str
    place: str
    schema: Mapping[str, Any]
    required: bool = True


@dataclass(frozen=True)
class Operation:
    """One method on one route; ``responses`` maps each status of success to (text, model).

    ``problems`` are the statuses answered with a problem document, beyond those common to all.
    """

    method: str
    rule: str
    name: str
    summary: str
    handler: Callable[..., Response]
    responses: Mapping[int, tuple[str, type[BaseModel] | None]]
    problems: Sequence[int] = ()
    parameters: Sequence[Parameter] = ()
    body: type[BaseModel] | None = None
    signed_in: bool = False
    tag: str = field(default="shop")


def blueprint_of(name: str, operations: Sequence[Operation]) -> Blueprint:
    """A blueprint that serves ``operations``."""
    blueprint = Blueprint(name, __name__)
    for operation in operations:
        blueprint.add_url_rule(
            operation.rule,
            endpoint=operation.name,
            view_func=operation.handler,
            methods=[operation.method],
        )
    return blueprint


def json_response(body: bytes | BaseModel | Mapping[str, Any], status: int = 200) -> Response:
    """A JSON response of ``body``: bytes are sent as they are."""
    if isinstance(body, BaseModel):
        body = body.model_dump_json().encode()
    elif not isinstance(body, bytes):
        body = orjson.dumps(body, default=str)
    return Response(body, status, mimetype=JSON)


def parse_body(model: type[M]) -> M:
    """The request's JSON body as ``model``.

    Raises:
        Problem: 415 for another media type; 400 for no JSON; 422 naming each field that is wrong.
    """
    if request.mimetype != JSON:
        raise Problem(415, "The body must be application/json.")
    try:
        document = orjson.loads(request.get_data())
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"The body is not JSON: {error}.") from None
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise Problem(422, "The body is not acceptable.", errors=_errors(error)) from None


def _errors(error: ValidationError) -> list[dict[str, str]]:
    # Without the input: it may be a password.
    return [
        {
            "field": ".".join(str(part) for part in item["loc"]),
            "reason": item["msg"].removeprefix("Value error, "),
        }
        for item in error.errors(include_input=False, include_url=False, include_context=False)
    ]
