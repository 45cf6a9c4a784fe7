"""The encrypted partition itself: LUKS2 by cryptsetup, ext4 on it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol
from uuid import UUID

from firmware.machine.partition_table import TableNotUnderstood, grow_last, held
from trust.keys.errors import GuardUnavailable
from trust.keys.secret import SecretKey

_NOTHING_FOUND = 2  # exit status of blkid
_SIGNATURES = ("--match-tag", "TYPE", "--match-tag", "PTTYPE")
_WRONG_KEY = 2  # of cryptsetup: "no permission (bad passphrase)"
# The key is uniformly random, so that stretching it would cost time and gain nothing.
_NOT_STRETCHED = ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000")
_SECTOR = ("--sector-size", "4096")
# As for 256 MiB, on a card of any size: by default 32 GB get a journal of 128 MB and tables of 512 MB, all of
# which is written.
_SMALL = ("-J", "size=16", "-N", "32768", "-E", "lazy_itable_init=1")


class Partition(Protocol):
    """What opening asks of a partition. Methods raise GuardUnavailable where a program fails."""

    def is_open(self) -> bool:
        """Whether it was opened already."""

    def uuid(self) -> UUID | None:
        """Return its number, None where it is no LUKS partition."""

    def is_blank(self) -> bool:
        """Whether nothing is known to lie on it: no file system, no table, no container."""

    def has_key(self) -> bool:
        """Whether a LUKS partition can be opened at all: a header that was cut off has no key."""

    def is_empty(self) -> bool:
        """Whether nothing is known to lie in it, once it is open."""

    def grown(self) -> AbstractContextManager[None]:
        """Let it reach to the end of the card; nobody takes it away until it was opened within."""

    def encrypt(self, uuid: UUID, key: SecretKey) -> None:
        """Write a new header: what was there is lost."""

    def open(self, key: SecretKey) -> bool:
        """Open it; False where the key is another one."""

    def make_file_system(self) -> None:
        """Write an empty file system to the opened partition."""


class LuksPartition:
    """device: the block device, or a file in tests; name: under which it is opened."""

    def __init__(self, device: Path, name: str = "data", cpu: Path = Path("/proc/cpuinfo")) -> None:
        self._device = str(device)
        self._name = name
        self._cpu = cpu

    @property
    def opened(self) -> Path:
        """The device that is there while it is open."""
        return Path("/dev/mapper") / self._name

    def is_open(self) -> bool:
        """Whether it was opened already."""
        return self.opened.exists()

    def uuid(self) -> UUID | None:
        """Return its number, None where it is no LUKS partition."""
        if not Path(self._device).exists():
            raise GuardUnavailable(f"{self._device} is not there: write the card anew")
        found = _run("cryptsetup", "luksUUID", self._device, check=False)
        return UUID(found.stdout.decode().strip()) if found.returncode == 0 else None

    def is_blank(self) -> bool:
        """Whether blkid finds no superblock and no table; of a partition it always knows its own entry."""
        return _nothing_on(self._device)

    def has_key(self) -> bool:
        """Whether its header names a key slot; of a header that is none of LUKS2 it is taken for granted."""
        found = _run("cryptsetup", "luksDump", "--dump-json-metadata", self._device, check=False)
        return found.returncode != 0 or bool(json.loads(found.stdout)["keyslots"])

    def is_empty(self) -> bool:
        """Whether blkid finds nothing in it."""
        return _nothing_on(str(self.opened))

    @contextmanager
    def grown(self) -> Iterator[None]:
        """Let it reach to the end of its disk, in the table and for the kernel; a disk by itself stays."""
        known = Path("/sys/class/block") / Path(self._device).resolve().name
        if not (known / "partition").exists():
            yield
            return
        number = int((known / "partition").read_text())
        disk = f"/dev/{known.resolve().parent.name}"
        with ExitStack() as holding:
            try:
                sectors = grow_last(holding.enter_context(held(Path(disk))), number)
            except (TableNotUnderstood, OSError) as error:
                said = f"the card's partition table cannot be changed: {error}; write it anew"
                raise GuardUnavailable(said) from error
            if int((known / "size").read_text()) != sectors:
                _run("partx", "--update", "--nr", str(number), disk)
            if int((known / "size").read_text()) != sectors:
                raise GuardUnavailable("the data partition has another size than the card says: start anew")
            yield

    def encrypt(self, uuid: UUID, key: SecretKey) -> None:
        """Write a new header with one key slot."""
        cipher = cipher_for(self._cpu.read_text())
        options = (*_NOT_STRETCHED, *_SECTOR, *cipher, "--key-file", "-", "--uuid", str(uuid))
        _run("cryptsetup", "luksFormat", "--batch-mode", "--type", "luks2", *options, self._device, key=key)

    def open(self, key: SecretKey) -> bool:
        """Map it to `opened`."""
        found = _run("cryptsetup", "open", "--key-file", "-", self._device, self._name, key=key, check=False)
        if found.returncode == _WRONG_KEY:
            return False
        _refuse_failure(found)
        return True

    def make_file_system(self) -> None:
        """Make ext4, with nothing reserved for root: this is no system's own disk."""
        _run("mkfs.ext4", "-q", "-L", "data", "-m", "0", *_SMALL, str(self.opened))


def cipher_for(cpu: str) -> tuple[str, ...]:
    """Return cryptsetup's options for a processor, as /proc/cpuinfo has it.

    AES where it is in hardware, as on a Pi 5; Adiantum, which is quick without, on the others: the cores of a
    Pi 4 and of a Zero 2 W have no AES.
    """
    if "aes" in cpu.split():
        return ("--cipher", "aes-xts-plain64", "--key-size", "512")
    return ("--cipher", "xchacha12,aes-adiantum-plain64", "--key-size", "256")


def _nothing_on(device: str) -> bool:
    found = _run("blkid", "--probe", *_SIGNATURES, "--output", "value", device, check=False)
    return found.returncode in (0, _NOTHING_FOUND) and not found.stdout.strip()


def _run(
    *command: str, key: SecretKey | None = None, check: bool = True
) -> subprocess.CompletedProcess[bytes]:
    try:
        if key is None:
            done = subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        else:
            done = _fed(command, key)
    except OSError as error:
        raise GuardUnavailable(f"{command[0]} cannot be run: {error.strerror}") from error
    if check:
        _refuse_failure(done)
    return done


def _fed(command: tuple[str, ...], key: SecretKey) -> subprocess.CompletedProcess[bytes]:
    """Run with the key as input, which is handed from its own pages to the pipe."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as process:
        assert process.stdin is not None  # noqa: S101 - as asked
        with key.view() as view:
            process.stdin.write(view)
        stdout, stderr = process.communicate()
    return subprocess.CompletedProcess(command, process.returncode, stdout, stderr)


def _refuse_failure(done: subprocess.CompletedProcess[bytes]) -> None:
    if done.returncode:
        words = " ".join(done.stderr.decode(errors="replace").split()) or f"exit status {done.returncode}"
        raise GuardUnavailable(f"{done.args[0]} {done.args[1]} failed: {words}")
