"""What guards a data partition that is made: whoever writes the card says so, or else the image."""

from __future__ import annotations

import tomllib
from pathlib import Path

from firmware.machine.partition_key import PartitionSettings
from trust.keys.errors import GuardMisconfigured
from trust.keys.guard import GuardKind

FILE = "data.toml"


def partition_settings(selector: Path, image: Path, claim: str) -> PartitionSettings:
    """Return the settings of `data.toml` on the selector, else of the claim file there, else of the image.

    claim: the name of the claim file. A claim that says otp is for one board, so its blank fuses are
    programmed; one that says pin leaves the partition to the image. Raises GuardMisconfigured.
    """
    own = selector / FILE
    if own.exists():
        return _read(own)
    claimed = _claimed(selector / claim)
    if claimed is not None and claimed is not GuardKind.PIN:
        return PartitionSettings(claimed, fuse=claimed is GuardKind.OTP)
    return _read(image / FILE)


def _read(path: Path) -> PartitionSettings:
    try:
        return PartitionSettings.of(tomllib.loads(path.read_text()))
    except OSError as error:
        raise GuardMisconfigured(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise GuardMisconfigured(f"{path} cannot be used: {error}") from error


def _claimed(path: Path) -> GuardKind | None:
    """Return what a claim file says of the guard; what else is wrong with it the first boot tells."""
    try:
        tables = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
        return GuardKind(tables["keys"]["guard"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
