"""A person's credential, written and used: what `aidpost.client.credential` reads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc

from aggregator.authority import write_private
from aidpost.client import Credential, CredentialUnusable
from aidpost.v1 import gallery_pb2_grpc


class CallFailed(Exception):
    """The server did not do it; the message says why."""


def write_credential(path: Path, key: bytes, certificate: bytes, authority: bytes) -> None:
    """Write a new credential of three PEM blocks; raises CredentialUnusable, also if the file is there."""
    try:
        write_private(path, key + certificate + authority)
    except FileExistsError as error:
        raise CredentialUnusable(f"{path} is there already: name another file") from error
    except OSError as error:
        raise CredentialUnusable(f"cannot write {path} ({error.strerror})") from error


@contextmanager
def gallery_service(server: str, credential: Path) -> Iterator[gallery_pb2_grpc.GalleryServiceStub]:
    """Yield the service as this person may use it; raises CredentialUnusable and CallFailed."""
    with Credential.read(credential).channel(server) as channel:
        try:
            yield gallery_pb2_grpc.GalleryServiceStub(channel)
        except grpc.RpcError as error:
            call: Any = error  # every error of a call is a grpc.Call too, which the stubs do not know
            if call.code() is grpc.StatusCode.UNAVAILABLE:
                raise CallFailed(nobody_at(server)) from error
            raise CallFailed(call.details() or call.code().name) from error


def nobody_at(server: str) -> str:
    """Return the sentence for an aggregator that does not answer."""
    return (
        f"no aggregator answers at {server}, or it is of another authority: check that "
        "`aidpost-aggregator serve` runs, and --server"
    )
