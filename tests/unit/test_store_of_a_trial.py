"""Software on trial changes the store, does not pass, and the former software goes on where it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.store import former
from firmware.store.connection import open_database
from firmware.store.errors import StoreNewer
from firmware.store.opening import StoreSettings, open_or_mend
from firmware.store.store import Store, keys_of
from tests.kit.store_values import DEVICE, SITE, check_in, moment
from trust.consent import Purpose
from trust.keys.secret import SecretKey

LAST = "m025_unlinked_rosters"
NEWER = "m999_of_a_later_version"
INSERT = "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('aidpost-store', ?, '')"


def path_in(folder: Path) -> Path:
    return folder / "store.db"


def opened(folder: Path, *, on_trial: bool = False) -> Store:
    settings = StoreSettings(path_in(folder), DEVICE, Purpose.CLINIC_CHECK_IN, SITE, on_trial=on_trial)
    with SecretKey(32) as key:
        return open_or_mend(settings, key, moment())[0]


def write(store: Store, number: int) -> int:
    """Write down that somebody was served; returns how many events there are."""
    store.commit_check_in(moment(), check_in(number))
    return store.counts().written


def rewrite_steps(folder: Path, statement: str, name: str) -> None:
    """Change what the store says of the changes that were made to its tables."""
    with SecretKey(32) as key:
        database = open_database(path_in(folder), key)
        database.execute(statement, [name])
        database.close()


@pytest.fixture
def tried(tmp_path: Path) -> Path:
    """A store in which somebody was served, whose tables are of an earlier version."""
    store = opened(tmp_path)
    write(store, 1)
    store.close()
    rewrite_steps(tmp_path, "DELETE FROM _sqlite_migrations WHERE name = ?", LAST)
    return tmp_path


def try_newer(folder: Path, number: int = 2) -> None:
    """Start software on trial, which writes and whose tables nobody else knows."""
    store = opened(folder, on_trial=True)
    assert write(store, number) == 2
    store.close()
    rewrite_steps(folder, INSERT, NEWER)


def test_the_former_software_goes_on_where_it_was(tried: Path) -> None:
    try_newer(tried)
    store = opened(tried)
    assert store.counts().written == 1
    store.close()
    assert [file for file in tried.iterdir() if ".former" in file.name] == []


def test_software_on_trial_itself_does_not_go_back(tried: Path) -> None:
    try_newer(tried)
    with pytest.raises(StoreNewer):
        opened(tried, on_trial=True)


def test_once_it_passed_nothing_of_the_former_is_left(tried: Path) -> None:
    try_newer(tried)
    former.drop(path_in(tried), keys_of(path_in(tried)))
    assert [file for file in tried.iterdir() if ".former" in file.name] == []
    with pytest.raises(StoreNewer):
        opened(tried)


def test_a_second_start_of_a_trial_keeps_the_copy_of_before_the_first(tried: Path) -> None:
    store = opened(tried, on_trial=True)
    write(store, 2)
    store.close()
    rewrite_steps(tried, "DELETE FROM _sqlite_migrations WHERE name = ?", LAST)  # as cut before its end
    store = opened(tried, on_trial=True)
    store.close()
    former.put_back(path_in(tried), keys_of(path_in(tried)))
    store = opened(tried)
    assert store.counts().written == 1
    store.close()


def test_without_a_trial_nothing_is_copied(tried: Path) -> None:
    opened(tried).close()
    assert [file for file in tried.iterdir() if ".former" in file.name] == []
