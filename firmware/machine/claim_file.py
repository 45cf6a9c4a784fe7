"""Takes the claim file from the card, where anybody reads it, to the encrypted partition.

An appliance that is set up takes none: what lies on its card then is erased, for it holds the passphrase of a
Wi-Fi, a PIN and a code, and nobody would ever use it up.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum, unique
from pathlib import Path

from firmware.guard.private_file import replace_private, sync_folder
from trust.claim_file import MAX_BYTES, NAME, ClaimFileRefused, read_claim_file


@unique
class Claimed(Enum):
    """What became of a claim file on the card; its value says it to whoever reads the log."""

    NONE = ""
    TAKEN = "the claim file was taken from the card, and erased there"
    UNUSABLE = "the claim file cannot be used: it stays on the card, to be corrected there"
    REFUSED = (
        "this appliance is set up already: the claim file on its card was not used, and is erased, since it "
        "holds secrets. Its code was not used up. To set this appliance up anew, write its card anew"
    )


def take_claim_file(selector: Path, data: Path, *, set_up: bool) -> Claimed:
    """Move the claim file into the appliance's folder, for it alone.

    set_up: the first boot is over, so that nothing is taken. Written through before it is taken away, so that
    a power cut leaves it in one place at least. One that cannot be read stays on the card too, to be
    corrected there, until the appliance is set up; where a good one was taken before, it is left alone. Flash
    may keep what was taken away: the code is good for one device and expires, and the passphrase of the Wi-Fi
    is as secret as a card in transit. Raises OSError.
    """
    found, taken = selector / NAME, data / NAME
    try:
        with found.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # one byte more, so that the first boot can say what is wrong
    except FileNotFoundError:
        return Claimed.NONE
    holds_something = bool(content.strip(b"\0"))  # zeros are what a power cut left of one that was taken
    if set_up:
        _erase(found)
        return Claimed.REFUSED if holds_something else Claimed.NONE
    if holds_something:
        is_good = _is_good(found)
        with _as_owner_of(data):
            if is_good or not _is_good(taken):
                replace_private(taken, content)
        if not is_good:
            return Claimed.UNUSABLE
    _erase(found)
    return Claimed.TAKEN


def _erase(found: Path) -> None:
    """Overwrite it where it lies, which is the same clusters on FAT, and remove it."""
    with found.open("r+b") as file:
        file.write(bytes(found.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    found.unlink()
    sync_folder(found.parent)


@contextmanager
def _as_owner_of(folder: Path) -> Iterator[None]:
    """Act with the rights of the folder's owner: a link that lies there leads root nowhere."""
    if os.geteuid() != 0 or not folder.exists():
        yield
        return
    owner, group = folder.stat(), os.getegid()
    os.setegid(owner.st_gid)
    os.seteuid(owner.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)


def _is_good(path: Path) -> bool:
    with suppress(ClaimFileRefused, FileNotFoundError):
        read_claim_file(path)
        return True
    return False
