"""What the ends of TLS are set up with: 1.3 alone, no clock, no file.

Between the appliances of a site both certificates are checked; tablets bring none.

A device without a clock stands anywhere in time, so ends of certificates are not looked at here: who may
speak for a site is on the roster of its signed list.
"""

from __future__ import annotations

import os
import ssl
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from trust import certificates

NO_CHECK_TIME = 0x200000  # X509_V_FLAG_NO_CHECK_TIME, x509_vfy.h


@dataclass(frozen=True, slots=True)
class Shown:
    """What an end shows: a chain from the leaf up, and the leaf's key, which is in memory alone."""

    chain: tuple[x509.Certificate, ...]
    key: ec.EllipticCurvePrivateKey


def site_server(authority: x509.Certificate, shown: Shown) -> ssl.SSLContext:
    """Return the context of a gate that hears nobody without a certificate of this authority."""
    context = _strict(ssl.PROTOCOL_TLS_SERVER, authority, shown)
    context.verify_mode = ssl.CERT_REQUIRED
    context.num_tickets = 0  # a resumed session would bring a certificate that nobody checked again
    return context


def site_client(authority: x509.Certificate, shown: Shown) -> ssl.SSLContext:
    """Return the context of whoever connects to such a gate, by the host name of its device."""
    return _strict(ssl.PROTOCOL_TLS_CLIENT, authority, shown)


def page_server(shown: Shown) -> ssl.SSLContext:
    """Return the context of a page that browsers open; whoever signs in there is asked by the page."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["http/1.1"])
    _show(context, shown)
    return context


def _strict(protocol: int, authority: x509.Certificate, shown: Shown) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT | NO_CHECK_TIME
    context.set_alpn_protocols(["h2"])
    context.load_verify_locations(cadata=certificates.to_der(authority))
    _show(context, shown)
    return context


def _show(context: ssl.SSLContext, shown: Shown) -> None:
    # Python's ssl reads key and chain from a file by its name; this one is in memory and has no other.
    descriptor = os.memfd_create("aidpost-session", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(descriptor), "wb") as file:
            file.write(certificates.key_to_pem(shown.key) + certificates.to_pem(*shown.chain))
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
