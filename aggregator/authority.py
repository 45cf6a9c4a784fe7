"""The aggregator's certificate authority: one folder, made by `aidpost-aggregator init`."""

from __future__ import annotations

import os
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from aggregator.store.errors import StoreOfAnother
from aggregator.store.identities import Certificate
from aggregator.store.place import Place
from trust import certificates
from trust.checking import Request, fingerprint
from trust.claim import AUTHORITY_PROTOCOL, Claim
from trust.tls.contexts import NO_CHECK_TIME

_KEY, _CERTIFICATE, _SERVER = "authority.key", "authority.pem", "server.pem"


class AuthorityError(Exception):
    """The folder of the authority cannot be used; the message says what to do."""


class Authority:
    """Issues certificates. Whoever has its key can be anybody: keep the folder as you keep the store."""

    def __init__(self, folder: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._folder = folder
        self._key = key
        self.certificate = certificate
        self.certificate_der = certificates.to_der(certificate)
        self.fingerprint = fingerprint(certificate)
        """Which devices pin, and stores keep: SHA-256 of the certificate, 32 bytes."""
        private = key.private_numbers().private_value.to_bytes(32, "big")
        self.claim_key = HKDF(hashes.SHA256(), 32, None, b"aidpost claim digest").derive(private)
        """Of the digests of claim codes, 32 bytes."""
        self.pseudonym_key = HKDF(hashes.SHA256(), 32, None, b"aidpost export pseudonyms").derive(private)
        """Of the identifiers in exports, 32 bytes."""

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Make the authority and the server's certificate; raises AuthorityError, also if there is one."""
        key, server_key = certificates.new_key(), certificates.new_key()
        certificate = certificates.make_authority(key)
        server = certificates.make_server(certificate, key, server_key.public_key())
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(folder / _KEY, certificates.key_to_pem(key))
            write_private(
                folder / _SERVER,
                certificates.key_to_pem(server_key) + certificates.to_pem(server, certificate),
            )
            (folder / _CERTIFICATE).write_bytes(certificates.to_pem(certificate))
        except FileExistsError as error:
            raise AuthorityError(f"{folder} holds an authority already: name another folder") from error
        except OSError as error:
            raise AuthorityError(
                f"cannot write {error.filename} ({error.strerror}): name a folder that is yours"
            ) from error
        return cls(folder, certificate, key)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read the folder; raises AuthorityError."""
        try:
            for private in (folder / _KEY, folder / _SERVER):
                if private.stat().st_mode & 0o077:
                    raise AuthorityError(f"others can read {private}: chmod 600 it, and ask who has read it")
            certificate = x509.load_pem_x509_certificate((folder / _CERTIFICATE).read_bytes())
            key = serialization.load_pem_private_key((folder / _KEY).read_bytes(), None)
        except OSError as error:
            raise AuthorityError(
                f"there is no authority in {folder} ({error.strerror}): run `aidpost-aggregator init`"
            ) from error
        except (ValueError, TypeError) as error:
            raise AuthorityError(
                f"the authority in {folder} cannot be read: restore it from a copy"
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise AuthorityError(f"key and certificate in {folder} do not fit: restore them from a copy")
        return cls(folder, certificate, key)

    def check_owns(self, store: Place, *, it_is: bool) -> None:
        """Raise StoreOfAnother unless `it_is` that the store is of this authority."""
        if not it_is:
            raise StoreOfAnother(
                f"the store at {store} is of another authority than the one in {self._folder}, which its "
                "devices would not trust: name the folder that it was made with, or another store"
            )

    def server_context(self) -> ssl.SSLContext:
        """Return what the gate does TLS with: 1.3 alone, a client's certificate asked for and checked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_OPTIONAL
        # The end of a certificate's life is checked in the store, so that the refusal can say what to do; a
        # session certificate lives as long as the device's own.
        context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT | NO_CHECK_TIME
        context.num_tickets = 0  # a resumed session would bring a certificate that nobody checked again
        context.set_alpn_protocols(["h2", AUTHORITY_PROTOCOL])
        try:
            context.load_cert_chain(self._folder / _SERVER)
        except (OSError, ssl.SSLError) as error:
            raise AuthorityError(
                f"{self._folder / _SERVER} cannot be read: restore it from a copy"
            ) from error
        context.load_verify_locations(cadata=self.certificate_der)
        return context

    def new_claim(self) -> Claim:
        """Return a new claim that pins this authority."""
        return Claim.new(self.fingerprint)

    def issue(self, request: Request, now_ns: int, life: timedelta = certificates.DEVICE_LIFE) -> Certificate:
        """Return a certificate for what was asked; whether it may be is the caller's business."""
        now = datetime.fromtimestamp(now_ns / 1e9, UTC)
        made = certificates.make_client(
            self.certificate, self._key, request.named, request.public_key, now, life
        )
        ends_ns = int(made.not_valid_after_utc.timestamp()) * 1_000_000_000
        return Certificate(made.serial_number, ends_ns, certificates.to_der(made))


def write_private(path: Path, content: bytes) -> None:
    """Write a new file that its owner alone can read; raises OSError, FileExistsError if it is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
