"""The selector partition: `autoboot.txt`, which the Pi's firmware reads, the slots' state, a count of starts.

FAT has no journal. The files are made with the card, have one length, lie within one sector of 512 bytes
each, and are written in place: a power cut leaves the old sector or the new one, and the file stays where it
is. Where a file has another length, as after a change by hand, it is not written to.

The initial file system reads and writes them too, by a shell script: it is given every content that it has to
know (`known_contents`), so that it compares and copies, and what they mean is said here alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from zlib import crc32

from firmware.slots.machine import TRIES, Slot, Slots

SELECTOR = Path("/boot/selector")
AUTOBOOT = "autoboot.txt"
STATE = "slots.txt"
STARTS = "starts.txt"
SECTOR_BYTES = 512
PARTITIONS = {Slot.A: 2, Slot.B: 3}
"""Numbers of the boot partitions on the card, as `autoboot.txt` names them."""
_BY_NUMBER = {number: slot for slot, number in PARTITIONS.items()}
_PRIMARY = re.compile(r"\[all\][^\[]*?^boot_partition=(\d+)\s*$", re.MULTILINE)
_STATE = re.compile(r"other=([AB]) (good|bad|damaged|trial (\d))\n")
UNFINISHED = 3
"""After so many starts of the primary that did not last, its root is read from end to end."""


class SelectorDamaged(Exception):
    """The selector partition does not say what it should; the message names the file."""


def autoboot(primary: Slot) -> bytes:
    """Return the content of `autoboot.txt`: the other partition is started once when a reboot asks for it."""
    return (
        f"[all]\ntryboot_a_b=1\nboot_partition={PARTITIONS[primary]}\n"
        f"[tryboot]\nboot_partition={PARTITIONS[primary.other]}\n"
    ).encode()


def state(slots: Slots) -> bytes:
    """Return the content of `slots.txt`: one line on the slot that is not the primary, and its check."""
    other = slots.primary.other.value
    word = f"trial {slots.tries}" if slots.tries else "good" if slots.other_is_good else "bad"
    line = f"other={other} {'damaged' if slots.other_is_damaged else word}\n"
    return _padded(f"{line}crc={crc32(line.encode()):08x}\n")


def starts(count: int) -> bytes:
    """Return the content of `starts.txt`: how many starts of the primary in a row did not last."""
    return _padded(f"starts={count}\n")


def known_contents() -> dict[str, bytes]:
    """Return what the initial file system tells apart or writes, by the name that slots.sh knows it by."""
    contents = {f"starts-{count}": starts(count) for count in range(UNFINISHED + 1)}
    for slot in Slot:
        contents[f"autoboot-{slot.value}"] = autoboot(slot)
        contents[f"good-{slot.value}"] = state(Slots(slot.other, other_is_good=True))
        contents[f"damaged-{slot.value}"] = state(Slots(slot.other, other_is_damaged=True))
    return contents


def _padded(text: str) -> bytes:
    return text.ljust(63).encode() + b"\n"


def write_sector(path: Path, content: bytes) -> None:
    """Replace a file's content in place, on the card when it returns. Raises SelectorDamaged, OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_DSYNC, 0o600)
    try:
        if os.fstat(descriptor).st_size not in (0, len(content)):
            raise SelectorDamaged(f"{path} has another length than it was made with: it is not written to")
        os.pwrite(descriptor, content, 0)
    finally:
        os.close(descriptor)


class Selector:
    """write: replaces a file's content at once, or not at all."""

    def __init__(self, folder: Path = SELECTOR, write: Callable[[Path, bytes], None] = write_sector) -> None:
        self._folder = folder
        self._write = write

    def make(self, slots: Slots) -> None:
        """Make the files, as with the card. Raises OSError."""
        (self._folder / AUTOBOOT).write_bytes(autoboot(slots.primary))
        (self._folder / STATE).write_bytes(state(slots))
        (self._folder / STARTS).write_bytes(starts(0))

    def read(self) -> Slots:
        """Return how the slots stand. Raises SelectorDamaged, OSError.

        What is said of the slot that is the primary by now is of before it became that: it was good. Where
        the primary is not named any more, the state tells it by which slot it calls the other one.
        """
        primary, said = self.named(), self._said()
        if said is None:
            if primary is None:
                raise SelectorDamaged(f"{self._folder / AUTOBOOT} names no boot partition of a slot")
            return Slots(primary)
        slot, word, tries = said
        if slot is primary:
            return Slots(primary, other_is_good=True)
        return Slots(slot.other, word == "good", min(tries, TRIES), word == "damaged")

    def named(self) -> Slot | None:
        """Return the slot that the firmware starts by itself, None where it is told none. Raises OSError."""
        found = _PRIMARY.search((self._folder / AUTOBOOT).read_text("ascii", "replace"))
        return None if found is None else _BY_NUMBER.get(int(found[1]))

    def write(self, slots: Slots) -> None:
        """Keep how the slots stand, what the firmware reads first. Raises SelectorDamaged, OSError.

        Between the two writes of a new primary the state is still about that one, as `read` understands.
        """
        if slots.primary is not self.named():
            self._write(self._folder / AUTOBOOT, autoboot(slots.primary))
        if self._stored(STATE) != state(slots):
            self._write(self._folder / STATE, state(slots))

    def lasted(self) -> None:
        """Begin to count starts anew: this one did not end early. Raises SelectorDamaged, OSError."""
        if self._stored(STARTS) != starts(0):
            self._write(self._folder / STARTS, starts(0))

    def _said(self) -> tuple[Slot, str, int] | None:
        """Return what the state says of which slot, None where it is damaged: that slot counts as bad."""
        content = self._stored(STATE)
        found = _STATE.match(content.decode("ascii", "replace"))
        if found is None or not content[found.end() :].startswith(
            f"crc={crc32(found[0].encode()):08x}".encode()
        ):
            return None
        return Slot(found[1]), found[2], int(found[3] or 0)

    def _stored(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            return b""
