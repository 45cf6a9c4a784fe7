"""What is saved of a damaged store, what a backup gives back; and no number is given twice after either."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from firmware.records import ClockQuality
from firmware.store import backup, quarantine
from firmware.store.errors import BackupRefused, PurposeRefused, StoreError
from firmware.store.opening import StoreSettings, open_or_mend
from firmware.store.quarantine import Saved
from firmware.store.store import Store, keys_of
from tests.kit.store_values import (
    DEVICE,
    PURPOSE,
    SITE,
    check_in,
    moment,
    open_store,
    opened_behind_its_back,
    reference,
    registration,
    store_key,
)
from trust.consent import Purpose
from trust.keys.stretching import Argon2Cost

PAGE = 4096
PEOPLE = 12
PASSPHRASE = "a long recovery sentence"  # noqa: S105 -- of a test
LIGHT = Argon2Cost(memory_kib=64, passes=1, lanes=1)


def used_store(folder: Path) -> Store:
    """A store of some time: people, arrivals, an acknowledgement."""
    store = open_store(folder)
    for number in range(1, PEOPLE + 1):
        entry = reference(number)
        store.commit_registration(moment(), registration(entry), entry)
        store.commit_check_in(moment(), check_in(number))
    store.outbox.acknowledge(PEOPLE, moment())
    return store


def mend(folder: Path) -> tuple[Store, Saved | None]:
    with store_key() as key:
        return open_or_mend(StoreSettings(folder / "store.db", DEVICE, PURPOSE, SITE), key, moment())


def spoil(path: Path, page: int, count: int = 1) -> None:
    """Overwrite pages, as a dying card does; the first page has number 1."""
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xff" * PAGE * count)


def empty_roots(folder: Path) -> list[int]:
    """The pages where tables without rows, and their indexes, begin."""
    with opened_behind_its_back(folder) as tool:
        roots = tool.execute("SELECT tbl_name, rootpage FROM sqlite_schema WHERE rootpage > 0").fetchall()
        return [page for table, page in roots if not tool.execute(f"SELECT 1 FROM {table}").fetchone()]  # noqa: S608


def test_each_single_bad_page_costs_its_own_rows_alone(tmp_path: Path) -> None:
    used_store(tmp_path).close()
    whole = tmp_path / "store.db"
    pages = whole.stat().st_size // PAGE
    saved_events, saved_entries = [], []
    alike = set(empty_roots(tmp_path)[2:])  # to lose one empty table or another is the same
    for page in sorted(set(range(2, pages + 1)) - alike):
        folder = tmp_path / str(page)
        folder.mkdir()
        shutil.copy(whole, folder)
        shutil.copy(keys_of(whole), folder)
        spoil(folder / "store.db", page)
        store, saved = mend(folder)
        if saved is None:  # a page that holds nothing
            store.close()
            continue
        assert isinstance(store.verify_audit(), int)
        assert store.counts().references == saved.entries
        assert [queued.event.seq for queued in store.outbox.pending(0, 1000)] == list(
            range(1, saved.events + 1)
        )
        store.commit_check_in(moment(), check_in(99))
        assert isinstance(store.verify_audit(), int)
        saved_events.append(saved.events)
        saved_entries.append(saved.entries)
        store.close()
        assert (folder / "damaged-1" / "store.db").stat().st_size == whole.stat().st_size
    # The root of a table takes its rows with it; every other page takes only what lies on it.
    assert sorted(saved_entries)[2] >= PEOPLE - 5
    assert median(saved_entries) == PEOPLE
    assert sorted(saved_events)[1] > 0
    assert median(saved_events) == PEOPLE
    assert max(saved_events) == 2 * PEOPLE, "without its queue, every kept record waits again"


def test_a_file_without_its_end_gives_what_is_before_it(tmp_path: Path) -> None:
    used_store(tmp_path).close()
    path = tmp_path / "store.db"
    path.write_bytes(path.read_bytes()[: -3 * PAGE])
    store, saved = mend(tmp_path)
    assert saved is not None
    assert 0 < saved.entries <= PEOPLE
    assert 0 < saved.events < 2 * PEOPLE
    assert "set aside in" in str(saved)
    assert store.gallery.references(PURPOSE)[0].subject == "card-1"
    store.close()


def test_without_its_first_page_everything_is_saved(tmp_path: Path) -> None:
    store = used_store(tmp_path)
    epoch, rows = store.epoch, store.verify_audit()
    store.close()
    spoil(tmp_path / "store.db", 1)
    store, saved = mend(tmp_path)
    assert saved is not None
    assert (saved.events, saved.entries, saved.audit_rows, saved.lost) == (PEOPLE, PEOPLE, rows, {})
    assert store.epoch != epoch
    assert store.commit_check_in(moment(), check_in(1)) == PEOPLE + 1
    store.close()
    assert {path.name for path in (tmp_path / "damaged-1").iterdir()} == {"store.db", "saved.json"}
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "damaged-1").iterdir()} == {0o600}
    assert [note.folder for note in quarantine.notes(tmp_path / "store.db")] == [str(tmp_path / "damaged-1")]


def test_a_power_cut_while_rows_are_saved_saves_them_once(tmp_path: Path) -> None:
    used_store(tmp_path).close()
    spoil(tmp_path / "store.db", 5)
    quarantine.set_aside(tmp_path / "store.db")
    store = open_store(tmp_path)
    with store_key() as key:
        saved = quarantine.save_rows(store, tmp_path / "store.db", key, moment())
    store.close()
    assert saved is not None
    keys = keys_of(tmp_path / "store.db").read_bytes()
    # The note was not written yet when the power failed: the next start must not take the rows over again.
    (tmp_path / "damaged-1" / "saved.json").unlink()
    store, again = mend(tmp_path)
    assert again == saved
    assert store.counts().references == saved.entries
    store.close()
    # The power failed before anything was saved.
    (tmp_path / "damaged-1" / "saved.json").unlink()
    for part in tmp_path.glob("store.db*"):
        part.unlink()
    keys_of(tmp_path / "store.db").write_bytes(keys)
    store, again = mend(tmp_path)
    assert again == saved
    store.close()
    store, again = mend(tmp_path)
    assert again is None
    store.close()


def test_a_third_damage_takes_no_folder_that_is_there(tmp_path: Path) -> None:
    used_store(tmp_path).close()
    for number in (1, 2, 3):
        spoil(tmp_path / "store.db", 1)
        store, saved = mend(tmp_path)
        store.close()
        assert saved is not None
        assert (saved.folder, saved.entries) == (str(tmp_path / f"damaged-{number}"), PEOPLE)
        if number == 2:
            shutil.rmtree(tmp_path / "damaged-1")  # as `aidpost doctor` says
    store, again = mend(tmp_path)
    assert store.counts().references == PEOPLE
    assert again is None
    store.close()


def test_a_damaged_store_is_erased_after_thirty_days_of_uptime_or_of_a_good_clock(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    used_store(tmp_path).close()
    for _ in range(2):
        spoil(path, 1)
        mend(tmp_path)[0].close()
    assert quarantine.drop_old(path, moment()) == []
    assert quarantine.drop_old(path, moment(24 * 29)) == []
    (tmp_path / "damaged-2" / "saved.json").unlink()  # as if its rows were not saved yet
    dropped = quarantine.drop_old(path, moment(24 * 2, boot=2))
    assert [folder.name for folder in dropped] == ["damaged-1"]
    assert not (tmp_path / "damaged-1").exists()
    assert (tmp_path / "damaged-2" / "store.db").exists()

    (tmp_path / "damaged-2" / "saved.json").write_bytes(b"{}")
    (tmp_path / "damaged-2" / "age.json").unlink()
    good = moment(1, boot=3, quality=ClockQuality.SYNCHRONISED, wall_hour=600_000)
    assert quarantine.drop_old(path, good) == []
    later = moment(2, boot=4, quality=ClockQuality.SYNCHRONISED, wall_hour=600_000 + 24 * 31)
    assert [folder.name for folder in quarantine.drop_old(path, later)] == ["damaged-2"]
    assert quarantine.folders(path) == []


def test_what_was_not_saved_yet_is_not_overwritten_by_the_next_damage(tmp_path: Path) -> None:
    used_store(tmp_path).close()
    spoil(tmp_path / "store.db", 1)
    quarantine.set_aside(tmp_path / "store.db")
    open_store(tmp_path).close()  # the power failed before the rows were taken over
    spoil(tmp_path / "store.db", 1)
    store, saved = mend(tmp_path)
    assert saved is not None
    assert (saved.folder, saved.entries) == (str(tmp_path / "damaged-1"), PEOPLE)
    assert store.counts().references == PEOPLE
    store.close()
    assert len(quarantine.notes(tmp_path / "store.db")) == 2


def test_a_power_cut_while_a_store_is_moved_does_not_lose_its_log(tmp_path: Path) -> None:
    store = used_store(tmp_path)
    folder = tmp_path / "after the cut"
    folder.mkdir()
    for part in ("store.db", "store.db-wal", "store.db.entries"):
        shutil.copy(tmp_path / part, folder)
    store.close()
    (folder / "damaged-1").mkdir()
    (folder / "store.db-wal").rename(folder / "damaged-1" / "store.db-wal")
    store, saved = mend(folder)
    assert saved is not None
    assert store.counts().references == saved.entries == PEOPLE
    store.close()


def write_backup(store: Store, target: Path, passphrase: str = PASSPHRASE) -> None:
    backup.write(store, target, bytearray(passphrase, "utf-8"), moment(), LIGHT)


def restore(source: Path, folder: Path, passphrase: str = PASSPHRASE) -> Store:
    folder.mkdir(exist_ok=True)
    store = open_store(folder)
    try:
        former = backup.read(source, bytearray(passphrase, "utf-8"), folder, PURPOSE, SITE)
        store.inherit(former, moment(), "restored")
    except StoreError:
        store.close()
        raise
    return store


def test_a_backup_opens_on_another_device_and_numbers_what_waits_anew(tmp_path: Path) -> None:
    store = used_store(tmp_path)
    before, epoch = store.counts(), store.epoch
    waiting = [queued.event.body for queued in store.outbox.pending(0, 1000)]
    input_key = store.input_key()
    write_backup(store, tmp_path / "b.aidpost")
    rows = store.verify_audit()
    assert isinstance(rows, int)
    store.close()
    restored = restore(tmp_path / "b.aidpost", tmp_path / "new")
    assert restored.input_key() == input_key, "or no digest in the audit log can be checked again"
    assert restored.epoch != epoch
    assert restored.counts().references == before.references
    assert [queued.event.body for queued in restored.outbox.pending(0, 1000)] == waiting
    assert restored.outbox.last_seq() == len(waiting)
    assert restored.verify_audit() == rows + 1 + len(waiting)
    assert {entry.subject for entry in restored.gallery.references(PURPOSE)} == {
        f"card-{n}" for n in range(1, PEOPLE + 1)
    }
    assert restored.commit_check_in(moment(), check_in(1)) == len(waiting) + 1
    write_backup(restored, tmp_path / "c.aidpost")
    restored.close()
    twice = restore(tmp_path / "c.aidpost", tmp_path / "newer")
    assert isinstance(twice.verify_audit(), int)
    assert twice.counts().waiting == len(waiting) + 1
    twice.close()
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "store.db",
        "store.db.entries",
        "store.db.lock",
    }


def test_an_erasure_that_is_not_told_yet_is_taken_over(tmp_path: Path) -> None:
    store = used_store(tmp_path)
    (erased, *_) = store.gallery.references(PURPOSE)
    store.gallery.remove(moment(), erased.entry_id)
    write_backup(store, tmp_path / "b.aidpost")
    store.close()
    restored = restore(tmp_path / "b.aidpost", tmp_path / "new")
    assert restored.shared.has_erasure_to_tell()
    restored.close()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda whole: whole, "another passphrase"),
        (lambda whole: whole.replace(b'"site":"site-1"', b'"site":"site-2"'), "changed file"),
        (lambda whole: b"something else\n" + whole, "no backup of Aidpost"),
        (lambda whole: whole[: len(whole) // 2], "this backup is damaged"),
        (lambda whole: whole[:9000] + bytes(4096) + whole[13096:], "backup is damaged or was changed"),
        (lambda whole: whole.replace(b"aidpost backup 1", b"aidpost backup 9"), "newer version"),
    ],
    ids=["passphrase", "header", "foreign", "half", "changed", "version"],
)
def test_a_backup_that_does_not_open_leaves_the_new_store_new(
    tmp_path: Path, change: Callable[[bytes], bytes], sentence: str
) -> None:
    store = used_store(tmp_path)
    write_backup(store, tmp_path / "b.aidpost")
    store.close()
    whole = (tmp_path / "b.aidpost").read_bytes()
    (tmp_path / "c.aidpost").write_bytes(change(whole))
    passphrase = "another long sentence" if sentence == "another passphrase" else PASSPHRASE
    with pytest.raises(BackupRefused, match=sentence):
        restore(tmp_path / "c.aidpost", tmp_path / "new", passphrase)
    restore(tmp_path / "b.aidpost", tmp_path / "new").close()


def test_a_backup_is_refused_where_it_would_do_harm(tmp_path: Path) -> None:
    store = used_store(tmp_path)
    with pytest.raises(BackupRefused, match="at least 15"):
        write_backup(store, tmp_path / "b.aidpost", "too short")
    write_backup(store, tmp_path / "b.aidpost")
    with pytest.raises(BackupRefused, match="exists"):
        write_backup(store, tmp_path / "b.aidpost")
    former = backup.read(tmp_path / "b.aidpost", bytearray(PASSPHRASE, "utf-8"), tmp_path, PURPOSE, SITE)
    with pytest.raises(StoreError, match="only a new one"):
        store.inherit(former, moment(), "restored")
    store.close()
    (tmp_path / "other").mkdir()
    other = open_store(tmp_path / "other", purpose=Purpose.DISTRIBUTION)
    with pytest.raises(PurposeRefused):
        other.inherit(former, moment(), "restored")
    assert other.is_new()
    other.close()
