"""What a device knows of its own identity: its certificate and its aggregator's authority. Nothing secret."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from firmware.uplink.errors import IdentityDamaged
from trust.certificates import renewal_due, to_pem
from trust.checking import Validity, validity
from trust.names import DeviceName, NameRefused, from_subject

NAME = "identity.pem"


@dataclass(frozen=True, slots=True)
class Identity:
    """The device's certificate and the authority that was pinned at joining."""

    certificate: x509.Certificate
    authority: x509.Certificate

    @property
    def named(self) -> DeviceName:
        """Whom the certificate names; raises IdentityDamaged."""
        try:
            named = from_subject(self.certificate.subject)
        except NameRefused as error:
            raise IdentityDamaged(f"{NAME} does not hold a device's certificate: join again") from error
        if not isinstance(named, DeviceName):
            raise IdentityDamaged(f"{NAME} does not hold a device's certificate: join again")
        return named

    @property
    def ends(self) -> datetime:
        """When the certificate ends, UTC."""
        return self.certificate.not_valid_after_utc

    def renewal_due(self, now: datetime) -> bool:
        """Return whether two thirds of the certificate's life are over."""
        return renewal_due(self.certificate, now)

    def validity(self, now: datetime) -> Validity:
        """Return whether the certificate is valid at `now`."""
        return validity(self.certificate, now)


def read_identity(folder: Path) -> Identity | None:
    """Return the identity, None before the device has joined; raises IdentityDamaged."""
    path = folder / NAME
    try:
        certificate, authority = x509.load_pem_x509_certificates(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise IdentityDamaged(f"{path} cannot be read: delete it and join again with a claim code") from error
    return Identity(certificate, authority)


def write_identity(folder: Path, identity: Identity) -> None:
    """Replace the identity; whoever reads meanwhile finds the old or the new one, whole. Raises OSError."""
    path = folder / NAME
    partial = path.with_name(NAME + ".partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(to_pem(identity.certificate, identity.authority))
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(directory)  # the new name is on the disk too
    finally:
        os.close(directory)
