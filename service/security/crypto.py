"""Personal data at rest: encrypted with rotating keys, found again by a keyed hash.

Fernet (AES-128-CBC with HMAC-SHA256) by ``cryptography``. The first key encrypts; all decrypt. To
rotate: put a new key first, restart, run ``manage rotate-keys``, then remove the old one.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from cryptography.fernet import Fernet, InvalidToken, MultiFernet


class UndecryptableError(Exception):
    """A stored value was encrypted with none of the keys that are set."""


class PersonalData:
    """Encrypts and decrypts text; ``index`` is the same for the same text, and tells nothing of it."""

    def __init__(self, keys: Sequence[str], index_key: str) -> None:
        self._fernet = MultiFernet([Fernet(key) for key in keys])
        self._index_key = index_key.encode()

    def encrypt(self, text: str) -> bytes:
        return self._fernet.encrypt(text.encode())

    def decrypt(self, data: bytes) -> str:
        """The text in ``data``.

        Raises:
            UndecryptableError: none of the keys fits.
        """
        try:
            return self._fernet.decrypt(bytes(data)).decode()
        except InvalidToken:
            raise UndecryptableError("a stored value fits none of the encryption keys") from None

    def rotate(self, data: bytes) -> bytes:
        """``data``, encrypted anew with the first key.

        Raises:
            UndecryptableError: none of the keys fits.
        """
        try:
            return self._fernet.rotate(bytes(data))
        except InvalidToken:
            raise UndecryptableError("a stored value fits none of the encryption keys") from None

    def index(self, text: str) -> bytes:
        """32 bytes to look ``text`` up by (HMAC-SHA256)."""
        return hmac.digest(self._index_key, text.encode(), hashlib.sha256)
