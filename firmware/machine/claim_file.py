"""Takes the claim file from the card, where anybody reads it, to the encrypted partition."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from firmware.guard.private_file import replace_private, sync_folder
from trust.claim_file import MAX_BYTES, NAME, ClaimFileRefused, read_claim_file


def take_claim_file(selector: Path, data: Path) -> bool:
    """Move the claim file into the appliance's folder, for it alone; returns whether there was one.

    Written through before it is taken away, so that a power cut leaves it in one place at least. One that
    cannot be read stays on the card too, to be corrected there; where a good one was taken before, it is left
    alone. Flash may keep what was taken away: the code is good for one device and expires, and the passphrase
    of the Wi-Fi is as secret as a card in transit. Raises OSError.
    """
    found, taken = selector / NAME, data / NAME
    try:
        with found.open("rb") as file:
            content = file.read(MAX_BYTES + 1)  # one byte more, so that the first boot can say what is wrong
    except FileNotFoundError:
        return False
    if content.strip(b"\0"):
        is_good = _is_good(found)
        with _as_owner_of(data):
            if not is_good and _is_good(taken):
                return False
            replace_private(taken, content)
        if not is_good:
            return True
    # Nothing but zeros is what a power cut left of a file that was taken.
    with found.open("r+b") as file:
        file.write(bytes(found.stat().st_size))
        file.flush()
        os.fsync(file.fileno())
    found.unlink()
    sync_folder(selector)
    return True


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
