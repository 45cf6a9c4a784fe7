"""Says before a build whether updates will be taken with a keyring; a card in the field gets no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

_PEM = re.compile(rb"-----BEGIN (CERTIFICATE|X509 CRL)-----.*?-----END \1-----", re.DOTALL)
_PRIVATE = b"PRIVATE KEY-----"


class KeyringUnusable(Exception):
    """No update would be taken with it, or it holds a secret; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Whose signers sign updates. list_number: of its CRL, where that has one; revoked: how many it names."""

    name: str
    list_number: int | None
    revoked: int

    def __str__(self) -> str:
        number = "without a number" if self.list_number is None else f"number {self.list_number}"
        return f"{self.name}, CRL {number}, {self.revoked} revoked"


def checked(path: Path, now: datetime) -> tuple[Authority, ...]:
    """Return the authorities of a keyring by which updates are taken. Raises KeyringUnusable."""
    try:
        text = path.read_bytes()
    except OSError as error:
        raise KeyringUnusable(f"cannot read the keyring {path}: {error.strerror}") from error
    if _PRIVATE in text:
        raise KeyringUnusable(f"the keyring {path} holds a private key, which every card would have")
    try:
        found = [(each[1], each[0]) for each in _PEM.finditer(text)]
        certificates = [x509.load_pem_x509_certificate(pem) for kind, pem in found if kind == b"CERTIFICATE"]
        lists = [x509.load_pem_x509_crl(pem) for kind, pem in found if kind != b"CERTIFICATE"]
        if faults := list(_faults(certificates, lists, now)):
            raise KeyringUnusable(f"the keyring {path} cannot go into an image: {'; '.join(faults)}")
        return tuple(
            Authority(_name(each), _number(own), len(own))
            for each in certificates
            for own in lists
            if _is_of(own, each)
        )
    except ValueError as error:
        raise KeyringUnusable(f"the keyring {path} is damaged") from error


def _faults(
    certificates: list[x509.Certificate], lists: list[x509.CertificateRevocationList], now: datetime
) -> Iterator[str]:
    if not certificates:
        yield "it has no certificate (PEM): take keyring.pem of `python -m imaging keys`, or your own"
    if len(set(certificates)) < len(certificates):
        yield "it has a certificate twice: make it anew of each authority and its newest CRL"
    for authority in certificates:
        name = _name(authority)
        if authority.not_valid_after_utc < now:
            yield f"{name} ended on {authority.not_valid_after_utc:%Y-%m-%d}: make another authority"
        own = [each for each in lists if _is_of(each, authority)]
        if not own:
            yield (
                f"{name} has no list of revoked certificates (CRL) in it, without which RAUC takes no "
                "update: put its CRL behind it, an empty one while nothing is revoked (docs/updates.md)"
            )
        if len(own) > 1:
            # OpenSSL goes by one of them, and not by the newest: of lists of one day by the first.
            yield (
                f"{name} has {len(own)} CRLs in it, and whom the newest revokes might still sign: replace "
                "the former by the newest, and append none (docs/updates.md)"
            )
        for each in own:
            yield from _faults_of_list(name, each, authority, now)
    for stray in lists:
        if not any(_is_of(stray, authority) for authority in certificates):
            yield f"a CRL in it is of none of its authorities ({stray.issuer.rfc4514_string()}): take it out"


def _faults_of_list(
    name: str, crl: x509.CertificateRevocationList, authority: x509.Certificate, now: datetime
) -> Iterator[str]:
    begins, ends = crl.last_update_utc, crl.next_update_utc
    if begins > now:
        yield (
            f"the CRL of {name} counts from {begins:%Y-%m-%d %H:%M} UTC on, and nothing signed before "
            "would be taken: look at the clock of the machine that made it, and make it anew"
        )
    if ends is not None and ends < authority.not_valid_after_utc:
        yield (
            f"the CRL of {name} ends on {ends:%Y-%m-%d}, before it does, and nothing that is signed "
            "later would be taken: make one that lasts as long"
        )


def _name(authority: x509.Certificate) -> str:
    return authority.subject.rfc4514_string()


def _number(crl: x509.CertificateRevocationList) -> int | None:
    try:
        return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    except x509.ExtensionNotFound:
        return None


def _is_of(crl: x509.CertificateRevocationList, authority: x509.Certificate) -> bool:
    key = authority.public_key()
    try:
        return crl.issuer == authority.subject and crl.is_signature_valid(key)  # type: ignore[arg-type]
    except (InvalidSignature, TypeError, ValueError):
        return False
