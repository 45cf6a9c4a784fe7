"""The key of the data partition, from the guard that holds the secrets of this board.

It is bound to its use and to the partition's own number, so that it is none of the appliance's other keys.
The `pin` guard has none: the partition opens before anybody could be asked.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import assert_never
from uuid import UUID

import msgspec

from firmware.guard.key_file import replace_private
from firmware.guard.mailbox import Mailbox
from firmware.guard.otp import are_blank, fuse_secret, fused_secret
from firmware.guard.tpm_library import tpm_library
from firmware.guard.wrapping import derived
from trust.keys.errors import GuardMisconfigured, GuardUnavailable, KeysDamaged
from trust.keys.guard import GuardKind
from trust.keys.secret import SecretKey

_USE = "data partition"
_SECRET = "data.secret"  # noqa: S105 -- the name of a file, which the `file` guard alone has
_NOTE = "data.json"


class PartitionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What guards a partition that is made. fuse: blank fuses of the board are programmed for it."""

    guard: GuardKind
    fuse: bool = False
    tpm: str = "device:/dev/tpmrm0"
    pcrs: tuple[int, ...] = ()


class PartitionNote(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is known of the partition beside it, on the selector: nothing secret.

    made: it was made to the end, so that it may hold something and is never made again. tpm_handle: of the
    secret, with the guard `tpm`.
    """

    version: int = 1
    settings: PartitionSettings
    made: bool
    tpm_handle: int | None = None


def read_note(selector: Path) -> PartitionNote | None:
    """Return what is known, None where nothing is, as at the first start. Raises GuardUnavailable."""
    path = selector / _NOTE
    try:
        return msgspec.json.decode(path.read_bytes(), type=PartitionNote)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise GuardUnavailable(f"cannot read {path}: {error.strerror}; check the card") from error
    except msgspec.DecodeError:
        return None  # a damaged selector is like a new one: what is on the partition decides


def write_note(selector: Path, note: PartitionNote) -> None:
    """Write it through to the card in one step. Raises GuardUnavailable."""
    replace_private(selector / _NOTE, msgspec.json.encode(note) + b"\n")


def new_secret(selector: Path, settings: PartitionSettings, mailbox: Mailbox) -> PartitionNote:
    """Make the guard's secret where it has none; returns what to note. Raises GuardError."""
    handle = None
    match settings.guard:
        case GuardKind.OTP:
            if settings.fuse and are_blank(mailbox):
                fuse_secret(mailbox)
        case GuardKind.TPM:
            with tpm_library():
                from firmware.guard.tpm import TpmSettings, seal_secret
            handle = seal_secret(TpmSettings(settings.tpm, settings.pcrs))
        case GuardKind.FILE:
            from firmware.guard.file import new_secret

            new_secret(selector / _SECRET).close()
        case GuardKind.PIN:
            raise GuardMisconfigured(
                "a PIN cannot open the data partition, for nobody is asked while the machine starts: choose "
                "otp or tpm for the partition; the store on it can have a PIN all the same"
            )
        case _:
            assert_never(settings.guard)
    return PartitionNote(settings=settings, made=False, tpm_handle=handle)


def partition_key(selector: Path, note: PartitionNote, uuid: UUID, mailbox: Mailbox) -> SecretKey:
    """Return the key of the partition with this number, for the caller to close. Raises GuardError."""
    with _secret(selector, note, mailbox) as secret:
        return derived(secret, uuid.bytes, note.settings.guard, _USE)


def _secret(selector: Path, note: PartitionNote, mailbox: Mailbox) -> SecretKey:
    settings = note.settings
    match settings.guard:
        case GuardKind.OTP:
            return fused_secret(mailbox)
        case GuardKind.TPM:
            if note.tpm_handle is None:
                raise KeysDamaged("it is not known where in the TPM the secret is; put back the selector")
            with tpm_library():
                from firmware.guard.tpm import TpmSettings, unseal_secret
            return unseal_secret(TpmSettings(settings.tpm, settings.pcrs), note.tpm_handle)
        case GuardKind.FILE:
            from firmware.guard.file import WARNING, read_secret

            print(f"key guard for development: {WARNING}", file=sys.stderr)  # noqa: T201 -- a service's log
            return read_secret(selector / _SECRET)
        case GuardKind.PIN:
            raise GuardMisconfigured("a PIN cannot open the data partition")
        case _:
            assert_never(settings.guard)
