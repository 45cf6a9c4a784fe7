"""Opens the store at the start of an appliance; a damaged one is set aside, and its rows are saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import structlog

from firmware.records import Moment
from firmware.store import former, quarantine
from firmware.store.errors import StoreDamaged, StoreNewer
from firmware.store.lock import ProcessLock
from firmware.store.quarantine import Saved
from firmware.store.space import SpaceLimits
from firmware.store.store import Store, keys_of, lock_of
from trust.consent import Purpose
from trust.keys.secret import SecretKey

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Where a store lies and what it serves.

    max_pages: of 4 KiB, that it may take; None for all. limits: what is given up when space is short.
    on_trial: whether the software that opens it may be left again.
    """

    path: Path
    device_id: str
    purpose: Purpose
    site: str
    max_pages: int | None = None
    limits: SpaceLimits = SpaceLimits()  # noqa: RUF009 -- frozen
    on_trial: bool = False

    def open(self, key: SecretKey) -> Store:
        """Open the store, or make it. Raises StoreError and its kinds."""
        return Store.open(
            self.path,
            key,
            device_id=self.device_id,
            purpose=self.purpose,
            site=self.site,
            max_pages=self.max_pages,
            limits=self.limits,
            keep_former=self.on_trial,
        )


def open_or_mend(settings: StoreSettings, key: SecretKey, moment: Moment) -> tuple[Store, Saved | None]:
    """Open the store, or make it; returns what was saved of a damaged one, None when there was none.

    Raises StoreError and its kinds.
    """
    path = settings.path
    if quarantine.was_interrupted(path):
        _set_aside(path)
    try:
        store = _opened(settings, key)
    except StoreDamaged as error:
        log.error("store damaged", reason=str(error))  # noqa: TRY400 -- the file is at fault, not the code
        _set_aside(path)
        store = settings.open(key)
    try:
        saved = quarantine.save_rows(store, path, key, moment)
        store.gallery.finish_shredding(also_current=saved is not None)
    except BaseException:
        store.close()
        raise
    if saved is not None:
        log.error("store set aside", folder=saved.folder, saved=saved.events + saved.entries, lost=saved.lost)
    return store, saved


def _opened(settings: StoreSettings, key: SecretKey) -> Store:
    """Open it; where software that did not pass its trial has changed its tables, as it was before."""
    path = settings.path
    try:
        return settings.open(key)
    except StoreNewer:
        if settings.on_trial or not former.put_back(path, keys_of(path)):
            raise
    log.error("store of before the trial put back")
    return settings.open(key)


def _set_aside(path: Path) -> None:
    lock = ProcessLock(lock_of(path))
    try:
        quarantine.set_aside(path)
    finally:
        lock.release()
