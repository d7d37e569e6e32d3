"""Laws of accounts: e-mail addresses, passwords, and tokens."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import getaddresses

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from service.accounts.core import (
    Address,
    Email,
    SignIn,
    SignUp,
    new_token,
    normal_email,
    token_hash,
)

RIGHT = {"email": "ann@shop.example", "password": "long-enough-1", "address": "1 Hill Road"}
EMAIL: TypeAdapter[str] = TypeAdapter(Email)
# Characters that mean something to a mail header are tried far more often than by chance.
LOCAL = st.text(st.sampled_from('ab.+-_"<>(),:;[]\\') | st.characters(codec="ascii"), max_size=12)


@given(LOCAL)
def test_an_address_that_is_accepted_is_one_recipient_in_a_header(local: str) -> None:
    try:
        email = EMAIL.validate_python(f"{local}@shop.example")
    except ValidationError:
        return
    message = EmailMessage()
    message["To"] = email
    assert getaddresses([str(message["To"])]) == [("", email)]


@pytest.mark.parametrize(
    "email",
    [
        "ann",
        "ann@",
        "@shop.example",
        "ann@localhost",
        "ann@shop..example",
        "ann@shop.example.",
        "a nn@shop.example",
        "ann@shop.example\nBcc: all@shop.example",
        "ann@x@shop.example",
        "postmaster,ann@shop.example",
        f"{'a' * 65}@shop.example",
        f"ann@{'a' * 250}.example",
    ],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    with pytest.raises(ValidationError):
        SignUp.model_validate({**RIGHT, "email": email})


@pytest.mark.parametrize("email", ["ann@shop.example", "a.b+tag@mail.shop.example", "o'neil@x.ie"])
def test_common_addresses_are_accepted(email: str) -> None:
    assert SignUp.model_validate({**RIGHT, "email": email}).email == email


@given(st.text(max_size=30))
def test_the_normal_form_is_its_own_normal_form(text: str) -> None:
    assert normal_email(normal_email(text)) == normal_email(text)


@given(st.text(st.characters(codec="ascii"), max_size=30))
def test_case_and_blanks_around_do_not_make_two_accounts(text: str) -> None:
    assert normal_email(f" {text.upper()}\t") == normal_email(text.lower())


@pytest.mark.parametrize(
    "change",
    [
        {"password": "too-short"},
        {"password": "x" * 201},
        {"address": ""},
        {"address": "   "},
        {"address": "1 Hill\x00Road"},
        {"address": "1 Hill\x1b[31mRoad"},
        {"address": "x" * 501},
        {"admin": True},
    ],
)
def test_a_wrong_sign_up_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SignUp.model_validate({**RIGHT, **change})


def test_an_address_may_have_several_lines_and_any_script() -> None:
    address = "Ännchen Müller\n山田通り 1"
    assert TypeAdapter(Address).validate_python(address) == address


def test_a_sign_in_takes_what_may_be_wrong_but_not_what_is_no_text() -> None:
    assert SignIn.model_validate({"email": "x", "password": "y"}).email == "x"
    with pytest.raises(ValidationError):
        SignIn.model_validate({"email": "x", "password": "\ud800"})


def test_tokens_have_256_bits_and_never_repeat() -> None:
    tokens = {new_token() for _ in range(500)}
    assert len(tokens) == 500
    assert {len(token) for token in tokens} == {43}  # 32 bytes in base64


@given(st.text(), st.text())
def test_what_is_stored_of_a_token_tells_tokens_apart_and_is_not_the_token(
    one: str, two: str
) -> None:
    try:
        same = token_hash(one) == token_hash(two)
    except UnicodeEncodeError:
        return
    assert same is (one == two)
    assert len(token_hash(one)) == 32
    assert token_hash(one) != one.encode()
