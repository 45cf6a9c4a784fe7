"""What all guards but the TPM share: both keys lie in `keys.json`, under the guard's own key."""

from __future__ import annotations

from pathlib import Path
from threading import Lock

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from firmware.guard import key_file
from firmware.guard.key_file import KeyFile, Mark, PinState
from firmware.guard.wrapping import context_of, unwrap, wrap
from trust.keys.errors import GuardError, KeysDamaged
from trust.keys.guard import STORE_KEY_BYTES, GuardKind, KeyGuard
from trust.keys.secret import SecretKey


def new_keys(kind: GuardKind, salt: bytes, kek: SecretKey, pin: PinState | None = None) -> KeyFile:
    """Make both keys and wrap them under `kek`."""
    private = ec.generate_private_key(ec.SECP256R1())
    # One copy that Python cannot overwrite; it lives for this call, once in the life of an appliance.
    encoded = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with SecretKey.random(STORE_KEY_BYTES) as store_key, store_key.view() as store:
        return KeyFile(
            guard=kind,
            salt=salt,
            store_key=wrap(kek, store, context_of(kind, "store")),
            device_key=wrap(kek, encoded, context_of(kind, "device")),
            public_key=public,
            pin=pin,
        )


class WrappedGuard(KeyGuard):
    """A guard whose keys were unwrapped into locked memory when it was opened."""

    def __init__(self, folder: Path, keys: KeyFile, kek: SecretKey) -> None:
        """Unwrap both keys. Raises KeysDamaged."""
        if keys.device_key is None:
            raise KeysDamaged(f"{folder / key_file.KEYS} has no device key; put back the file of this store")
        self.kind = keys.guard
        self._folder = folder
        self._lock = Lock()
        self._store: SecretKey | None = unwrap(kek, keys.store_key, context_of(keys.guard, "store"))
        with unwrap(kek, keys.device_key, context_of(keys.guard, "device")) as encoded, encoded.view() as der:
            private = load_der_private_key(der, None)
        if not isinstance(private, ec.EllipticCurvePrivateKey):
            raise KeysDamaged(
                f"the device key in {folder / key_file.KEYS} is not on P-256; put back the file"
            )
        self._device: ec.EllipticCurvePrivateKey | None = private
        self._public = private.public_key()

    def store_key(self) -> SecretKey:
        """Return a copy of the key of the store."""
        with self._lock:
            if self._store is None:
                raise GuardError("the key guard was closed; start again")
            return self._store.copy()

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public half, which stays known after closing."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """Sign in OpenSSL, which keeps the private key in memory of its own and overwrites it at the end."""
        with self._lock:
            if self._device is None:
                raise GuardError("the key guard was closed; start again")
            return self._device.sign(data, ec.ECDSA(SHA256()))

    def destroy(self, reason: str) -> None:
        """Overwrite the wrapped keys on the card and the keys in memory."""
        try:
            key_file.destroy(self._folder, Mark(reason, self.kind))
        finally:
            self.close()

    def close(self) -> None:
        """Overwrite the store's key; let go of the device key."""
        with self._lock:
            if self._store is not None:
                self._store.close()
            self._store = self._device = None
