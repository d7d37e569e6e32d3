"""A local certificate authority and the edge's certificate, by trustme."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509

VALID_DAYS = 90
RENEW_DAYS = 14


def ensure_certificate(folder: Path) -> None:
    """Make ca.pem, server.pem and server.key in ``folder``, unless they are there and last."""
    if _lasts(folder / "server.pem"):
        return
    authority = trustme.CA(organization_name="Firewatch local")
    until = datetime.now(UTC) + timedelta(days=VALID_DAYS)
    certificate = authority.issue_cert("localhost", "127.0.0.1", not_after=until)
    authority.cert_pem.write_to_path(folder / "ca.pem")
    key = folder / "server.key"
    key.touch(mode=0o600)
    certificate.private_key_pem.write_to_path(key)
    first, *rest = certificate.cert_chain_pems
    first.write_to_path(folder / "server.pem")
    for pem in rest:
        pem.write_to_path(folder / "server.pem", append=True)


def _lasts(path: Path) -> bool:
    if not path.exists():
        return False
    certificate = x509.load_pem_x509_certificate(path.read_bytes())
    return certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=RENEW_DAYS)
