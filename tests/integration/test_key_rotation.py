"""Rotating the encryption key: a new one in front, everything re-encrypted, the old one gone."""

from __future__ import annotations

from typing import Any

import pytest
from cryptography.fernet import Fernet, InvalidToken

from service.security import rotation
from stack.servers import PostgresPair
from tests.integration.conftest import MakeShop
from tests.integration.operator import Operator
from tests.integration.shop import HOME, document, new_email, rows

ENCRYPTED = "SELECT email_encrypted, address_encrypted FROM accounts ORDER BY id"


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch, defaults: dict[str, Any]) -> Operator:
    # So few that a handful of accounts takes several transactions.
    monkeypatch.setattr(rotation, "BATCH", 2)
    return Operator(monkeypatch, defaults)


def stored(pair: PostgresPair) -> list[bytes]:
    return [bytes(each) for row in rows(pair.primary_url, ENCRYPTED) for each in row]


def test_after_a_rotation_the_old_key_can_be_removed(
    make_shop: MakeShop,
    operator: Operator,
    pair: PostgresPair,
    encryption_key: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    emails = sorted(new_email() for _ in range(5))
    before = make_shop()
    for email in emails:
        before.sign_up(email)
    new = Fernet.generate_key().decode()

    assert operator.run("rotate-keys", encryption_keys=(new, encryption_key)) == 0
    assert "5 accounts are encrypted with the first key." in capsys.readouterr().out
    for data in stored(pair):
        Fernet(new).decrypt(data)
        with pytest.raises(InvalidToken):
            Fernet(encryption_key).decrypt(data)

    after = make_shop(encryption_keys=(new,))
    for email in emails:
        token = document(after.sign_in(email))["token"]
        me = document(after.get("/api/me", token))
        assert (me["email"], me["address"]) == (email, HOME)


def test_while_both_keys_are_set_old_rows_are_still_read(
    make_shop: MakeShop, encryption_key: str
) -> None:
    email = new_email()
    make_shop().sign_up(email)
    both = make_shop(encryption_keys=(Fernet.generate_key().decode(), encryption_key))
    token = document(both.sign_in(email))["token"]
    assert document(both.get("/api/me", token))["email"] == email


def test_a_rotation_without_the_old_key_changes_nothing_and_says_so(
    make_shop: MakeShop,
    operator: Operator,
    pair: PostgresPair,
    capsys: pytest.CaptureFixture[str],
) -> None:
    make_shop().sign_up(new_email())
    before = stored(pair)
    assert operator.run("rotate-keys", encryption_keys=(Fernet.generate_key().decode(),)) == 1
    assert "fits none of the encryption keys" in capsys.readouterr().err
    assert stored(pair) == before


def test_rotating_twice_does_no_harm(
    make_shop: MakeShop, operator: Operator, pair: PostgresPair, encryption_key: str
) -> None:
    make_shop().sign_up(new_email())
    assert operator.run("rotate-keys") == operator.run("rotate-keys") == 0
    assert Fernet(encryption_key).decrypt(stored(pair)[1]).decode() == HOME
