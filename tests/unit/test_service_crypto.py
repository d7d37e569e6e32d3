"""Personal data at rest: what goes in comes out, with the right key only, and nothing shows."""

from __future__ import annotations

import base64

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from service.security.crypto import PersonalData, UndecryptableError

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
INDEX_KEY = "i" * 32
TEXTS = st.text(st.characters(codec="utf-8"), max_size=200)
OLD_ONLY = PersonalData([OLD], INDEX_KEY)
NEW_ONLY = PersonalData([NEW], INDEX_KEY)
BOTH = PersonalData([NEW, OLD], INDEX_KEY)


@given(TEXTS)
def test_what_is_encrypted_is_decrypted_to_the_same(text: str) -> None:
    assert BOTH.decrypt(BOTH.encrypt(text)) == text


def test_the_text_does_not_show_and_the_same_text_never_looks_the_same() -> None:
    one, two = BOTH.encrypt("ann@shop.example"), BOTH.encrypt("ann@shop.example")
    assert one != two
    assert b"ann@shop" not in base64.urlsafe_b64decode(one)


def test_the_first_key_encrypts_and_every_key_decrypts() -> None:
    assert NEW_ONLY.decrypt(BOTH.encrypt("x")) == "x"
    assert BOTH.decrypt(OLD_ONLY.encrypt("x")) == "x"
    with pytest.raises(UndecryptableError):
        OLD_ONLY.decrypt(BOTH.encrypt("x"))


@given(TEXTS)
def test_after_a_rotation_the_old_key_is_needed_no_more(text: str) -> None:
    rotated = BOTH.rotate(OLD_ONLY.encrypt(text))
    assert NEW_ONLY.decrypt(rotated) == text
    assert NEW_ONLY.decrypt(BOTH.rotate(rotated)) == text  # again: it does no harm


@given(st.data())
def test_a_token_that_was_tampered_with_is_refused(data: st.DataObject) -> None:
    token = bytearray(BOTH.encrypt("1 Hill Road"))
    # The last three characters may be padding, or hold bits that mean nothing.
    place = data.draw(st.integers(0, len(token) - 4))
    other = data.draw(st.sampled_from(b"ABCDEFabcdef0123-_").filter(lambda c: c != token[place]))
    token[place] = other
    with pytest.raises(UndecryptableError, match="fits none of the encryption keys"):
        BOTH.decrypt(bytes(token))
    with pytest.raises(UndecryptableError):
        BOTH.rotate(bytes(token))


@pytest.mark.parametrize("junk", [b"", b"no token", b"\xff\xfe", b"gAAAAA"])
def test_what_is_no_token_is_refused_with_the_same_error(junk: bytes) -> None:
    with pytest.raises(UndecryptableError):
        BOTH.decrypt(junk)


def test_the_database_drivers_memoryview_is_decrypted_too() -> None:
    assert BOTH.decrypt(memoryview(BOTH.encrypt("x"))) == "x"  # type: ignore[arg-type]


@given(TEXTS, TEXTS)
def test_the_index_finds_the_same_text_and_no_other(one: str, two: str) -> None:
    assert (BOTH.index(one) == BOTH.index(two)) is (one == two)
    assert len(BOTH.index(one)) == 32


def test_the_index_outlives_a_rotation_and_depends_on_its_own_key() -> None:
    assert OLD_ONLY.index("ann") == NEW_ONLY.index("ann")
    assert OLD_ONLY.index("ann") != PersonalData([OLD], "j" * 32).index("ann")
