"""The `tpm` guard: a secret sealed in a TPM 2.0, and a P-256 key that never leaves it, through tpm2-pytss.

Both are persistent objects of the TPM, and the card holds their handles alone: once they are evicted, neither
this card nor an earlier copy of it opens. Where `pcrs` are named, the TPM also refuses when what they
measured at boot has changed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256, Hash
from cryptography.hazmat.primitives.serialization import load_der_public_key
from tpm2_pytss import (
    ESAPI,
    ESYS_TR,
    TPM2_ALG,
    TPM2_CAP,
    TPM2_RC,
    TPM2_SE,
    TPM2B_PUBLIC,
    TPM2B_SENSITIVE_CREATE,
    TPMA_OBJECT,
    TPMA_SESSION,
    TPMS_SENSITIVE_CREATE,
    TPMT_SIG_SCHEME,
    TPMT_SYM_DEF,
    TPMU_SYM_KEY_BITS,
    TPMU_SYM_MODE,
    TSS2_Exception,
)

from firmware.guard import key_file
from firmware.guard.key_file import KeyFile, Mark, TpmState
from firmware.guard.wrapping import context_of, derived, unwrap, wrap
from trust.keys.errors import GuardError, GuardUnavailable, KeysDamaged
from trust.keys.guard import STORE_KEY_BYTES, GuardKind, KeyGuard
from trust.keys.secret import SecretKey
from trust.keys.stretching import SALT_BYTES

SECRET_BYTES = 32
# The owner's persistent handles; those from 0x81000000 on are by custom taken by storage root keys.
_FIRST_HANDLE, _LAST_HANDLE = 0x81010000, 0x8101FFFF
_FIXED = TPMA_OBJECT.FIXEDTPM | TPMA_OBJECT.FIXEDPARENT | TPMA_OBJECT.NODA
_SIGNING = _FIXED | TPMA_OBJECT.SENSITIVEDATAORIGIN | TPMA_OBJECT.SIGN_ENCRYPT

_NOT_OURS = {TPM2_RC.POLICY_FAIL, TPM2_RC.HANDLE, TPM2_RC.TYPE, TPM2_RC.INTEGRITY}
_NO_CIPHER = TPMT_SYM_DEF(algorithm=TPM2_ALG.NULL)
_AES_CFB = TPMT_SYM_DEF(
    algorithm=TPM2_ALG.AES, keyBits=TPMU_SYM_KEY_BITS(aes=128), mode=TPMU_SYM_MODE(aes=TPM2_ALG.CFB)
)


@dataclass(frozen=True, slots=True)
class TpmSettings:
    """Where the TPM is, as tpm2-tss writes it, and which PCRs of the SHA-256 bank the keys are bound to."""

    tcti: str = "device:/dev/tpmrm0"
    pcrs: tuple[int, ...] = ()


class TpmGuard(KeyGuard):
    """A guard that opens the TPM for each use, so that other programs can use it in between."""

    kind = GuardKind.TPM

    def __init__(self, folder: Path, keys: KeyFile, settings: TpmSettings) -> None:
        """Unseal the secret and unwrap the store's key. Raises GuardUnavailable, KeysDamaged."""
        if keys.tpm is None:
            raise KeysDamaged(f"{folder / key_file.KEYS} says nothing of its TPM; put back the file")
        self._folder = folder
        self._settings = settings
        self._state = keys.tpm
        self._lock = Lock()
        public = load_der_public_key(keys.public_key)
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise KeysDamaged(
                f"the device key in {folder / key_file.KEYS} is not on P-256; put back the file"
            )
        self._public = public
        with (
            _tpm(settings) as tpm,
            _unsealed(tpm, keys.tpm.sealed_handle, keys.tpm.pcrs) as secret,
            derived(secret, keys.salt, self.kind) as kek,
        ):
            self._store: SecretKey | None = unwrap(kek, keys.store_key, context_of(self.kind, "store"))

    def store_key(self) -> SecretKey:
        """Return a copy of the key of the store."""
        with self._lock:
            if self._store is None:
                raise GuardError("the key guard was closed; start again")
            return self._store.copy()

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public half, read from the TPM when the key was made."""
        return self._public

    def sign(self, data: bytes) -> bytes:
        """Sign in the TPM; takes its time there, some 100 ms on a discrete chip."""
        digest = Hash(SHA256())
        digest.update(data)
        with self._lock, _tpm(self._settings) as tpm, _allowed(tpm, self._state.pcrs) as session:
            key = tpm.tr_from_tpmpublic(self._state.signing_handle)
            signature = tpm.sign(key, digest.finalize(), TPMT_SIG_SCHEME(scheme=TPM2_ALG.NULL), None, session)
            return bytes(signature)

    def destroy(self, reason: str) -> None:
        """Destroy the card's part, then both objects in the TPM."""
        try:
            with self._lock:
                mark = Mark(reason, self.kind, self._state)
                key_file.destroy(self._folder, mark, lambda mark: evict(mark.tpm, self._settings))
        finally:
            self.close()

    def close(self) -> None:
        """Overwrite the store's key in memory."""
        with self._lock:
            if self._store is not None:
                self._store.close()
            self._store = None


