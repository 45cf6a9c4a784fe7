"""Keys that sign updates while the project is developed: an authority and a certificate that it signed.

Who runs a fleet makes keys of their own, kept on hardware, and gives the build their certificate alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 20 * 365
SIGNER_DAYS = 2 * 365
_NOT_FOR_FLEETS = "development, not for fleets"


class KeysExist(Exception):
    """There are keys already; the message says where."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Where they lie. keyring: goes into the image. certificate, key: sign bundles."""

    folder: Path

    @property
    def keyring(self) -> Path:
        """The authority's certificate, PEM."""
        return self.folder / "keyring.pem"

    @property
    def certificate(self) -> Path:
        """The signer's certificate, PEM."""
        return self.folder / "signer.pem"

    @property
    def key(self) -> Path:
        """The signer's private key, PEM, for its owner alone."""
        return self.folder / "signer.key"


def make(folder: Path, now: datetime | None = None) -> SigningKeys:
    """Make an authority, whose key is thrown away, and one signer. Raises KeysExist, OSError.

    RAUC wants the use of code signing, so that no other certificate of an authority signs updates.
    """
    keys, now = SigningKeys(folder), now or datetime.now(UTC)
    if keys.keyring.exists() or keys.key.exists():
        raise KeysExist(f"{folder} holds keys already: images in the field take bundles of these alone")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    authority_key, signer_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    issuer = _name(f"Aidpost updates ({_NOT_FOR_FLEETS})")
    authority = (
        _certificate(issuer, issuer, authority_key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    subject = _name(f"Aidpost update signer ({_NOT_FOR_FLEETS})")
    signer = (
        _certificate(subject, issuer, signer_key.public_key(), now, SIGNER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key()), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    private = signer_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(keys.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)
    keys.certificate.write_bytes(signer.public_bytes(Encoding.PEM))
    keys.keyring.write_bytes(authority.public_bytes(Encoding.PEM))
    return keys


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, days: int
) -> x509.CertificateBuilder:
    # A day earlier: the clock of whoever verifies may be behind.
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
