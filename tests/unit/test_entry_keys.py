"""Erasure shreds a key: what older copies of the store hold of anybody does not open with what is left."""

from __future__ import annotations

import shutil
from contextlib import closing, suppress
from pathlib import Path

import pytest

from firmware.store.entry_keys import EntryKeys
from firmware.store.errors import EntryKeysMissing
from firmware.store.opening import StoreSettings, open_or_mend
from firmware.store.store import Store, keys_of
from inference import template_codec
from tests.kit.decrypted_pages import decrypted_pages
from tests.kit.store_values import (
    DEVICE,
    KEY,
    PURPOSE,
    SITE,
    moment,
    open_store,
    opened_behind_its_back,
    reference,
    store_key,
)
from trust.gallery.errors import EntryRefused


def store_with(folder: Path, people: int) -> Store:
    store = open_store(folder)
    for number in range(1, people + 1):
        store.gallery.add(moment(), reference(number))
    return store


def opens(folder: Path, keys: Path) -> set[str]:
    """Whose templates somebody opens who has a copy of the store, the store's key and this file of keys."""
    found = set()
    with (
        opened_behind_its_back(folder) as connection,
        store_key() as key,
        closing(EntryKeys.open(keys, key)) as held,
    ):
        for entry_id, subject, wrapped, sealed in connection.execute(
            """SELECT entry_id, subject, sealed_key, template
               FROM protected_templates JOIN gallery ON entry = gallery.number"""
        ).fetchall():
            try:
                template_codec.decode(held.opened(entry_id, wrapped).opened(sealed))
            except EntryRefused:
                continue
            found.add(subject)
    return found


def test_an_older_copy_of_the_store_opens_no_entry_once_somebody_was_erased(tmp_path: Path) -> None:
    (tmp_path / "now").mkdir()
    with closing(store_with(tmp_path / "now", 3)) as store:
        assert (tmp_path / "now" / "store.db-wal").stat().st_size > 0
        shutil.copytree(tmp_path / "now", tmp_path / "before")
        keys = keys_of(tmp_path / "now" / "store.db")
        assert opens(tmp_path / "before", keys) == {"card-1", "card-2", "card-3"}
        assert store.gallery.remove(moment(), reference(2).entry_id, "reference expired")
        assert opens(tmp_path / "before", keys) == set()
        assert [each.subject for each in store.gallery.references(PURPOSE)] == ["card-1", "card-3"]
    assert opens(tmp_path / "now", keys) == {"card-1", "card-3"}
    assert not list((tmp_path / "now").glob("*.new"))
    # The copy is no store any more beside the keys of today, and says so.
    shutil.copy(keys, tmp_path / "before")
    with pytest.raises(EntryKeysMissing, match="put the file back"):
        open_store(tmp_path / "before")
    (tmp_path / "before" / keys.name).unlink()
    (tmp_path / "before" / keys.name).mkdir()
    with pytest.raises(EntryKeysMissing, match="Is a directory"):
        open_store(tmp_path / "before")


def test_no_template_lies_in_a_page_or_log_without_its_seal(tmp_path: Path) -> None:
    with closing(store_with(tmp_path, 1)) as store:
        (kept,) = store.gallery.references(PURPOSE)
        parts = [template_codec.encode(each)[100:132] for each in kept.templates]
        pages = list(decrypted_pages(tmp_path / "store.db", KEY))
    assert any(b"card-1" in page for page in pages), "the pages are the decrypted ones"
    assert not [part for part in parts for page in pages if part in page]


def test_a_power_cut_while_a_key_is_replaced_loses_nobody_and_leaves_one_key(tmp_path: Path) -> None:
    store = store_with(tmp_path, 3)
    keys = keys_of(tmp_path / "store.db")
    with (
        store_key() as key,
        closing(EntryKeys.open(keys, key)) as cut,
        store._journal.transaction() as database,
    ):
        cut.replace(database)  # committed, and the former key not dropped yet
    store.close()
    former = keys.read_bytes()
    with store_key() as key:
        assert len(EntryKeys.open(keys, key).rows()) == 2
        store, _ = open_or_mend(StoreSettings(tmp_path / "store.db", DEVICE, PURPOSE, SITE), key, moment())
        assert len(store.entry_keys.rows()) == 1
    assert len(store.gallery.references(PURPOSE)) == 3
    store.close()
    assert keys.read_bytes() != former


def test_an_erasure_that_is_undone_leaves_everybody_readable(tmp_path: Path) -> None:
    with closing(store_with(tmp_path, 2)) as store:
        with suppress(InterruptedError), store._journal.transaction():
            store.gallery.erase_within(moment(), reference(1).entry_id, "reference removed")
            raise InterruptedError
        assert len(store.gallery.references(PURPOSE)) == 2
        assert store.gallery.remove(moment(), reference(1).entry_id)
        assert len(store.gallery.references(PURPOSE)) == 1
        assert len(store.entry_keys.rows()) == 1


def test_what_was_set_aside_of_a_damaged_store_opens_no_entry_once_it_is_saved(tmp_path: Path) -> None:
    store_with(tmp_path, 3).close()
    with (tmp_path / "store.db").open("r+b") as file:
        file.seek(4 * 4096)
        file.write(b"\xff" * 4096)
    with store_key() as key:
        store, saved = open_or_mend(
            StoreSettings(tmp_path / "store.db", DEVICE, PURPOSE, SITE), key, moment()
        )
    with closing(store):
        assert saved is not None
        assert saved.entries == len(store.gallery.references(PURPOSE)) == 3
        assert opens(tmp_path / "damaged-1", keys_of(tmp_path / "store.db")) == set()


def test_entries_of_a_version_without_keys_are_sealed_at_the_first_opening(tmp_path: Path) -> None:
    store_with(tmp_path, 2).close()
    with opened_behind_its_back(tmp_path) as connection, store_key() as key:
        with closing(EntryKeys.open(keys_of(tmp_path / "store.db"), key)) as keys:
            for number, entry_id, wrapped, sealed in connection.execute(
                """SELECT protected_templates.number, entry_id, sealed_key, template
                   FROM protected_templates JOIN gallery ON entry = gallery.number"""
            ).fetchall():
                bare = keys.opened(entry_id, wrapped).opened(sealed)
                connection.execute(
                    "UPDATE protected_templates SET template = ? WHERE number = ?", (bare, number)
                )
        connection.execute("UPDATE gallery SET sealed_key = x''")
    with closing(open_store(tmp_path)) as store:
        assert [each.subject for each in store.gallery.references(PURPOSE)] == ["card-1", "card-2"]
    assert opens(tmp_path, keys_of(tmp_path / "store.db")) == {"card-1", "card-2"}


def test_the_key_of_an_entry_opens_for_no_other(tmp_path: Path) -> None:
    with store_key() as key, closing(EntryKeys.open(tmp_path / "keys", key)) as keys:
        wrapped, seal = keys.new(bytes(16))
        assert keys.opened(bytes(16), wrapped).opened(seal.seal(b"template")) == b"template"
        with pytest.raises(EntryRefused, match="the key of the entry"):
            keys.opened(b"another entry...", wrapped)
