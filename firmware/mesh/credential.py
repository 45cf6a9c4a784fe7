"""What this appliance shows to those of its site: its certificate, and keys in memory that it signs for."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from cryptography import x509

from firmware.uplink.errors import NotJoined
from firmware.uplink.identity_file import Identity, read_identity
from trust import certificates
from trust.guarded import GuardedKey
from trust.keys.guard import KeyGuard
from trust.names import DeviceName
from trust.tls.contexts import Shown, site_client, site_server


class SiteCredential:
    """Makes contexts from `identity.pem` in `folder`, read anew each time: the certificate is renewed."""

    def __init__(self, guard: KeyGuard, named: DeviceName, folder: Path) -> None:
        """Raises NotJoined and IdentityDamaged."""
        self._key = GuardedKey(guard)
        self._named = named
        self._folder = folder
        self.authority: x509.Certificate = self._identity().authority

    async def client_context(self) -> ssl.SSLContext:
        """Return a context for one connection; raises NotJoined, IdentityDamaged and GuardError."""
        return await asyncio.to_thread(self._client_context)

    async def server_context(self) -> ssl.SSLContext:
        """Return the context of this appliance's gate; raises NotJoined, IdentityDamaged, GuardError."""
        return await asyncio.to_thread(self._server_context)

    # In a thread: a TPM takes some tenths of a second to sign.

    def _client_context(self) -> ssl.SSLContext:
        device, session = self._identity().certificate, certificates.new_key()
        leaf = certificates.make_session(device, self._key, session.public_key())
        return site_client(self.authority, Shown((leaf, device), session))

    def _server_context(self) -> ssl.SSLContext:
        device, session = self._identity().certificate, certificates.new_key()
        leaf = certificates.make_site_server(device, self._key, session.public_key(), self._named)
        return site_server(self.authority, Shown((leaf, device), session))

    def _identity(self) -> Identity:
        identity = read_identity(self._folder)
        if identity is None or identity.named != self._named:
            raise NotJoined(
                "this appliance has no certificate for its name and site, so the others of its site cannot "
                "know it: run `aidpost join --claim -`"
            )
        return identity
