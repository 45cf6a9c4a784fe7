"""The key of the data partition, from the guard that holds the secrets of this board.

It is bound to its use and to the partition's own number, so that it is none of the appliance's other keys.
The `pin` guard has none: the partition opens before anybody could be asked.
"""

from __future__ import annotations

import hmac
import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, assert_never
from uuid import UUID

from firmware.guard.fuses import are_blank, fuse_secret, fused_secret
from firmware.guard.mailbox import Mailbox
from firmware.guard.private_file import replace_private
from firmware.guard.tpm_library import tpm_library
from trust.keys.errors import GuardMisconfigured, GuardUnavailable, KeysDamaged
from trust.keys.guard import GuardKind
from trust.keys.secret import SecretKey

_USE = "data partition"
_SECRET = "data.secret"  # noqa: S105 -- the name of a file, which the `file` guard alone has
_NOTE = "data.json"
_VERSION = 1
_KEY_BYTES = 32
_TPM = "device:/dev/tpmrm0"


@dataclass(frozen=True, slots=True)
class PartitionSettings:
    """What guards a partition that is made. fuse: blank fuses of the board are programmed for it."""

    guard: GuardKind
    fuse: bool = False
    tpm: str = _TPM
    pcrs: tuple[int, ...] = ()

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> PartitionSettings:
        """Return what a file says. Raises ValueError."""
        if unknown := values.keys() - {"guard", "fuse", "tpm", "pcrs"}:
            raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
        fuse, tpm, pcrs = values.get("fuse", False), values.get("tpm", _TPM), values.get("pcrs", [])
        fits = isinstance(fuse, bool) and isinstance(tpm, str) and isinstance(pcrs, list)
        if not fits or not all(isinstance(pcr, int) and 0 <= pcr < 24 for pcr in pcrs):
            raise ValueError("fuse is true or false, tpm a text, pcrs a list of numbers from 0 to 23")
        if (guard := values.get("guard")) not in {kind.value for kind in GuardKind}:
            raise ValueError(f"guard is otp, tpm or file, and not {guard!r}")
        return cls(GuardKind(guard), fuse, tpm, tuple(pcrs))


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionNote:
    """What is known of the partition beside it, on the selector: nothing secret.

    made: it was made to the end, so that it may hold something and is never made again. tpm_handle: of the
    secret, with the guard `tpm`.
    """

    settings: PartitionSettings
    made: bool
    tpm_handle: int | None = None

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> PartitionNote:
        """Return what the file says. Raises ValueError and KeyError where it is damaged."""
        if values["version"] != _VERSION:
            raise ValueError("another version")
        handle = values["tpm_handle"]
        return cls(
            settings=PartitionSettings.of(values["settings"]),
            made=values["made"] is True,
            tpm_handle=None if handle is None else int(handle),
        )


def read_note(selector: Path) -> PartitionNote | None:
    """Return what is known, None where nothing is, as at the first start. Raises GuardUnavailable."""
    path = selector / _NOTE
    try:
        return PartitionNote.of(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise GuardUnavailable(f"cannot read {path}: {error.strerror}; check the card") from error
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # a damaged selector is like a new one: what is on the partition decides


def write_note(selector: Path, note: PartitionNote) -> None:
    """Write it through to the card in one step. Raises GuardUnavailable."""
    settings = {**asdict(note.settings), "guard": note.settings.guard.value}
    values = {"version": _VERSION, **asdict(note), "settings": settings}
    replace_private(selector / _NOTE, json.dumps(values, indent=1).encode() + b"\n")


def new_secret(selector: Path, settings: PartitionSettings, mailbox: Mailbox) -> PartitionNote:
    """Make the guard's secret where it has none; returns what to note. Raises GuardError."""
    handle = None
    match settings.guard:
        case GuardKind.OTP:
            if settings.fuse and are_blank(mailbox):
                fuse_secret(mailbox)
        case GuardKind.TPM:
            if find_spec("tpm2_pytss") is None:
                raise GuardMisconfigured(
                    "a TPM cannot guard the data partition here, for the image has no library for one: "
                    "let the board's fuses do it, by a new claim made with --guard otp, and switch on again"
                )
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
    context = f"aidpost keys 1\0{note.settings.guard.value}\0{_USE}".encode()
    with _secret(selector, note, mailbox) as secret, secret.view() as material:
        # HKDF-SHA-256 as in firmware/guard/wrapping.py, whose library loads longer than all else here.
        # What lies in between is not overwritten in memory, of a process that is gone in a second.
        drawn = hmac.digest(uuid.bytes, material, "sha256")
        return SecretKey.taken_from(bytearray(hmac.digest(drawn, context + b"\x01", "sha256")[:_KEY_BYTES]))


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
