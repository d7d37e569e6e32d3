"""Requests made up from /openapi.json: nothing breaks the service, nothing is undocumented."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.stack.customer import shopper, sign_in, some_address, trusting
from tests.stack.live import LiveStack

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]

EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


class Caller:
    """Signs in anew when a request may have signed it out."""

    def __init__(self, shop: httpx.Client) -> None:
        self._shop = shop
        self._who: dict[str, str] | None = None

    def headers(self) -> dict[str, str]:
        if self._who is None:
            # From an address of its own: sign-ins are limited by address.
            self._shop.headers.update(some_address())
            self._who = sign_in(self._shop)
        return {**self._who, **some_address()}

    def sign_out(self) -> None:
        self._who = None


@pytest.fixture(scope="module")
def caller(stack: LiveStack) -> Iterator[Caller]:
    with shopper(stack) as client:
        yield Caller(client)


@pytest.fixture(scope="module")
def api(stack: LiveStack) -> schemathesis.BaseSchema:
    document = httpx.get(f"{stack.base_url}/openapi.json", verify=trusting(stack)).json()
    return schemathesis.openapi.from_dict(document)


def test_every_answer_is_a_documented_one(
    api: schemathesis.BaseSchema, stack: LiveStack, caller: Caller
) -> None:
    trusted = str(stack.layout.ca)
    asked: Counter[str] = Counter()

    def answers_as_documented(case: schemathesis.Case[Any]) -> None:
        response = case.call(base_url=stack.base_url, headers=caller.headers(), verify=trusted)
        if case.method == "DELETE":
            caller.sign_out()
        asked[f"{case.operation.label}: {response.status_code}"] += 1
        case.validate_response(response, checks=CHECKS)

    operations = [found.ok() for found in api.get_all_operations() if isinstance(found, Ok)]
    for operation in operations:
        EXAMPLES(given(operation.as_strategy())(answers_as_documented))()
    print(dict(asked))
    assert len(operations) >= 11
