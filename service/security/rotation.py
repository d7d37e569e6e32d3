"""Re-encrypts stored personal data with the newest key, in small transactions, resumable."""

from __future__ import annotations

from collections.abc import Callable

from psycopg import Connection

from service.security.crypto import PersonalData

BATCH = 500


def rotate_accounts(
    connection: Connection[tuple[object, ...]], personal: PersonalData, say: Callable[[str], None]
) -> int:
    """Rotate every account; the number of accounts. Run again, it does no harm.

    Raises:
        UndecryptableError: a value fits none of the keys; the batches before it are done.
    """
    done, last = 0, "00000000-0000-0000-0000-000000000000"
    while True:
        with connection.transaction():
            rows = connection.execute(
                "SELECT id::text, email_encrypted, address_encrypted FROM accounts"
                " WHERE id > %s::uuid ORDER BY id LIMIT %s FOR UPDATE",
                (last, BATCH),
            ).fetchall()
            for account_id, email, address in rows:
                connection.execute(
                    "UPDATE accounts SET email_encrypted = %s, address_encrypted = %s"
                    " WHERE id = %s::uuid",
                    (_rotated(personal, email), _rotated(personal, address), account_id),
                )
        if not rows:
            return done
        done += len(rows)
        last = str(rows[-1][0])
        say(f"{done} accounts …")


def _rotated(personal: PersonalData, data: object) -> bytes:
    assert isinstance(data, bytes | memoryview)
    return personal.rotate(bytes(data))
