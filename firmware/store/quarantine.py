"""Sets a damaged store aside, whole, and lets a new one take over what can be read of it.

The folder `damaged-N` keeps the file with its write-ahead log, as encrypted as it was. When its rows are in
the new store, `saved.json` in it says how many, so that a power cut in between leaves nothing undone.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from firmware.records import Moment
from firmware.store import inheritance
from firmware.store.errors import StoreError
from firmware.store.first_page import with_new_first_page
from firmware.store.inheritance import Inheritance
from firmware.store.reading import RangeReader
from firmware.store.store import Store
from trust.keys.secret import SecretKey

SAVED = "saved.json"


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
    folder = _unfinished(path) or path.with_name(f"damaged-{len(folders(path)) + 1}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        for suffix in ("-shm", "-wal", ""):  # the file itself last: as long as it is here, this starts anew
            part = path.with_name(path.name + suffix)
            if part.exists():
                part.rename(folder / part.name)
    except OSError as error:
        raise StoreError(f"cannot set the damaged store aside: {error.strerror}; check {folder}") from error


def folders(path: Path) -> list[Path]:
    """Return the folders of stores that were set aside, oldest first."""
    found = [(folder.name.removeprefix("damaged-"), folder) for folder in path.parent.glob("damaged-*")]
    return [
        folder for _, folder in sorted((int(number), folder) for number, folder in found if number.isdigit())
    ]


def save_rows(store: Store, path: Path, key: SecretKey, moment: Moment) -> Saved | None:
    """Let `store`, which is new, take over what was set aside last; None when that was done before."""
    folder = _unfinished(path)
    if folder is None:
        return None
    former = _read(folder / path.name, key, store)
    saved = Saved(str(folder), len(former.waiting), len(former.references), len(former.audit), former.lost)
    if store.is_new():  # otherwise only the note below was missing
        store.inherit(former, moment, "damaged")
    note = folder / f"{SAVED}.new"
    note.write_bytes(msgspec.json.encode(saved))
    note.replace(folder / SAVED)
    return saved


def notes(path: Path) -> list[Saved]:
    """Return what is known of the stores that were set aside and are still here."""
    texts = [(folder / SAVED) for folder in folders(path) if (folder / SAVED).exists()]
    return [msgspec.json.decode(text.read_bytes(), type=Saved) for text in texts]


def _read(path: Path, key: SecretKey, store: Store) -> Inheritance:
    with RangeReader(path, key) as reader:
        if reader.knows_its_tables():
            return inheritance.read(reader, store.purpose, store.site)
    with with_new_first_page(path, key) as copy, RangeReader(copy, key) as reader:
        return inheritance.read(reader, store.purpose, store.site)


def _unfinished(path: Path) -> Path | None:
    newest = folders(path)[-1:]
    return newest[0] if newest and not (newest[0] / SAVED).exists() else None
