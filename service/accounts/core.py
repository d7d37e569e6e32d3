"""Rules of accounts: what an e-mail address, a password and a session token are. No I/O."""

from __future__ import annotations

import hashlib
import secrets
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from service.body import Body

TOKEN_BYTES = 32
# One @, no blanks or control characters, a dot in the domain: the rest only a message can prove.
# None of the characters that mean something in a mail header: "a,b@c.example" would be two recipients.
NOT_IN_EMAIL = r'\s@\x00-\x1f\x7f"(),:;<>\[\\\]'
EMAIL = rf"^[^{NOT_IN_EMAIL}]{{1,64}}@[^.{NOT_IN_EMAIL}]+(\.[^.{NOT_IN_EMAIL}]+)+$"


def _printable(text: str) -> str:
    if not all(character.isprintable() or character == "\n" for character in text):
        raise ValueError("must have no control characters")
    return text


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("must be valid Unicode") from None
    return text


Email = Annotated[str, StringConstraints(pattern=EMAIL, max_length=254), AfterValidator(_printable)]
Password = Annotated[str, Field(min_length=10, max_length=200), AfterValidator(_encodable)]
Address = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_printable)]


class SignUp(Body):
    """A new account."""

    email: Email
    password: Password
    address: Address


class SignIn(Body):
    """An attempt to sign in; anything that can be sent may be tried."""

    email: Annotated[str, Field(max_length=254), AfterValidator(_encodable)]
    password: Annotated[str, Field(max_length=200), AfterValidator(_encodable)]


class Account(Body):
    """An account, as its owner sees it."""

    id: str
    email: str
    address: str


class AccountCreated(Body):
    """The answer to a sign-up."""

    id: str
    email: str


class SessionCreated(Body):
    """The answer to a sign-in: ``token`` goes into ``Authorization: Bearer``; times are ISO 8601."""

    token: str
    expires_at: str


def normal_email(email: str) -> str:
    """The form under which an address is looked up: case does not make two accounts."""
    return email.strip().casefold()


def new_token() -> str:
    """An opaque session token with 256 bits of chance."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def token_hash(token: str) -> bytes:
    """What is stored of a token (SHA-256): a stolen table opens no session."""
    return hashlib.sha256(token.encode()).digest()
