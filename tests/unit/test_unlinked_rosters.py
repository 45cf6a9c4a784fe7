"""A store of the days when no roster named those before it: the gallery is left, the people stay."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from sqlite_utils import Database

from aggregator.store.database import open_writer
from firmware.store.connection import open_database
from firmware.store.migrations import MIGRATIONS
from tests.kit.store_values import DEVICE, PURPOSE, SITE, open_store, opened_behind_its_back, store_key
from trust.gallery import fields

UNLINKED = fields.join([b"aidpost gallery roster 1", bytes(16)])
HELD, ERASED, NOT_TOLD = (bytes([number]) * 16 for number in (1, 2, 3))


def former_store(folder: Path, roster: bytes) -> None:
    with store_key() as key:
        database: Database = open_database(folder / "store.db", key)
    MIGRATIONS.apply(database, stop_before="m025_unlinked_rosters")
    with database.atomic():
        database.execute(
            "INSERT INTO appliance (id, device_id, epoch, site, purpose, link) VALUES (1, ?, ?, ?, ?, ?)",
            (DEVICE, bytes(16), SITE, PURPOSE.value, bytes(32)),
        )
        database.execute("INSERT INTO gallery (entry_id, subject) VALUES (?, 'card-1')", (HELD,))
        database.execute("INSERT INTO gallery_rosters VALUES (1, ?)", (roster,))
        for seq, (entry_id, erases) in enumerate(((HELD, 0), (ERASED, 1), (NOT_TOLD, 0)), 1):
            database.execute(
                "INSERT INTO gallery_changes VALUES (1, ?1, ?1, ?2, 1, ?3, 1, x'', 1, 0, x'')",
                (seq, entry_id, erases),
            )
    database.close()


def test_an_appliance_leaves_such_a_gallery_keeps_its_people_and_brings_nobody_back(tmp_path: Path) -> None:
    former_store(tmp_path, UNLINKED)
    with closing(open_store(tmp_path)) as store:
        held = store.shared.held()
        assert (held.rosters, held.entries, held.version) == ({}, {}, 0)
        assert store.gallery.size() == 1
        assert store.shared.waiting(1, 1, [1], 10).new == (HELD,)  # told in the next gallery
    with opened_behind_its_back(tmp_path) as connection:
        tombstones = connection.execute("SELECT entry_id FROM tombstones ORDER BY entry_id").fetchall()
        assert [entry_id for (entry_id,) in tombstones] == [ERASED, NOT_TOLD]


def test_an_aggregator_forgets_such_a_gallery_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with open_writer(path, None) as db:
        for gallery, roster in ((1, UNLINKED), (2, fields.join([b"aidpost gallery roster 2", bytes(16)]))):
            db.execute(
                """INSERT INTO galleries (gallery, gallery_id, site, purpose, custodian, epoch, edition)
                   VALUES (?, ?, ?, 'clinic check-in', 'words', 1, 1)""",
                (gallery, bytes([gallery]) * 16, f"site-{gallery}"),
            )
            db.execute("INSERT INTO gallery_rosters VALUES (?, 1, ?)", (gallery, roster))
            db.execute(
                """INSERT INTO gallery_positions (gallery, device_id, version, asked_ns)
                   VALUES (?, 'desk-1', 1, 0)""",
                (gallery,),
            )
        db.execute("DELETE FROM _sqlite_migrations WHERE name = 'm0061_unlinked_rosters'")
    with open_writer(path, None) as db:
        for table in ("galleries", "gallery_rosters", "gallery_positions"):
            assert [row[0] for row in db.execute(f"SELECT gallery FROM {table}")] == [2]  # noqa: S608 -- three names
