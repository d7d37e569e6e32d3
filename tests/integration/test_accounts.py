"""Accounts and sessions: what a customer can do, and what a thief of the table cannot."""

from __future__ import annotations

import hashlib

import pytest
from argon2 import PasswordHasher
from cryptography.fernet import Fernet
from werkzeug.test import TestResponse

from stack.servers import PostgresPair
from tests.integration.conftest import MakeShop
from tests.integration.shop import HOME, PASSWORD, Shop, document, new_email, rows


def test_a_customer_signs_up_signs_in_and_sees_the_account(shop: Shop) -> None:
    email = new_email()
    created = shop.sign_up(email)
    assert created.status_code == 201
    token = document(shop.sign_in(email))["token"]
    me = document(shop.get("/api/me", token))
    assert me == {"id": document(created)["id"], "email": email, "address": HOME}


@pytest.mark.parametrize("again", [str.lower, str.upper])
def test_a_second_account_with_the_same_address_is_refused(again: object, shop: Shop) -> None:
    assert callable(again)
    email = new_email()
    shop.sign_up(email)
    refused = shop.sign_up(again(email))
    assert (refused.status_code, refused.mimetype) == (409, "application/problem+json")


def test_a_token_is_useless_after_sign_out_though_it_was_cached(shop: Shop) -> None:
    token = shop.customer()
    assert shop.get("/api/me", token).status_code == 200
    assert shop.sample("cache_requests_total", cache="session", result="miss") == 1
    assert shop.get("/api/me", token).status_code == 200
    assert shop.sample("cache_requests_total", cache="session", result="hit") == 1
    assert shop.call("DELETE", "/api/sessions", token).status_code == 204
    assert shop.get("/api/me", token).status_code == 401


def test_signing_out_at_one_replica_ends_the_session_at_the_other(make_shop: MakeShop) -> None:
    here, there = make_shop(), make_shop()
    token = here.customer()
    assert there.get("/api/me", token).status_code == 200
    here.call("DELETE", "/api/sessions", token)
    assert there.get("/api/me", token).status_code == 401


def test_signing_out_ends_only_this_session(shop: Shop) -> None:
    email = new_email()
    shop.sign_up(email)
    first, second = (document(shop.sign_in(email))["token"] for _ in range(2))
    shop.call("DELETE", "/api/sessions", first)
    assert shop.get("/api/me", second).status_code == 200


def test_an_expired_session_opens_nothing(shop: Shop, pair: PostgresPair) -> None:
    token = shop.customer()
    rows(pair.primary_url, "UPDATE sessions SET expires_at = now() - interval '1 second'")
    assert shop.get("/api/me", token).status_code == 401


def without_its_id(answer: TestResponse) -> tuple[object, ...]:
    headers = {name for name, _ in answer.headers}
    return answer.status_code, headers, {**document(answer), "request_id": ""}


def test_a_wrong_password_and_an_unknown_account_look_the_same(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The work, too: its time would tell who has an account.
    verified: list[str] = []
    verify = PasswordHasher.verify

    def spy(self: PasswordHasher, hashed: str, password: str) -> bool:
        verified.append(password)
        return verify(self, hashed, password)

    monkeypatch.setattr(PasswordHasher, "verify", spy)
    email = new_email()
    shop.sign_up(email)
    wrong, unknown = shop.sign_in(email, "not my password"), shop.sign_in(new_email(), "neither me")
    assert wrong.status_code == 401
    assert without_its_id(wrong) == without_its_id(unknown)
    assert verified == ["not my password", "neither me"]
    assert shop.sample("sign_ins_total", result="failed") == 2


def test_the_table_holds_only_ciphertext(shop: Shop, pair: PostgresPair) -> None:
    email = new_email()
    shop.sign_up(email)
    ((row,),) = rows(pair.primary_url, "SELECT accounts::text FROM accounts")
    (columns,) = rows(
        pair.primary_url,
        "SELECT email_encrypted, address_encrypted, email_index, password_hash FROM accounts",
    )
    stored = row.encode() + b"".join(bytes(each) for each in columns[:3])
    for secret in (email, HOME, PASSWORD):
        assert secret.encode() not in stored
        assert secret.encode().hex().encode() not in stored
        # Nor a plain hash, which can be guessed from a list of addresses.
        assert hashlib.sha256(secret.encode()).hexdigest().encode() not in stored
    fernet = Fernet(shop.settings.encryption_keys[0])
    assert [fernet.decrypt(bytes(each)).decode() for each in columns[:2]] == [email, HOME]
    assert columns[3].startswith("$argon2id$")


def test_the_table_of_sessions_holds_no_token(shop: Shop, pair: PostgresPair) -> None:
    token = shop.customer()
    ((stored,),) = rows(pair.primary_url, "SELECT token_hash FROM sessions")
    assert bytes(stored) == hashlib.sha256(token.encode()).digest()
