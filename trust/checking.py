"""Reading requests and certificates that came from elsewhere: values, or a typed refusal."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, unique
from typing import assert_never

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from trust.names import DeviceName, Named, NameRefused, PersonName, from_subject, serial_of

MAX_REQUEST_BYTES = 4096  # ours have some 350


@unique
class Validity(Enum):
    """Where a moment lies in a certificate's life."""

    NOT_YET = "not valid yet"
    VALID = "valid"
    EXPIRED = "expired"


class RequestRefused(ValueError):
    """A request for a certificate cannot be granted; the message says why, and nothing that a peer wrote."""


class CertificateRefused(ValueError):
    """A certificate is none of this project's, or not for this use."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is signed by the key that it is for."""

    named: Named
    public_key: ec.EllipticCurvePublicKey


@dataclass(frozen=True, slots=True)
class Peer:
    """Whom a checked chain names; serial: of the certificate that the authority signed for it."""

    named: Named
    serial: int


def read_request(der: bytes) -> Request:
    """Return what a PKCS #10 request asks for; raises RequestRefused."""
    if len(der) > MAX_REQUEST_BYTES:
        raise RequestRefused("the request is too long")
    try:
        request = x509.load_der_x509_csr(der)
        public_key = request.public_key()
        if not request.is_signature_valid:
            raise RequestRefused("the request is not signed by its own key")
        named = from_subject(request.subject)
    except NameRefused as error:
        raise RequestRefused(str(error)) from error
    except RequestRefused:
        raise
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise RequestRefused("the request is not a PKCS #10 request") from error
    if not isinstance(public_key, ec.EllipticCurvePublicKey) or not isinstance(
        public_key.curve, ec.SECP256R1
    ):
        raise RequestRefused("the request's key is not of P-256")
    return Request(named, public_key)


def peer_of(leaf_der: bytes, authority: x509.Certificate) -> Peer:
    """Return whom the leaf of a chain speaks for; raises CertificateRefused.

    The caller has checked the chain up to the authority. A person's leaf is signed by the authority itself; a
    device's is a session certificate, and its issuer's name is the device's, which the authority signed.
    """
    try:
        leaf = x509.load_der_x509_certificate(leaf_der)
        direct = leaf.issuer == authority.subject
        subject = leaf.subject if direct else leaf.issuer
        named, serial = from_subject(subject), serial_of(subject)
    except NameRefused as error:
        raise CertificateRefused(str(error)) from error
    except ValueError as error:
        raise CertificateRefused("the certificate cannot be read") from error
    match named:
        case PersonName():
            if not direct:
                raise CertificateRefused("a person's certificate signs nothing")
        case DeviceName():
            if direct:
                raise CertificateRefused("a device shows a session certificate, not its own")
        case _:
            assert_never(named)
    return Peer(named, serial)


def check_device_certificate(
    certificate: x509.Certificate, authority: x509.Certificate, public_key: ec.EllipticCurvePublicKey
) -> DeviceName:
    """Return whom an issued certificate names.

    Raises CertificateRefused unless it is for this key and from this authority.
    """
    try:
        certificate.verify_directly_issued_by(authority)
        named = from_subject(certificate.subject)
    except (InvalidSignature, ValueError, TypeError) as error:
        raise CertificateRefused("the certificate is not from the authority that was pinned") from error
    if certificate.public_key() != public_key:
        raise CertificateRefused("the certificate is for another key than this device's")
    if not isinstance(named, DeviceName):
        raise CertificateRefused("the certificate is not a device's")
    return named


def validity(certificate: x509.Certificate, now: datetime) -> Validity:
    """Return whether the certificate is valid at `now`."""
    if now < certificate.not_valid_before_utc:
        return Validity.NOT_YET
    return Validity.VALID if now < certificate.not_valid_after_utc else Validity.EXPIRED


def fingerprint(certificate: x509.Certificate) -> bytes:
    """Return the SHA-256 of the certificate's DER, 32 bytes."""
    return hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest()


def public_key_der(public_key: ec.EllipticCurvePublicKey) -> bytes:
    """Return the key as SubjectPublicKeyInfo, DER."""
    return public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def key_words(public_key: bytes) -> str:
    """Return what two people compare to know that they mean the same key, as 3f2a-91bc-07de-5a10.

    64 bits of the SHA-256 of the key (SubjectPublicKeyInfo, DER): who wants to be taken for another has to
    find a key for one given value, 2^63 tries on average, while the operator waits.
    """
    digest = hashlib.sha256(public_key).hexdigest()[:16]
    return "-".join(digest[start : start + 4] for start in range(0, 16, 4))
