"""Takes the claim file from the card, where anybody reads it, to the encrypted partition."""

from __future__ import annotations

import os
from pathlib import Path

from firmware.guard.key_file import replace_private
from trust.claim_file import MAX_BYTES, NAME


def take_claim_file(selector: Path, data: Path) -> bool:
    """Move the claim file into the appliance's folder, for it alone; returns whether there was one.

    Written through before it is taken away, so that a power cut leaves it in one place at least. Flash may
    keep what was taken away: the code is good for one device and expires, and the passphrase of the Wi-Fi is
    as secret as a card in transit. Raises OSError.
    """
    found = selector / NAME
    try:
        with found.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # one byte more, so that the first boot can say what is wrong
    except FileNotFoundError:
        return False
    taken = data / NAME
    replace_private(taken, content)
    if os.geteuid() == 0:
        owner = data.stat()
        os.chown(taken, owner.st_uid, owner.st_gid)
    with found.open("r+b") as file:
        file.write(bytes(len(content)))
        os.fsync(file.fileno())
    found.unlink()
    _sync(selector)
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
