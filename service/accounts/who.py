"""Who asks: the bearer token of a request, and the account that it belongs to."""

from __future__ import annotations

from flask import request

from observability.middleware import USER_KEY
from service.accounts.store import AccountStore
from service.errors import Problem

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="firewatch"'}


def bearer_token() -> str:
    """The token of ``Authorization: Bearer``.

    Raises:
        Problem: 401 where there is none.
    """
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token.strip():
        raise Problem(401, "Sign in first: this needs a bearer token.", headers=CHALLENGE)
    return token.strip()


def current_account(store: AccountStore) -> str:
    """The id of the signed-in account; it also stands in the request's log line from here on.

    Raises:
        Problem: 401 where the token is missing, unknown or expired.
    """
    account_id = store.account_of(bearer_token())
    if account_id is None:
        raise Problem(401, "The token is unknown or has expired.", headers=CHALLENGE)
    request.environ[USER_KEY] = account_id
    return account_id
