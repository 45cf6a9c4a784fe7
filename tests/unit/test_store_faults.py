"""The store on a full disk, in a killed process, with another holder, and with a damaged file."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from firmware.recognition import take_up_gallery
from firmware.store.errors import (
    StoreBusy,
    StoreDamaged,
    StoreError,
    StoreFull,
    StoreKeyWrong,
    StoreNewer,
    StoreNotEncrypted,
)
from firmware.store.lock import holder
from firmware.store.store import Store, lock_of
from tests.kit.shared_site import MatcherOfIds, directly, in_store_of
from tests.kit.store_values import (
    check_in,
    moment,
    open_store,
    opened_behind_its_back,
    reference,
    registration,
)
from trust.consent import Purpose

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    yield store
    store.close()


def _fill(store: Store) -> int:
    """Register people until the disk is full; returns how many there were."""
    for number in range(1, 1000):
        entry = reference(number)
        try:
            store.commit_registration(moment(), registration(entry), entry)
        except StoreFull:
            return number - 1
    pytest.fail("the disk never got full")


def test_a_full_disk_loses_nothing_and_ends_when_there_is_space(tmp_path: Path) -> None:
    store = open_store(tmp_path, max_pages=96)
    written = _fill(store)
    one_more = reference(written + 1)
    with pytest.raises(StoreFull, match="free space"):
        store.commit_registration(moment(), registration(one_more), one_more)
    counts = store.counts()
    assert (counts.written, counts.waiting, counts.references) == (written, written, written)
    assert store.verify_audit() == written
    store.close()
    store = open_store(tmp_path, max_pages=192)
    assert store.commit_check_in(moment(), check_in(1)) == written + 1
    store.close()


_COMMIT_FOR_EVER = """
import sys, pathlib
from tests.kit.store_values import check_in, moment, open_store, reference, registration
store = open_store(pathlib.Path(sys.argv[1]))
while True:
    seq = store.outbox.last_seq() + 1
    if seq % 3:
        given = store.commit_check_in(moment(), check_in(seq))
    else:
        given = store.commit_registration(moment(), registration(reference(seq)), reference(seq))
    print(given, flush=True)
"""


def test_a_killed_process_leaves_every_answered_commit_whole(tmp_path: Path) -> None:
    answered = 0
    for lines in (1, 17, 40):
        with subprocess.Popen(
            [sys.executable, "-c", _COMMIT_FOR_EVER, str(tmp_path)],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            text=True,
        ) as child:
            assert child.stdout is not None
            for _ in range(lines):
                seq = int(child.stdout.readline())
                assert seq > answered
                answered = seq
            os.kill(child.pid, signal.SIGKILL)
            answered = max([answered, *map(int, child.stdout.read().split())])
        store = open_store(tmp_path)
        kept = [event.seq for event in store.outbox.pending(0, 10_000)]
        assert kept == list(range(1, len(kept) + 1))
        # The last one may have been committed and killed before it was printed.
        assert len(kept) - answered in (0, 1)
        assert store.outbox.last_seq() == store.verify_audit() == len(kept)
        assert store.counts().references == len(kept) // 3
        answered = len(kept)
        store.close()


def test_two_processes_never_share_a_store(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    code = "import sys, pathlib, tests.kit.store_values as v; v.open_store(pathlib.Path(sys.argv[1]))"
    other = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert other.returncode != 0
    assert f"another aidpost process (pid {os.getpid()}) holds this appliance; stop it first" in other.stderr
    with pytest.raises(StoreBusy):
        open_store(tmp_path)
    assert holder(lock_of(tmp_path / "store.db")) == os.getpid()
    store.close()
    assert holder(lock_of(tmp_path / "store.db")) is None
    open_store(tmp_path).close()


def test_a_newer_store_is_refused_and_left_alone(tmp_path: Path) -> None:
    open_store(tmp_path).close()
    with opened_behind_its_back(tmp_path) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name) VALUES ('aidpost-store', 'm999_x')"
        )
    before = hashlib.sha256((tmp_path / "store.db").read_bytes()).digest()
    with pytest.raises(StoreNewer, match="m999_x"):
        open_store(tmp_path)
    assert hashlib.sha256((tmp_path / "store.db").read_bytes()).digest() == before


def test_a_damaged_file_is_reported(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in range(1, 40):
        store.gallery.add(moment(), reference(number))
    store.close()
    path = tmp_path / "store.db"
    whole = path.read_bytes()
    middle = len(whole) // 2
    for damaged in (whole[:middle], whole[:middle] + b"\xff" * 8192 + whole[middle + 8192 :]):
        path.write_bytes(damaged)
        with pytest.raises(StoreDamaged, match="damaged"):
            open_store(tmp_path)


@pytest.mark.parametrize("content", [b"no database " * 1000, os.urandom(4 * 4096)], ids=["text", "other key"])
def test_a_file_that_does_not_open_with_the_key_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store.db").write_bytes(content)
    with pytest.raises(StoreKeyWrong, match="put back the keys or the store"):
        open_store(tmp_path)
    assert (tmp_path / "store.db").read_bytes() == content


def test_a_damaged_template_is_reported_with_its_entry(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.gallery.add(moment(), reference(7))
    store.close()
    with opened_behind_its_back(tmp_path) as connection:
        connection.execute("UPDATE protected_templates SET template = x'02ff'")
    store = open_store(tmp_path)
    with pytest.raises(StoreDamaged, match=reference(7).entry_id.hex()):
        store.gallery.references(Purpose.CLINIC_CHECK_IN)
    store.close()


async def test_an_entry_that_does_not_open_keeps_nobody_else_from_being_served(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in (6, 7, 8):
        store.gallery.add(moment(), reference(number))
    store.close()
    with opened_behind_its_back(tmp_path) as connection:
        connection.execute(
            """UPDATE gallery SET sealed_key =
                   CAST(substr(sealed_key, 1, length(sealed_key) - 16) || randomblob(16) AS BLOB)
               WHERE entry_id = ?""",
            (reference(7).entry_id,),
        )
    store, matcher = open_store(tmp_path), MatcherOfIds()
    entries, refused = await take_up_gallery(in_store_of(store), directly, matcher, Purpose.CLINIC_CHECK_IN)
    assert (entries, len(refused)) == (3, 1)
    assert reference(7).entry_id.hex() in refused[0]
    assert matcher.ids == {reference(6).entry_id, reference(8).entry_id}
    store.close()


def test_a_plain_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = (tmp_path / "store.db").read_bytes()
    with pytest.raises(StoreNotEncrypted, match=r"is not encrypted.*move it away"):
        open_store(tmp_path)
    assert (tmp_path / "store.db").read_bytes() == before


def test_a_missing_folder_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="does not exist"):
        open_store(tmp_path / "absent")


def test_the_file_is_private(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, anew=True)) as store:
        store.commit_check_in(moment(), check_in(1))
        assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
