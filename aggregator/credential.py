"""A person's credential: one file with key, certificate, and the authority that the server must be of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509

from aggregator.authority import write_private
from aidpost.v1 import fleet_pb2_grpc, gallery_pb2_grpc
from trust.certificates import SERVER_NAME, to_pem

CALL_TIMEOUT_S = 15.0
_KEY_END = b"-----END PRIVATE KEY-----\n"


class CredentialError(Exception):
    """The credential's file cannot be used; the message says what to do."""


class CallFailed(Exception):
    """The server did not do it; the message says why."""


def write_credential(path: Path, key: bytes, certificate: bytes, authority: bytes) -> None:
    """Write a new credential of three PEM blocks; raises CredentialError, also if the file is there."""
    try:
        write_private(path, key + certificate + authority)
    except FileExistsError as error:
        raise CredentialError(f"{path} is there already: name another file") from error
    except OSError as error:
        raise CredentialError(f"cannot write {path} ({error.strerror})") from error


def authority_of(path: Path) -> bytes:
    """Return the authority's certificate, PEM; raises CredentialError."""
    return _read(path)[2]


@contextmanager
def fleet_service(server: str, credential: Path) -> Iterator[fleet_pb2_grpc.FleetServiceStub]:
    """Yield the service as this person may use it; raises CredentialError and CallFailed."""
    with _connected(server, credential) as channel:
        yield fleet_pb2_grpc.FleetServiceStub(channel)


@contextmanager
def gallery_service(server: str, credential: Path) -> Iterator[gallery_pb2_grpc.GalleryServiceStub]:
    """Yield the service as this person may use it; raises CredentialError and CallFailed."""
    with _connected(server, credential) as channel:
        yield gallery_pb2_grpc.GalleryServiceStub(channel)


@contextmanager
def _connected(server: str, credential: Path) -> Iterator[grpc.Channel]:
    key, certificate, authority = _read(credential)
    options = [
        ("grpc.ssl_target_name_override", SERVER_NAME),
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),
    ]
    tls = grpc.ssl_channel_credentials(authority, key, certificate)
    with grpc.secure_channel(server, tls, options) as channel:
        try:
            yield channel
        except grpc.RpcError as error:
            call: Any = error  # every error of a call is a grpc.Call too, which the stubs do not know
            if call.code() is grpc.StatusCode.UNAVAILABLE:
                raise CallFailed(
                    f"no aggregator answers at {server}, or it is of another authority: check that "
                    "`aidpost-aggregator serve` runs, and --server"
                ) from error
            raise CallFailed(call.details() or call.code().name) from error


def _read(path: Path) -> tuple[bytes, bytes, bytes]:
    try:
        if path.stat().st_mode & 0o077:
            raise CredentialError(f"others can read {path}: chmod 600 it, and ask who has read it")
        content = path.read_bytes()
        key, end, rest = content.partition(_KEY_END)
        certificate, authority = x509.load_pem_x509_certificates(rest)
    except OSError as error:
        raise CredentialError(
            f"cannot read the credential {path} ({error.strerror}): name yours with --credential"
        ) from error
    except ValueError as error:
        raise CredentialError(f"{path} is no credential of Aidpost") from error
    return key + end, to_pem(certificate), to_pem(authority)