def evict(state: TpmState | None, settings: TpmSettings) -> None:
    """Take out of the TPM what is still there of both objects. Raises GuardUnavailable."""
    if state is None:
        return
    with _tpm(settings) as tpm:
        for handle in {state.sealed_handle, state.signing_handle} & _persistent(tpm):
            tpm.evict_control(ESYS_TR.OWNER, tpm.tr_from_tpmpublic(handle), handle)


def probe_tpm(settings: TpmSettings) -> None:
    """Check that the TPM answers. Raises GuardUnavailable."""
    with _tpm(settings) as tpm:
        _persistent(tpm)


def open_tpm_guard(folder: Path, keys: KeyFile | None, settings: TpmSettings) -> TpmGuard:
    """Open the guard of this folder; keys: None makes them in the TPM. Raises GuardError."""
    if keys is None:
        keys = _made(settings)
        key_file.create(folder, keys)
    return TpmGuard(folder, keys, settings)


def _made(settings: TpmSettings) -> KeyFile:
    salt = os.urandom(SALT_BYTES)
    with _tpm(settings) as tpm, SecretKey.random(SECRET_BYTES) as secret, secret.view() as view:
        policy, use = _policy(tpm, settings.pcrs), _use(settings.pcrs)
        with _root(tpm) as root, _salted(tpm, root) as session:
            signing = TPM2B_PUBLIC.parse(
                "ecc256:ecdsa-sha256:null", objectAttributes=_SIGNING | use, authPolicy=policy
            )
            sealed_handle = _sealed(tpm, root, session, view, settings.pcrs)
            signing_handle, public = _kept(tpm, root, session, None, signing)
        with (
            derived(secret, salt, GuardKind.TPM) as kek,
            SecretKey.random(STORE_KEY_BYTES) as store_key,
            store_key.view() as store,
        ):
            return KeyFile(
                guard=GuardKind.TPM,
                salt=salt,
                store_key=wrap(kek, store, context_of(GuardKind.TPM, "store")),
                device_key=None,
                public_key=public.to_der(),
                tpm=TpmState(sealed_handle, signing_handle, settings.pcrs),
            )


def seal_secret(settings: TpmSettings) -> int:
    """Make a random secret in the TPM and seal it there; returns its handle. Raises GuardUnavailable."""
    with (
        _tpm(settings) as tpm,
        SecretKey.random(SECRET_BYTES) as secret,
        secret.view() as view,
        _root(tpm) as root,
        _salted(tpm, root) as session,
    ):
        return _sealed(tpm, root, session, view, settings.pcrs)


def unseal_secret(settings: TpmSettings, handle: int) -> SecretKey:
    """Return what `seal_secret` sealed, for the caller to close. Raises GuardUnavailable, KeysDamaged."""
    with _tpm(settings) as tpm, _unsealed(tpm, handle, settings.pcrs) as secret:
        return secret.copy()


def _sealed(tpm: ESAPI, root: ESYS_TR, session: ESYS_TR, secret: memoryview, pcrs: tuple[int, ...]) -> int:
    sensitive = TPM2B_SENSITIVE_CREATE(TPMS_SENSITIVE_CREATE(data=bytes(secret)))
    public = TPM2B_PUBLIC.parse(
        "keyedhash", objectAttributes=_FIXED | _use(pcrs), authPolicy=_policy(tpm, pcrs)
    )
    handle, _ = _kept(tpm, root, session, sensitive, public)
    return handle


def _use(pcrs: tuple[int, ...]) -> int:
    """What lets an object be used: its PCRs, or else an empty password."""
    return 0 if pcrs else int(TPMA_OBJECT.USERWITHAUTH)


