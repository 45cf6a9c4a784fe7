"""The certificate profile: an authority of one aggregator, its server, people, devices and their sessions.

    authority -> server
              -> person
              -> device -> session

A device's key may sit in a TPM that no TLS library can sign with. So its certificate lets it sign session
certificates for keys that live in the memory of one process, and nothing else: path length 0, and below it
the one DNS name `DeviceName.host`, under which it serves the others of its site. No device can play the
aggregator's server, which has another. gRPC compares that with alternative names of any kind, and with the
common name where it knows none of them: so the subject below a device is fixed, and other kinds are none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from trust.names import DeviceName, Named, to_subject

DEVICE_LIFE = timedelta(days=30)
RENEW_AFTER = 2 / 3
"""The part of a certificate's life after which a device asks for the next one."""
BACKDATED = timedelta(days=1)
"""The margin for clocks that are behind: a certificate is valid from a day before it was made."""
SERVER_NAME = "aggregator.aidpost.internal"
"""What the server's certificate is for. Devices know their aggregator by its authority, not by an address."""

# A device that lost its clock stands at 1970, or anywhere: it could not connect to be told the time if the
# certificates of the authority and the server could seem expired. RFC 5280, 4.1.2.5, gives the second one to
# certificates that have no good expiry date.
_EVER_SINCE = datetime(1970, 1, 1, tzinfo=UTC)
_FOR_EVER = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_SESSION = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "session")])
_CLIENT, _SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new P-256 key."""
    return ec.generate_private_key(ec.SECP256R1())


def make_authority(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return the self-signed certificate of a new authority."""
    serial = x509.random_serial_number()
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "Aidpost authority"),
            x509.NameAttribute(NameOID.SERIAL_NUMBER, f"{serial:x}"),
        ]
    )
    builder = _begin(name, name, key.public_key(), key.public_key(), serial, _EVER_SINCE, _FOR_EVER)
    return _sign(_may_sign(builder, path_length=1), key)


def make_server(
    authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, server_key: ec.EllipticCurvePublicKey
) -> x509.Certificate:
    """Return the certificate of the aggregator's server."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, SERVER_NAME)])
    serial = x509.random_serial_number()
    builder = _begin(name, authority.subject, server_key, key.public_key(), serial, _EVER_SINCE, _FOR_EVER)
    return _sign(_leaf(builder, _SERVER, [x509.DNSName(SERVER_NAME)]), key)


def make_client(
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    named: Named,
    public_key: ec.EllipticCurvePublicKey,
    now: datetime,
    life: timedelta = DEVICE_LIFE,
) -> x509.Certificate:
    """Return the certificate of a device or a person, valid from a day before `now` for `life` after it."""
    serial = x509.random_serial_number()
    subject = to_subject(named, serial)
    builder = _begin(
        subject, authority.subject, public_key, key.public_key(), serial, now - BACKDATED, now + life
    )
    names = [x509.UniformResourceIdentifier(named.uri())]
    if not isinstance(named, DeviceName):
        return _sign(_leaf(builder, _CLIENT, names), key)
    below = [
        x509.DNSName(named.host()),
        x509.DirectoryName(_SESSION),
        x509.UniformResourceIdentifier("none.invalid"),
        x509.RFC822Name("none.invalid"),
    ]
    no_address = [x509.IPAddress(ipaddress.ip_network(net)) for net in ("0.0.0.0/0", "::/0")]
    builder = (
        _may_sign(builder, path_length=0)
        .add_extension(x509.ExtendedKeyUsage([_CLIENT, _SERVER]), critical=False)
        .add_extension(x509.NameConstraints(below, no_address), critical=True)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
    )
    return _sign(builder, key)


def make_session(
    device: x509.Certificate, key: ec.EllipticCurvePrivateKey, session_key: ec.EllipticCurvePublicKey
) -> x509.Certificate:
    """Return a certificate for a client's key of one process, signed by the device's key.

    It is valid as long as the device's own. No clock is read: a device need not have one.
    """
    return _below(device, key, session_key, _CLIENT, [])


def make_site_server(
    device: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    session_key: ec.EllipticCurvePublicKey,
    named: DeviceName,
) -> x509.Certificate:
    """Return the like for a server's key: the device serves the others of its site under its own name."""
    return _below(device, key, session_key, _SERVER, [x509.DNSName(named.host())])


