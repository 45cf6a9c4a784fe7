"""Who somebody is to the aggregator, and how a certificate's distinguished name says it.

The issuer's name of a session certificate is the subject of the device's own certificate (RFC 5280, 6.1.3),
and that one only the authority can sign: so the names here are as sure as the chain.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from enum import Enum, unique
from typing import TypeAlias

from cryptography import x509
from cryptography.x509.oid import NameOID

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
NAMES = "names are 1 to 63 of A-Z a-z 0-9 . _ - and begin with a letter or digit"
_SERIAL = re.compile(r"[0-9a-f]{1,40}")
_SCHEME = "spiffe://aidpost"


@unique
class Role(Enum):
    """Who may make which call; every caller has one."""

    ADMINISTRATOR = "administrator"
    OPERATOR = "operator"
    AUDITOR = "auditor"
    CUSTODIAN = "custodian"
    DEVICE = "device"


PEOPLE = (Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR, Role.CUSTODIAN)


class NameRefused(ValueError):
    """A certificate or a request does not name a device or a person as this project does."""


@dataclass(frozen=True, slots=True)
class DeviceName:
    """A device of one site."""

    device_id: str
    site: str

    def uri(self) -> str:
        """Return the name as a URI, for the subject alternative name."""
        return f"{_SCHEME}/site/{self.site}/device/{self.device_id}"

    def host(self) -> str:
        """Return the one DNS name under which the device may be a TLS server, to the others of its site.

        A digest, since names of devices and sites may hold what a DNS name may not.
        """
        return f"{hashlib.sha256(self.uri().encode()).hexdigest()[:32]}.site.aidpost.internal"


@dataclass(frozen=True, slots=True)
class PersonName:
    """A person who works with the aggregator; role: never that of a device."""

    name: str
    role: Role

    def uri(self) -> str:
        """Return the name as a URI, for the subject alternative name."""
        return f"{_SCHEME}/{self.role.value}/{self.name}"


Named: TypeAlias = DeviceName | PersonName


def is_name(text: str) -> bool:
    """Tell whether a device, a site or a person may be called so."""
    return _NAME.fullmatch(text) is not None


def to_subject(named: Named, serial: int | None = None) -> x509.Name:
    """Return the distinguished name; serial: of the certificate, None in a request for one."""
    match named:
        case DeviceName():
            parts = [(NameOID.ORGANIZATION_NAME, named.site), (NameOID.COMMON_NAME, named.device_id)]
            role = Role.DEVICE
        case PersonName():
            parts = [(NameOID.COMMON_NAME, named.name)]
            role = named.role
    parts.append((NameOID.ORGANIZATIONAL_UNIT_NAME, role.value))
    if serial is not None:
        parts.append((NameOID.SERIAL_NUMBER, f"{serial:x}"))
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def from_subject(subject: x509.Name) -> Named:
    """Return whom the name is of; raises NameRefused."""
    name = _one(subject, NameOID.COMMON_NAME)
    try:
        role = Role(_one(subject, NameOID.ORGANIZATIONAL_UNIT_NAME))
    except ValueError as error:
        raise NameRefused("the name has no role that this version knows") from error
    if role is not Role.DEVICE:
        return PersonName(_checked(name), role)
    return DeviceName(_checked(name), _checked(_one(subject, NameOID.ORGANIZATION_NAME)))


def serial_of(subject: x509.Name) -> int:
    """Return the serial number of the certificate that has this subject; raises NameRefused."""
    text = _one(subject, NameOID.SERIAL_NUMBER)
    if not _SERIAL.fullmatch(text):
        raise NameRefused("the name has no serial number")
    return int(text, 16)


def _one(subject: x509.Name, oid: x509.ObjectIdentifier) -> str:
    values = [attribute.value for attribute in subject.get_attributes_for_oid(oid)]
    if len(values) != 1 or not isinstance(values[0], str):
        raise NameRefused("a part of the name is missing or stands there twice")
    return values[0]


def _checked(text: str) -> str:
    if not is_name(text):
        raise NameRefused(NAMES)
    return text
