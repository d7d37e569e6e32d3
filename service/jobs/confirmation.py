"""The confirmation of an order, by e-mail. At least once; the same order has the same Message-ID."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from urllib.parse import urlsplit

from service.security.crypto import PersonalData
from service.settings import Settings
from service.storage.postgres import PRIMARY, Database, Row

SMTP_TIMEOUT_SECONDS = 10


class OrderMissing(Exception):
    """The job names an order that does not exist."""


class Confirmations:
    """Sends each order's confirmation once, but for a crash between sending and noting it."""

    def __init__(self, database: Database, personal: PersonalData, settings: Settings) -> None:
        self._database = database
        self._personal = personal
        self._settings = settings

    def send(self, order_id: str) -> None:
        """Send the confirmation, unless it was sent.

        Raises:
            OrderMissing: there is no such order.
            OSError, smtplib.SMTPException: the mail server did not take it.
            Unavailable: the primary is away.
        """
        row = self._find(order_id)
        if row["sent"]:
            return
        self._deliver(self._message(order_id, row))
        self._database.transaction(
            lambda session: session.rows(
                "confirmation_note",
                "INSERT INTO confirmations (order_id) VALUES (%s) ON CONFLICT DO NOTHING",
                (order_id,),
            )
        )

    def _find(self, order_id: str) -> Row:
        row = self._database.read(
            lambda session: session.row(
                "confirmation_find",
                "SELECT a.email_encrypted, o.total_cents, o.currency,"
                " EXISTS (SELECT FROM confirmations c WHERE c.order_id = o.id) AS sent"
                " FROM orders o JOIN accounts a ON a.id = o.account_id WHERE o.id = %s",
                (order_id,),
            ),
            prefer=PRIMARY,
        )
        if row is None:
            raise OrderMissing(order_id)
        return row

    def _message(self, order_id: str, row: Row) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._settings.mail_from
        message["To"] = self._personal.decrypt(row["email_encrypted"])
        message["Subject"] = f"Your order {order_id}"
        message["Message-ID"] = f"<order-{order_id}@firewatch.example>"
        total = f"{row['total_cents'] / 100:.2f} {row['currency']}"
        message.set_content(f"Thank you. Your order {order_id} over {total} is accepted.\n")
        return message

    def _deliver(self, message: EmailMessage) -> None:
        server = urlsplit(self._settings.smtp_url)
        with smtplib.SMTP(
            server.hostname or "", server.port or 25, timeout=SMTP_TIMEOUT_SECONDS
        ) as smtp:
            smtp.send_message(message)
