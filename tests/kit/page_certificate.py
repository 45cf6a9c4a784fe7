"""A certificate and key for a page at 127.0.0.1, in PEM files as a site would have them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from trust import certificates


def write_page_certificate(folder: Path, *, named: bool = True) -> tuple[Path, Path]:
    """Write both and return their paths; named: whether the certificate says for which host it is."""
    key, now = certificates.new_key(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desk")])
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    if named:
        hosts = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        builder = builder.add_extension(hosts, critical=False)
    certificate, private = folder / "desk.pem", folder / "desk.key"
    certificate.write_bytes(certificates.to_pem(builder.sign(key, hashes.SHA256())))
    private.write_bytes(certificates.key_to_pem(key))
    return certificate, private
