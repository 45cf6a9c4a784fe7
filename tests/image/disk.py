"""The card as a file: its partitions by label, files on its FAT partitions, and damage."""

from __future__ import annotations

import hashlib
import os
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.image.tools import command

SECTOR: Final = 512
_SIGNATURE: Final = b"EFI PART"
# UEFI 2.10, 5.3.2 and 5.3.3: the header's fields from offset 72, the entry's from 0.
_HEADER: Final = struct.Struct("<QII")
_ENTRY: Final = struct.Struct("<16s16sQQQ72s")
_WITHOUT_CHECKS: Final = {**os.environ, "MTOOLS_SKIP_CHECK": "1"}


@dataclass(frozen=True, slots=True)
class Partition:
    """number: from 1, as the Pi's firmware counts. start, size: in bytes."""

    number: int
    label: str
    start: int
    size: int


class Disk:
    """A raw image of a card."""

    def __init__(self, path: Path) -> None:
        self.path: Final = path
        self.partitions: Final = {each.label: each for each in _partitions(path)}

    def copy(self, to: Path) -> Disk:
        """Return a card of its own with the same content; holes stay holes."""
        subprocess.run(
            ["/bin/cp", "--reflink=auto", "--sparse=always", str(self.path), str(to)], check=True, timeout=120
        )
        return Disk(to)

    def read_file(self, label: str, name: str) -> bytes | None:
        """Return a file of a FAT partition, None where there is none."""
        done = subprocess.run(
            [*command("mtype"), "-i", self._fat(label), f"::{name}"],
            capture_output=True,
            timeout=60,
            env=_WITHOUT_CHECKS,
        )
        return done.stdout if done.returncode == 0 else None

    def write_file(self, label: str, name: str, content: bytes) -> None:
        """Put a file on a FAT partition, over the one that is there."""
        subprocess.run(
            [*command("mcopy"), "-o", "-i", self._fat(label), "-", f"::{name}"],
            input=content,
            check=True,
            timeout=60,
            env=_WITHOUT_CHECKS,
        )

    def names(self, label: str) -> list[str]:
        """Return the names at the top of a FAT partition."""
        done = subprocess.run(
            [*command("mdir"), "-b", "-i", self._fat(label), "::"],
            capture_output=True,
            text=True,
            timeout=60,
            env=_WITHOUT_CHECKS,
        )
        return sorted(line.removeprefix("::/").rstrip("/") for line in done.stdout.splitlines() if line)

    def read(self, label: str, offset: int, count: int) -> bytes:
        """Return bytes of a partition."""
        with self.path.open("rb") as file:
            file.seek(self.partitions[label].start + offset)
            return file.read(count)

    def digest(self, label: str) -> str:
        """Return the SHA-256 of a partition."""
        part, total = self.partitions[label], hashlib.sha256()
        with self.path.open("rb") as file:
            file.seek(part.start)
            left = part.size
            while left:
                total.update(chunk := file.read(min(left, 1 << 20)))
                left -= len(chunk)
        return total.hexdigest()

    def flip(self, label: str, offset: int, count: int) -> None:
        """Turn over every bit of these bytes of a partition, as whoever has the card in hand could."""
        turned = bytes(byte ^ 0xFF for byte in self.read(label, offset, count))
        with self.path.open("r+b") as file:
            file.seek(self.partitions[label].start + offset)
            file.write(turned)

    def damage(self, label: str, size: int) -> None:
        """Turn over bytes in each MiB of the first `size` bytes of a partition, which no boot misses."""
        for offset in range(1 << 20, size, 1 << 20):
            self.flip(label, offset, 16)

    def erased(self, label: str) -> None:
        """Make a partition all zeros, with a hole in the file."""
        part = self.partitions[label]
        with self.path.open("r+b") as file:
            file.seek(part.start)
            left = part.size
            while left:
                left -= file.write(bytes(min(left, 1 << 20)))

    def _fat(self, label: str) -> str:
        return f"{self.path}@@{self.partitions[label].start}"


def unpacked(packed: Path, to: Path) -> Disk:
    """Return the card of an image file, which may be packed with zstd."""
    if packed.suffix == ".zst":
        subprocess.run([*command("zstd"), "-qdf", "--sparse", str(packed), "-o", str(to)], check=True)
    else:
        shutil.copyfile(packed, to)
    return Disk(to)


def _partitions(path: Path) -> list[Partition]:
    with path.open("rb") as file:
        file.seek(SECTOR)
        header = file.read(SECTOR)
        if not header.startswith(_SIGNATURE):
            return []  # a single file system
        first, count, size = _HEADER.unpack_from(header, 72)
        file.seek(first * SECTOR)
        table = file.read(count * size)
    found: list[Partition] = []
    for number in range(1, count + 1):
        kind, _, begin, end, _, name = _ENTRY.unpack_from(table, (number - 1) * size)
        if kind != bytes(16):
            label = name.decode("utf-16-le").rstrip("\0")
            found.append(Partition(number, label, begin * SECTOR, (end - begin + 1) * SECTOR))
    return found