def may_serve(device: x509.Certificate, named: DeviceName) -> bool:
    """Tell whether `make_site_server` can sign for a server with it: early ones were for clients alone."""
    try:
        uses = device.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        below = device.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return False
    return _SERVER in uses and x509.DNSName(named.host()) in (below.permitted_subtrees or ())


def make_page(key: ec.EllipticCurvePrivateKey, named: DeviceName) -> x509.Certificate:
    """Return the self-signed certificate of the page that an appliance serves to tablets.

    Nobody vouches for it: whoever opens the page compares its fingerprint with what the appliance shows.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Aidpost {named.device_id}")])
    serial = x509.random_serial_number()
    builder = _begin(name, name, key.public_key(), key.public_key(), serial, _EVER_SINCE, _FOR_EVER)
    hosts = [x509.DNSName(named.host()), x509.DNSName(f"{named.device_id}.local")]
    return _sign(_leaf(builder, _SERVER, hosts), key)


def is_page_of(certificate: x509.Certificate, named: DeviceName) -> bool:
    """Tell whether a certificate of `make_page` was made for this appliance."""
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return named.host() in names.get_values_for_type(x509.DNSName)


def fingerprint(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate as browsers show it: pairs of hexadecimal digits with colons."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def make_request(named: Named, key: ec.EllipticCurvePrivateKey) -> x509.CertificateSigningRequest:
    """Return a request for a certificate, signed by the key that it is for."""
    return x509.CertificateSigningRequestBuilder().subject_name(to_subject(named)).sign(key, hashes.SHA256())


def renewal_due(certificate: x509.Certificate, now: datetime) -> bool:
    """Tell whether two thirds of the certificate's life are over."""
    begin = certificate.not_valid_before_utc + BACKDATED
    return now >= begin + RENEW_AFTER * (certificate.not_valid_after_utc - begin)


def to_pem(*certificates: x509.Certificate) -> bytes:
    """Return certificates as PEM, in this order."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)


def from_der(der: bytes) -> x509.Certificate:
    """Return the certificate; raises ValueError."""
    return x509.load_der_x509_certificate(der)


def to_der(made: x509.Certificate | x509.CertificateSigningRequest) -> bytes:
    """Return a certificate or a request as DER."""
    return made.public_bytes(serialization.Encoding.DER)


def key_to_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PKCS #8 PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_to_der(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PKCS #8 DER, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def key_from_der(der: bytes) -> ec.EllipticCurvePrivateKey:
    """Return the private key; raises ValueError."""
    key = serialization.load_der_private_key(der, None)
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise ValueError("no key on an elliptic curve")
    return key


def _below(
    device: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    session_key: ec.EllipticCurvePublicKey,
    use: x509.ObjectIdentifier,
    names: Sequence[x509.GeneralName],
) -> x509.Certificate:
    builder = _begin(
        _SESSION,
        device.subject,
        session_key,
        key.public_key(),
        x509.random_serial_number(),
        device.not_valid_before_utc,
        device.not_valid_after_utc,
    )
    return _sign(_leaf(builder, use, names), key)


def _begin(
    subject: x509.Name,
    issuer: x509.Name,
    public_key: ec.EllipticCurvePublicKey,
    issuer_key: ec.EllipticCurvePublicKey,
    serial: int,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _may_sign(builder: x509.CertificateBuilder, path_length: int) -> x509.CertificateBuilder:
    return builder.add_extension(
        x509.BasicConstraints(ca=True, path_length=path_length), critical=True
    ).add_extension(_usage(certificates=True), critical=True)


def _leaf(
    builder: x509.CertificateBuilder, use: x509.ObjectIdentifier, names: Sequence[x509.GeneralName]
) -> x509.CertificateBuilder:
    builder = (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([use]), critical=False)
    )
    return builder.add_extension(x509.SubjectAlternativeName(names), critical=False) if names else builder


def _usage(*, certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=certificates,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _sign(builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    return builder.sign(key, hashes.SHA256())
