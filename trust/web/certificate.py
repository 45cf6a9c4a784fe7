"""A certificate and key of one's own for a page over the network: PEM files, and the names that it is for."""

from __future__ import annotations

import ssl
from pathlib import Path

from cryptography import x509


class CertificateUnusable(Exception):
    """The files cannot be used; the message says what to do."""


def context_of(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return what a page does TLS with: 1.3 alone, browsers bring nothing. Raises CertificateUnusable."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise CertificateUnusable(
            f"the page's certificate {certificate} with key {key} cannot be used ({error}): both are PEM "
            "files, the key without a passphrase"
        ) from error
    return context


def names_of(certificate: Path) -> tuple[str, ...]:
    """Return the hosts that the first certificate of a file is for, as a browser names them.

    Raises CertificateUnusable.
    """
    try:
        leaf = x509.load_pem_x509_certificates(certificate.read_bytes())[0]
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, x509.ExtensionNotFound) as error:
        raise CertificateUnusable(f"{certificate} names no host ({error}): have it made for one") from error
    hosts = names.get_values_for_type(x509.DNSName)
    addresses = map(str, names.get_values_for_type(x509.IPAddress))
    return (*hosts, *(f"[{each}]" if ":" in each else each for each in addresses))
