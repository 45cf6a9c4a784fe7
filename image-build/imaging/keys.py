"""Keys that sign updates while the project is developed: an authority and a certificate that it signed.

Who runs a fleet makes keys of their own, kept on hardware, and gives the build their keyring alone. A
keyring is the authority's certificate and its list of revoked ones (CRL). Without the list no update is
taken, so that nobody finds out on the day when a key is stolen that revoking is not possible.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

AUTHORITY_DAYS = 20 * 365
SIGNER_DAYS = 2 * 365
_NOT_FOR_FLEETS = "development, not for fleets"


class KeysExist(Exception):
    """There are keys already; the message says where."""


class KeysMissing(Exception):
    """There are no keys of which one could be revoked; the message says what to do."""


@dataclass(frozen=True, slots=True)
class SigningKeys:
    """Where they lie. keyring: goes into the image. certificate, key: sign bundles."""

    folder: Path

    @property
    def keyring(self) -> Path:
        """The authority's certificate and its list of revoked ones, PEM."""
        return self.folder / "keyring.pem"

    @property
    def certificate(self) -> Path:
        """The signer's certificate, PEM."""
        return self.folder / "signer.pem"

    @property
    def key(self) -> Path:
        """The signer's private key, PEM, for its owner alone."""
        return self.folder / "signer.key"

    @property
    def authority_key(self) -> Path:
        """The authority's private key, which makes signers and revokes them and signs no bundle."""
        return self.folder / "authority.key"


def make(folder: Path, now: datetime | None = None) -> SigningKeys:
    """Make an authority and one signer. Raises KeysExist, OSError.

    RAUC wants the use of code signing, so that no other certificate of an authority signs updates.
    """
    keys, now = SigningKeys(folder), now or datetime.now(UTC)
    if keys.keyring.exists() or keys.key.exists():
        raise KeysExist(f"{folder} holds keys already: images in the field take bundles of these alone")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = ec.generate_private_key(ec.SECP256R1())
    issuer = _name(f"Aidpost updates ({_NOT_FOR_FLEETS})")
    authority = (
        _certificate(issuer, issuer, key.public_key(), now, AUTHORITY_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    _write_private(keys.authority_key, key)
    _make_signer(keys, authority, key, now)
    keys.keyring.write_bytes(_keyring(authority, key, (), number=1))
    return keys


def revoke(folder: Path, now: datetime | None = None) -> int:
    """Have the signer signed by nobody any more, and make another; return the revoked one's serial number.

    Images that are built with the keyring from then on take nothing that the former one signed, whenever that
    was. Raises KeysMissing, OSError.
    """
    keys, now = SigningKeys(folder), now or datetime.now(UTC)
    try:
        text = keys.keyring.read_bytes()
        authority = x509.load_pem_x509_certificate(text)
        former = x509.load_pem_x509_crl(text)
        signer = x509.load_pem_x509_certificate(keys.certificate.read_bytes())
        key = load_pem_private_key(keys.authority_key.read_bytes(), None)
    except FileNotFoundError as error:
        raise KeysMissing(f"{error.filename} is not there: the authority's key alone can revoke") from error
    except ValueError as error:
        raise KeysMissing(f"{keys.keyring} holds no list of revoked keys, or a file is damaged") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise KeysMissing(f"{keys.authority_key} is no key that `keys` made")
    gone = (
        x509.RevokedCertificateBuilder()
        .serial_number(signer.serial_number)
        .revocation_date(now)
        .add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), critical=False)
        .build()
    )
    number = former.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number + 1
    fresh = keys.keyring.with_suffix(".new")
    fresh.write_bytes(_keyring(authority, key, (*former, gone), number))
    # The keyring first: cut off in between, a signer is revoked that signs still, and is revoked again.
    fresh.replace(keys.keyring)
    keys.key.unlink(missing_ok=True)
    _make_signer(keys, authority, key, now)
    return signer.serial_number


def _make_signer(
    keys: SigningKeys, authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, now: datetime
) -> None:
    signer_key = ec.generate_private_key(ec.SECP256R1())
    subject = _name(f"Aidpost update signer ({_NOT_FOR_FLEETS})")
    signer = (
        _certificate(subject, authority.subject, signer_key.public_key(), now, SIGNER_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=True)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    _write_private(keys.key, signer_key)
    keys.certificate.write_bytes(signer.public_bytes(Encoding.PEM))


def _keyring(
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    gone: Sequence[x509.RevokedCertificate],
    number: int,
) -> bytes:
    """Return the authority and its list, PEM.

    The list counts from the authority's first day to its last: OpenSSL holds its dates against the time at
    which a bundle was signed, and what other signers signed before stays good.
    """
    made = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.subject)
        .last_update(authority.not_valid_before_utc)
        .next_update(authority.not_valid_after_utc)
        .add_extension(x509.CRLNumber(number), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    for each in gone:
        made = made.add_revoked_certificate(each)
    return authority.public_bytes(Encoding.PEM) + made.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


def _write_private(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(private)


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
