"""What guards a data partition that is made: whoever writes the card says so, or else the image."""

from __future__ import annotations

import tomllib
from pathlib import Path

from firmware.machine.partition_key import PartitionSettings, read_note
from trust.keys.errors import GuardMisconfigured
from trust.keys.guard import GuardKind

FILE = "data.toml"


def partition_settings(selector: Path, image: Path, claim: str) -> PartitionSettings:
    """Return the settings of `data.toml` on the selector, else of the claim file there, else of the image.

    claim: the name of the claim file. A claim that says otp is for one board, so its blank fuses are
    programmed; one that says pin leaves the partition to the image. A partition that was made stays as it is,
    whatever is said by now. Raises GuardMisconfigured, GuardUnavailable.
    """
    note = read_note(selector)
    if note is not None and note.made:
        return note.settings
    own = selector / FILE
    if own.exists():
        try:
            return _read(own)
        except GuardMisconfigured as error:
            # Not the image's default instead: what guards a partition cannot be changed any more.
            raise GuardMisconfigured(
                f"{FILE} on the card's first partition cannot be used ({error}): correct it there on any "
                "computer, or take it away, and switch on again"
            ) from error
    claimed = _claimed(selector / claim)
    if claimed is not None and claimed is not GuardKind.PIN:
        return PartitionSettings(claimed, fuse=claimed is GuardKind.OTP)
    return _read(image / FILE)


def _read(path: Path) -> PartitionSettings:
    try:
        return PartitionSettings.of(tomllib.loads(path.read_text()))
    except OSError as error:
        raise GuardMisconfigured(str(error.strerror)) from error
    except (ValueError, RecursionError) as error:
        raise GuardMisconfigured(str(error)) from error


def _claimed(path: Path) -> GuardKind | None:
    """Return what a claim file says of the guard; what else is wrong with it the first boot tells."""
    try:
        tables = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
        return GuardKind(tables["keys"]["guard"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
