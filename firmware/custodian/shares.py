"""The secret of a key set, split among its custodians: all of them are needed.

Each share is a file under its holder's passphrase. The first of n shares are random, the last is the secret
XOR all of them (an n-of-n split, perfectly secret: who has all but one knows nothing). A threshold scheme
would survive a lost share, but it would be cryptography of our own. What a lost share costs is said in
`docs/galleries.md`: no appliance stops.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from firmware.custodian.errors import CustodianError
from firmware.guard.wrapping import unwrap, wrap
from trust.keys.errors import KeysDamaged
from trust.keys.secret import SecretKey
from trust.keys.stretching import SALT_BYTES, Argon2Cost, stretched

MIN_PASSPHRASE = 15  # SP 800-63B-4 §3.1.1.2: characters of a password that is the only factor
MAX_CUSTODIANS = 3
_FORMAT = "aidpost custodian share 1"
_MAX_BYTES = 4096


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file of one custodian; gallery_id, number: which share of which set it is."""

    format: str = _FORMAT
    gallery_id: bytes
    number: int
    of: int
    salt: Annotated[bytes, Meta(min_length=SALT_BYTES, max_length=SALT_BYTES)]
    cost: Argon2Cost
    wrapped: bytes = b""

    def context(self) -> bytes:
        """What the share is bound to: all of the file but itself."""
        return msgspec.json.encode(msgspec.structs.replace(self, wrapped=b""))


def split(
    secret: SecretKey, passphrases: Sequence[bytearray], gallery_id: bytes, cost: Argon2Cost
) -> list[Share]:
    """Return one share for each passphrase; the passphrases are overwritten. Raises CustodianError."""
    for number, passphrase in enumerate(passphrases, 1):
        check_passphrase(passphrase, number)
    with ExitStack() as stack:
        last = stack.enter_context(secret.copy())
        values = [stack.enter_context(SecretKey.random(len(secret))) for _ in passphrases[1:]]
        for value in values:
            _xor_into(last, value)
        return [
            _closed(
                Share(gallery_id=gallery_id, number=number, of=len(passphrases), salt=b"", cost=cost),
                value,
                p,
            )
            for number, (value, p) in enumerate(zip((*values, last), passphrases, strict=True), 1)
        ]


def joined(shares: Sequence[Share], passphrases: Sequence[bytearray]) -> SecretKey:
    """Return the secret; the passphrases are overwritten. Raises CustodianError."""
    with ExitStack() as stack:
        values = [
            stack.enter_context(_opened(share, passphrase))
            for share, passphrase in zip(shares, passphrases, strict=True)
        ]
        secret = values[0].copy()
        for value in values[1:]:
            _xor_into(secret, value)
        return secret


def rewrapped(share: Share, passphrase: bytearray, new_passphrase: bytearray) -> Share:
    """Return the same share under another passphrase. Raises CustodianError."""
    check_passphrase(new_passphrase, share.number)
    with _opened(share, passphrase) as value:
        return _closed(share, value, new_passphrase)


def read_share(path: Path) -> Share:
    """Read a share's file. Raises CustodianError."""
    try:
        with path.open("rb") as file:
            share = msgspec.json.decode(file.read(_MAX_BYTES), type=Share)
    except OSError as error:
        raise CustodianError(f"cannot read the share {path}: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise CustodianError(f"{path} is no custodian's share, or it is damaged") from error
    if share.format != _FORMAT:
        raise CustodianError(f"{path} was written by another version of Aidpost: use that version")
    return share


def check_passphrase(passphrase: bytearray, number: int) -> None:
    """Raise CustodianError for one that is too short."""
    if len(passphrase.decode("utf-8", "replace")) < MIN_PASSPHRASE:
        raise CustodianError(
            f"the passphrase of custodian {number} has at least {MIN_PASSPHRASE} characters: take a sentence"
        )


def _closed(share: Share, value: SecretKey, passphrase: bytearray) -> Share:
    share = msgspec.structs.replace(share, salt=os.urandom(SALT_BYTES), wrapped=b"")
    with stretched(passphrase, share.salt, share.cost) as kek, value.view() as view:
        return msgspec.structs.replace(share, wrapped=wrap(kek, view, share.context()))


def _opened(share: Share, passphrase: bytearray) -> SecretKey:
    with stretched(passphrase, share.salt, share.cost) as kek:
        try:
            return unwrap(kek, share.wrapped, share.context())
        except KeysDamaged as error:
            raise CustodianError(
                f"the share of custodian {share.number} does not open: another passphrase, or a changed file"
            ) from error


def _xor_into(target: SecretKey, other: SecretKey) -> None:
    with target.view() as view, other.view() as mask:
        for at, byte in enumerate(mask):
            view[at] ^= byte
