"""Says before a build whether updates will be taken with a keyring; a card in the field gets no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

_PEM = re.compile(rb"-----BEGIN (CERTIFICATE|X509 CRL)-----.*?-----END \1-----", re.DOTALL)
_PRIVATE = b"PRIVATE KEY-----"


class KeyringUnusable(Exception):
    """No update would be taken with it, or it holds a secret; the message says what to do."""


def refuse_unusable(path: Path, now: datetime) -> None:
    """Look at the authorities of a keyring and their lists of revoked ones. Raises KeyringUnusable."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise KeyringUnusable(f"cannot read the keyring {path}: {error.strerror}") from error
    if faults := list(_faults(text, now)):
        raise KeyringUnusable(f"the keyring {path} cannot go into an image: {'; '.join(faults)}")


def _faults(text: bytes, now: datetime) -> Iterator[str]:
    if _PRIVATE in text:
        yield "it holds a private key, which every card would have"
        return
    try:
        found = [(each[1], each[0]) for each in _PEM.finditer(text)]
        certificates = [x509.load_pem_x509_certificate(pem) for kind, pem in found if kind == b"CERTIFICATE"]
        lists = [x509.load_pem_x509_crl(pem) for kind, pem in found if kind != b"CERTIFICATE"]
    except ValueError:
        yield "it is damaged"
        return
    if not certificates:
        yield "it has no certificate (PEM): take keyring.pem of `python -m imaging keys`, or your own"
    for authority in certificates:
        name = authority.subject.rfc4514_string()
        if authority.not_valid_after_utc < now:
            yield f"{name} ended on {authority.not_valid_after_utc:%Y-%m-%d}: make another authority"
        own = [each for each in lists if _is_of(each, authority)]
        if not own:
            yield (
                f"{name} has no list of revoked certificates (CRL) in it, without which RAUC takes no "
                "update: append its CRL, an empty one while nothing is revoked (docs/updates.md)"
            )
        for each in own:
            ends = each.next_update_utc
            if ends is not None and ends < authority.not_valid_after_utc:
                yield (
                    f"the CRL of {name} ends on {ends:%Y-%m-%d}, before it does, and nothing that is signed "
                    "later would be taken: make one that lasts as long"
                )


def _is_of(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    try:
        return crl.issuer == authority.subject and crl.is_signature_valid(key)  # type: ignore[arg-type]
    except (InvalidSignature, TypeError, ValueError):
        return False
