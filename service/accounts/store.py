"""Accounts and sessions: PostgreSQL is the truth, Redis spares it the question.

Sessions are cached for at most SESSION_CACHE_SECONDS, so that a sign-out which Redis did not hear
of ends soon all the same.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from service.accounts.core import Account, SignUp, new_token, normal_email, token_hash
from service.security.crypto import PersonalData
from service.settings import Settings
from service.storage.cache import Cache
from service.storage.postgres import PRIMARY, Database, Session

SESSION_CACHE_SECONDS = 60


class EmailTaken(Exception):
    """An account with this e-mail address exists."""


class AccountStore:
    """Creates accounts, opens and closes sessions, and tells whose a token is."""

    def __init__(
        self, database: Database, cache: Cache, personal: PersonalData, settings: Settings
    ) -> None:
        self._database = database
        self._cache = cache
        self._personal = personal
        self._session_life = timedelta(hours=settings.session_hours)
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_iterations,
            memory_cost=settings.argon2_memory_kib,
            parallelism=1,
        )
        # Verified for unknown addresses too: the time of an answer must not tell who has an account.
        self._nobody = self._hasher.hash(new_token())

    def create(self, sign_up: SignUp) -> str:
        """Create an account; its id.

        Raises:
            EmailTaken: it exists.
            Unavailable: the primary is away.
        """
        values = (
            self._personal.index(normal_email(sign_up.email)),
            self._personal.encrypt(sign_up.email),
            self._personal.encrypt(sign_up.address),
            self._hasher.hash(sign_up.password),
        )

        def insert(session: Session) -> str:
            row = session.row(
                "account_insert",
                "INSERT INTO accounts (email_index, email_encrypted, address_encrypted,"
                " password_hash) VALUES (%s, %s, %s, %s) RETURNING id",
                values,
            )
            assert row is not None
            return str(row["id"])

        try:
            return self._database.transaction(insert)
        except psycopg.errors.UniqueViolation:
            raise EmailTaken from None

    def verify(self, email: str, password: str) -> str | None:
        """The account's id, where the password is right; else None, after the same time."""
        index = self._personal.index(normal_email(email))
        row = self._database.read(
            lambda session: session.row(
                "account_by_email",
                "SELECT id, password_hash FROM accounts WHERE email_index = %s",
                (index,),
            ),
            prefer=PRIMARY,
        )
        try:
            self._hasher.verify(row["password_hash"] if row else self._nobody, password)
        except (VerificationError, InvalidHashError):
            return None
        return str(row["id"]) if row else None

    def open_session(self, account_id: str) -> tuple[str, datetime]:
        """A new session's (token, end)."""
        token, expires_at = new_token(), datetime.now(UTC) + self._session_life
        self._database.transaction(
            lambda session: session.rows(
                "session_insert",
                "INSERT INTO sessions (token_hash, account_id, expires_at) VALUES (%s, %s, %s)",
                (token_hash(token), account_id, expires_at),
            )
        )
        return token, expires_at

    def close_session(self, token: str) -> None:
        """End the session of ``token``, at once where Redis is there, else within a minute."""
        hashed = token_hash(token)
        self._database.transaction(
            lambda session: session.rows(
                "session_delete", "DELETE FROM sessions WHERE token_hash = %s", (hashed,)
            )
        )
        self._cache.delete("session", hashed.hex())

    def account_of(self, token: str) -> str | None:
        """The id of the account that ``token`` is a running session of, or None."""
        hashed = token_hash(token)
        cached = self._cache.get("session", hashed.hex())
        if cached is not None:
            return cached.decode()
        row = self._database.read(
            lambda session: session.row(
                "session_get",
                "SELECT account_id, extract(epoch FROM expires_at - now())::float AS seconds_left"
                " FROM sessions WHERE token_hash = %s AND expires_at > now()",
                (hashed,),
            ),
            prefer=PRIMARY,
        )
        if row is None:
            return None
        account_id = str(row["account_id"])
        life = min(SESSION_CACHE_SECONDS, row["seconds_left"])
        self._cache.put("session", hashed.hex(), account_id.encode(), life)
        return account_id

    def get(self, account_id: str) -> Account | None:
        """The account, decrypted."""
        row = self._database.read(
            lambda session: session.row(
                "account_get",
                "SELECT email_encrypted, address_encrypted FROM accounts WHERE id = %s",
                (UUID(account_id),),
            ),
            prefer=PRIMARY,
        )
        if row is None:
            return None
        return Account(
            id=account_id,
            email=self._personal.decrypt(row["email_encrypted"]),
            address=self._personal.decrypt(row["address_encrypted"]),
        )
