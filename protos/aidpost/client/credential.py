"""A person's credential: one file with key, certificate, and the authority that the server must be of."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import grpc

SERVER_NAME = "aggregator.aidpost.internal"
"""In the server's certificate, wherever it runs: the authority is its own, and so no other has that name."""
_KEY_END = b"-----END PRIVATE KEY-----\n"
_BEGIN, _END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----\n"


class CredentialUnusable(Exception):
    """The credential's file cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a caller shows and trusts, PEM; made by `aidpost-aggregator user add` and `init`."""

    key: bytes = field(repr=False)
    certificate: bytes
    authority: bytes

    @classmethod
    def read(cls, path: Path) -> Credential:
        """Read a file. Raises CredentialUnusable."""
        try:
            if path.stat().st_mode & 0o077:
                raise CredentialUnusable(f"others can read {path}: chmod 600 it, and ask who has read it")
            content = path.read_bytes()
        except OSError as error:
            raise CredentialUnusable(
                f"cannot read the credential {path} ({error.strerror}): name yours with --credential"
            ) from error
        key, key_end, rest = content.partition(_KEY_END)
        blocks = [block for block in rest.split(_END) if block]
        if not key_end or len(blocks) != 2 or not all(block.startswith(_BEGIN) for block in blocks):
            raise CredentialUnusable(f"{path} is no credential of Aidpost")
        certificate, authority = (block + _END for block in blocks)
        return cls(key + key_end, certificate, authority)

    def channel(self, server: str) -> grpc.Channel:
        """Return a channel to the aggregator at host:port, over mutual TLS; the first call connects it."""
        tls = grpc.ssl_channel_credentials(self.authority, self.key, self.certificate)
        options = [
            ("grpc.ssl_target_name_override", SERVER_NAME),
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", 0),  # gRPC's own know nothing of what is safe to ask again
        ]
        return grpc.secure_channel(server, tls, options)
