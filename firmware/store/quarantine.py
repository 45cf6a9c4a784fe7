"""Sets a damaged store aside, whole, and lets a new one take over what can be read of it.

The folder `damaged-N` keeps the file with its write-ahead log, as encrypted as it was. When its rows are in
the new store, `saved.json` in it says how many, so that a power cut in between leaves nothing undone. Its
templates open no more then (`firmware.store.entry_keys`); after `KEEP_DAYS` the folder is erased.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import structlog

from firmware import lease
from firmware.lease import LeaseUse
from firmware.records import Moment
from firmware.store import inheritance
from firmware.store.ages import age_ns
from firmware.store.errors import StoreError
from firmware.store.first_page import with_new_first_page
from firmware.store.inheritance import Inheritance
from firmware.store.reading import RangeReader
from firmware.store.store import Store
from trust.keys.secret import SecretKey

SAVED = "saved.json"
KEEP_DAYS = 30
"""Time to copy the folder for whoever looks into the card."""
KEEP_WORDS = f"the folder is erased by itself after {KEEP_DAYS} days, and may be deleted now"
_AGE = "age.json"
_DAY_NS = 24 * 3600 * 1_000_000_000
log = structlog.get_logger()


class Saved(msgspec.Struct, frozen=True):
    """How much of a damaged store was saved; lost: about how many, by what they were."""

    folder: str
    events: int
    entries: int
    audit_rows: int
    lost: dict[str, int]

    def __str__(self) -> str:
        lost = ", ".join(f"{count} {what}" for what, count in self.lost.items()) or "nothing"
        return (
            f"the store was damaged and set aside in {self.folder}: saved {self.events} waiting events, "
            f"{self.entries} entries and {self.audit_rows} audit rows; lost about: {lost}"
        )


def set_aside(path: Path) -> None:
    """Move the store's files into the next `damaged-N`. Raises StoreError."""
    folder = _begun(path)
    try:
        if folder is None:
            folder = path.with_name(f"damaged-{_last_number(path) + 1}")
            folder.mkdir(mode=0o700)
        for suffix in ("-shm", "-wal", ""):  # the file itself last: as long as it is here, this starts anew
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(folder / part.name)
    except OSError as error:
        raise StoreError(
            f"cannot set the damaged store aside: {error.strerror}; check {path.parent}"
        ) from error


def was_interrupted(path: Path) -> bool:
    """Tell whether the power failed while the store was moved: without its log it may look whole."""
    folder = _begun(path)
    return folder is not None and path.exists() and (folder / f"{path.name}-wal").exists()


def folders(path: Path) -> list[Path]:
    """Return the folders of stores that were set aside, oldest first."""
    return [folder for _, folder in sorted(_numbered(path))]


def save_rows(store: Store, path: Path, key: SecretKey, moment: Moment) -> Saved | None:
    """Let `store`, which is new, take over what was set aside; None when that was done before.

    Where a new store was damaged too before the note was written, there are two such folders. The newer one
    has taken over the older, or holds nothing: the newest that holds anything is taken over.
    """
    read = [
        (folder, _read(folder / path.name, key, store))
        for folder in reversed(folders(path))
        if _holds(folder, path) and not (folder / SAVED).exists()
    ]
    if not read:
        return None
    chosen = next((former for _, former in read if former.audit or former.references or former.waiting), None)
    if store.is_new():  # otherwise only the notes below were missing
        store.inherit(chosen or read[0][1], moment, "damaged")
    result = None
    for folder, former in read:
        saved = Saved(
            str(folder), len(former.waiting), len(former.references), len(former.audit), former.lost
        )
        note = folder / f"{SAVED}.new"
        note.touch(mode=0o600)
        note.write_bytes(msgspec.json.encode(saved))
        note.replace(folder / SAVED)
        if former is chosen or result is None:
            result = saved
    return result


def notes(path: Path) -> list[Saved]:
    """Return what is known of the stores that were set aside and are still here."""
    texts = [(folder / SAVED) for folder in folders(path) if (folder / SAVED).exists()]
    return [msgspec.json.decode(text.read_bytes(), type=Saved) for text in texts]


def drop_old(path: Path, now: Moment) -> list[Path]:
    """Erase the folders whose days are over, counted as those of entries are; returns which.

    Only what is in the new store counts. Raises StoreError.
    """
    dropped = []
    try:
        for folder in folders(path):
            if (folder / SAVED).exists() and _age_ns(folder, now) >= KEEP_DAYS * _DAY_NS:
                # The note last: a folder without it would be one that a store is being moved into.
                for name in (path.name, f"{path.name}-wal", f"{path.name}-shm", _AGE, SAVED):
                    (folder / name).unlink(missing_ok=True)
                shutil.rmtree(folder)
                dropped.append(folder)
                log.info("damaged store erased", folder=folder.name, days=KEEP_DAYS)
    except OSError as error:
        raise StoreError(f"cannot erase a damaged store: {error.strerror}; check {path.parent}") from error
    return dropped


class _Age(msgspec.Struct, frozen=True):
    """When the folder was seen first, and the uptime counted since."""

    began: Moment
    use: LeaseUse


def _age_ns(folder: Path, now: Moment) -> int:
    try:
        before = msgspec.json.decode((folder / _AGE).read_bytes(), type=_Age)
    except (FileNotFoundError, msgspec.DecodeError):  # the power failed while it was written
        before = _Age(now, lease.renewed(now))
    age = _Age(before.began, lease.used(before.use, now))
    note = folder / f"{_AGE}.new"
    note.touch(mode=0o600)
    note.write_bytes(msgspec.json.encode(age))
    note.replace(folder / _AGE)
    return age_ns(age.began, 0, now, age.use.uptime_ns)


def _read(path: Path, key: SecretKey, store: Store) -> Inheritance:
    with RangeReader(path, key) as reader:
        if reader.knows_its_tables():
            return inheritance.read(reader, store.purpose, store.site, store.entry_keys)
    with with_new_first_page(path, key) as copy, RangeReader(copy, key) as reader:
        return inheritance.read(reader, store.purpose, store.site, store.entry_keys)


def _numbered(path: Path) -> list[tuple[int, Path]]:
    found = [(folder.name.removeprefix("damaged-"), folder) for folder in path.parent.glob("damaged-*")]
    return [(int(number), folder) for number, folder in found if number.isdecimal()]


def _begun(path: Path) -> Path | None:
    """Return the folder that this same store was being moved into."""
    begun = [folder for folder in folders(path) if not (_holds(folder, path) or (folder / SAVED).exists())]
    return begun[-1] if begun else None


def _last_number(path: Path) -> int:
    """Return the highest number in use, not how many there are: staff delete folders in between."""
    return max((number for number, _ in _numbered(path)), default=0)


def _holds(folder: Path, path: Path) -> bool:
    """Tell whether the store was moved in whole: its file goes last."""
    return (folder / path.name).exists()
