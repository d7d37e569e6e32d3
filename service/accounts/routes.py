"""HTTP of accounts: sign up, sign in, sign out, me."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response

from observability.instruments import Instruments
from service.accounts.core import Account, AccountCreated, SessionCreated, SignIn, SignUp
from service.accounts.store import AccountStore, EmailTaken
from service.accounts.who import bearer_token, current_account
from service.api import Operation, json_response, parse_body
from service.errors import Problem
from service.security.limits import Limits


class AccountRoutes:
    """The handlers, and the operations that they serve."""

    def __init__(self, store: AccountStore, limits: Limits, instruments: Instruments) -> None:
        self._store = store
        self._limits = limits
        self._sign_ins = instruments.sign_ins

    def operations(self, limit_attempts: Callable[..., Callable[..., Response]]) -> list[Operation]:
        """The operations; ``limit_attempts`` wraps the handlers that guessers would call."""
        return [
            Operation(
                "POST",
                "/api/accounts",
                "sign_up",
                "Create an account.",
                limit_attempts(self.sign_up),
                {201: ("Created", AccountCreated)},
                problems=(409,),
                body=SignUp,
                tag="accounts",
            ),
            Operation(
                "POST",
                "/api/sessions",
                "sign_in",
                "Sign in; the token goes into the Authorization header.",
                limit_attempts(self.sign_in),
                {201: ("Signed in", SessionCreated)},
                problems=(401,),
                body=SignIn,
                tag="accounts",
            ),
            Operation(
                "DELETE",
                "/api/sessions",
                "sign_out",
                "End this session.",
                self.sign_out,
                {204: ("Signed out", None)},
                signed_in=True,
                tag="accounts",
            ),
            Operation(
                "GET",
                "/api/me",
                "me",
                "The account that is signed in.",
                self.me,
                {200: ("The account", Account)},
                signed_in=True,
                tag="accounts",
            ),
        ]

    def sign_up(self) -> Response:
        sign_up = parse_body(SignUp)
        try:
            account_id = self._store.create(sign_up)
        except EmailTaken:
            raise Problem(409, "An account with this e-mail address exists.") from None
        return json_response(AccountCreated(id=account_id, email=sign_up.email), 201)

    def sign_in(self) -> Response:
        self._limits.refuse_banned()
        attempt = parse_body(SignIn)
        account_id = self._store.verify(attempt.email, attempt.password)
        if account_id is None:
            self._sign_ins.labels("failed").inc()
            self._limits.count_failed_sign_in()
            raise Problem(401, "The e-mail address or the password is wrong.")
        token, expires_at = self._store.open_session(account_id)
        self._sign_ins.labels("succeeded").inc()
        return json_response(SessionCreated(token=token, expires_at=expires_at.isoformat()), 201)

    def sign_out(self) -> Response:
        current_account(self._store)
        self._store.close_session(bearer_token())
        return Response(status=204)

    def me(self) -> Response:
        account = self._store.get(current_account(self._store))
        if account is None:
            raise Problem(401, "This account exists no longer.")
        return json_response(account)