def _kept(
    tpm: ESAPI,
    root: ESYS_TR,
    session: ESYS_TR,
    sensitive: TPM2B_SENSITIVE_CREATE | None,
    public: TPM2B_PUBLIC,
) -> tuple[int, TPM2B_PUBLIC]:
    """Make an object under the root and keep it in the TPM; returns its handle and its public area."""
    private, public, *_ = tpm.create(root, sensitive, public, session1=session)
    loaded = tpm.load(root, private, public, session1=session)
    try:
        handle = next(at for at in range(_FIRST_HANDLE, _LAST_HANDLE) if at not in _persistent(tpm))
        tpm.evict_control(ESYS_TR.OWNER, loaded, handle)
    finally:
        tpm.flush_context(loaded)
    return handle, public


def _persistent(tpm: ESAPI) -> set[int]:
    _, capability = tpm.get_capability(TPM2_CAP.HANDLES, _FIRST_HANDLE, _LAST_HANDLE - _FIRST_HANDLE)
    handles = capability.data.handles
    return {int(handles[at]) for at in range(handles.count)}


def _policy(tpm: ESAPI, pcrs: tuple[int, ...]) -> bytes:
    """Return the digest of "these PCRs are as they are now", empty without PCRs."""
    if not pcrs:
        return b""
    trial = tpm.start_auth_session(ESYS_TR.NONE, ESYS_TR.NONE, TPM2_SE.TRIAL, _NO_CIPHER, TPM2_ALG.SHA256)
    try:
        tpm.policy_pcr(trial, b"", _selection(pcrs))
        return bytes(tpm.policy_get_digest(trial))
    finally:
        tpm.flush_context(trial)


def _selection(pcrs: tuple[int, ...]) -> str:
    return "sha256:" + ",".join(map(str, pcrs))


@contextmanager
def _unsealed(tpm: ESAPI, handle: int, pcrs: tuple[int, ...]) -> Iterator[SecretKey]:
    with _root(tpm) as root, _salted(tpm, root, pcrs) as session:
        data = tpm.unseal(tpm.tr_from_tpmpublic(handle), session)
    secret = bytearray(data.buffer)
    data.buffer[:] = bytes(len(secret))
    with SecretKey.taken_from(secret) as key:
        yield key


@contextmanager
def _tpm(settings: TpmSettings) -> Iterator[ESAPI]:
    try:
        with ESAPI(settings.tcti) as tpm:
            yield tpm
    except TSS2_Exception as error:
        if error.error in _NOT_OURS:
            raise KeysDamaged(
                "the TPM does not open the keys of this card: it is another TPM, or what its PCRs measured "
                "at boot has changed; put back the board or the boot files, or restore a backup"
            ) from error
        raise GuardUnavailable(
            f"the TPM at {settings.tcti} failed ({str(error).strip()}): check that it "
            "is fitted, and that this user is in the group `tss`"
        ) from error


@contextmanager
def _root(tpm: ESAPI) -> Iterator[ESYS_TR]:
    """The owner's storage root key: made from the TPM's seed, the same each time."""
    root, *_ = tpm.create_primary(None, "ecc")
    try:
        yield root
    finally:
        tpm.flush_context(root)


@contextmanager
def _salted(tpm: ESAPI, root: ESYS_TR, pcrs: tuple[int, ...] = ()) -> Iterator[ESYS_TR]:
    """A session that encrypts secrets on the bus to the chip: who listens on its wires sees none."""
    kind = TPM2_SE.POLICY if pcrs else TPM2_SE.HMAC
    session = tpm.start_auth_session(root, ESYS_TR.NONE, kind, _AES_CFB, TPM2_ALG.SHA256)
    try:
        tpm.trsess_set_attributes(
            session, TPMA_SESSION.CONTINUESESSION | TPMA_SESSION.ENCRYPT | TPMA_SESSION.DECRYPT
        )
        if pcrs:
            tpm.policy_pcr(session, b"", _selection(pcrs))
        yield session
    finally:
        tpm.flush_context(session)


@contextmanager
def _allowed(tpm: ESAPI, pcrs: tuple[int, ...]) -> Iterator[ESYS_TR]:
    """What authorises the use of the signing key; nothing secret passes."""
    if not pcrs:
        yield ESYS_TR.PASSWORD
        return
    session = tpm.start_auth_session(ESYS_TR.NONE, ESYS_TR.NONE, TPM2_SE.POLICY, _NO_CIPHER, TPM2_ALG.SHA256)
    try:
        tpm.policy_pcr(session, b"", _selection(pcrs))
        yield session
    finally:
        tpm.flush_context(session)
