"""The store holds protected templates alone: those of former versions too, after a renewal and a restore."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlite_utils import Database

from firmware.protection import TemplateProtection
from firmware.store import quarantine
from firmware.store.connection import open_database
from firmware.store.errors import StoreDamaged
from firmware.store.migrations import MIGRATIONS
from firmware.store.opening import StoreSettings, open_or_mend
from firmware.store.store import Store
from inference import plain_codec
from inference.errors import OtherProtectionKey
from inference.face.compare import compare
from inference.protection.face import SCORE_TOLERANCE
from inference.types import ProtectedFace, ProtectedFinger, Template
from tests.kit.decrypted_pages import decrypted_pages
from tests.kit.store_values import (
    DEVICE,
    KEY,
    PURPOSE,
    SITE,
    face_template,
    finger_template,
    moment,
    open_store,
    opened_behind_its_back,
    protection,
    reference,
    store_key,
)


def former_store(folder: Path, entries: int) -> None:
    """A store of the version before, with plain templates."""
    with store_key() as key:
        database: Database = open_database(folder / "store.db", key)
    MIGRATIONS.apply(database, stop_before="m011_protected_templates")
    with database.atomic():
        database.execute(
            "INSERT INTO appliance (id, device_id, epoch, site, purpose, link) VALUES (1, ?, ?, ?, ?, ?)",
            (DEVICE, bytes(16), SITE, PURPOSE.value, bytes(32)),
        )
        for number in range(1, entries + 1):
            entry_id = number.to_bytes(16, "big")
            database.execute(
                "INSERT INTO gallery (entry_id, subject) VALUES (?, ?)", (entry_id, f"card-{number}")
            )
            plain: tuple[Template, ...] = (face_template(number), finger_template(number))
            for position, template in enumerate(plain):
                database.execute(
                    "INSERT INTO templates VALUES (?, ?, ?)",
                    (number, position, plain_codec.encode(template)),
                )
    database.close()


def test_plain_templates_of_a_former_version_are_protected_at_the_first_opening(tmp_path: Path) -> None:
    former_store(tmp_path, entries=3)
    traces = [plain_codec.encode(face_template(2))[50:82], plain_codec.encode(finger_template(2))[60:92]]
    assert all(any(each in page for page in pages(tmp_path)) for each in traces)

    store = open_store(tmp_path)
    entries = store.gallery.references(PURPOSE)
    assert [entry.subject for entry in entries] == ["card-1", "card-2", "card-3"]
    face, finger = entries[1].templates
    assert isinstance(face, ProtectedFace)
    assert isinstance(finger, ProtectedFinger)
    probe = protection().face(face_template(1))
    plain = compare(face_template(1), face_template(2)).raw
    assert compare(probe, face).raw == pytest.approx(plain, abs=SCORE_TOLERANCE)
    opened = protection().opened(finger, entries[1].entry_id)
    assert plain_codec.encode(opened) == plain_codec.encode(finger_template(2))
    store.close()
    assert not [each for each in traces for page in pages(tmp_path) if each in page]
    again = open_store(tmp_path)
    np.testing.assert_array_equal(again.gallery.references(PURPOSE)[1].templates[0].embedding, face.embedding)  # type: ignore[union-attr]
    again.close()


def test_a_plain_template_that_cannot_be_read_says_so_and_the_others_are_saved(tmp_path: Path) -> None:
    former_store(tmp_path, entries=3)
    with opened_behind_its_back(tmp_path) as connection:
        connection.execute("UPDATE templates SET template = x'01ff' WHERE entry = 2")
    with pytest.raises(StoreDamaged, match=(2).to_bytes(16, "big").hex()):
        open_store(tmp_path)
    with store_key() as key:
        settings = StoreSettings(tmp_path / "store.db", DEVICE, PURPOSE, SITE)
        store, saved = open_or_mend(settings, key, moment())
    assert saved is not None
    assert [entry.subject for entry in store.gallery.references(PURPOSE)] == ["card-1", "card-3"]
    store.close()


def test_a_renewed_key_makes_templates_that_do_not_compare_with_the_former(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for number in (1, 2):
        store.gallery.add(moment(), reference(number))
    before = store.gallery.references(PURPOSE)
    assert store.gallery.renew_protection(moment()) == 2 * 2
    after = store.gallery.references(PURPOSE)
    for old, new in zip(before, after, strict=True):
        (face, finger), (new_face, new_finger) = old.templates, new.templates
        assert isinstance(face, ProtectedFace)
        assert isinstance(new_face, ProtectedFace)
        assert abs(float(face.embedding @ new_face.embedding)) < 0.4
        with pytest.raises(OtherProtectionKey):
            compare(face, new_face)
        assert isinstance(finger, ProtectedFinger)
        assert isinstance(new_finger, ProtectedFinger)
        assert new_finger.sealed != finger.sealed
        renewed = renewed_protection(store)
        opened = renewed.opened(new_finger, new.entry_id)
        assert plain_codec.encode(opened) == plain_codec.encode(protection().opened(finger, old.entry_id))
    assert store.verify_audit() == 3
    store.close()
    remains = before[0].templates[0].embedding.tobytes()[:32]  # type: ignore[union-attr]
    assert not [page for page in pages(tmp_path) if remains in page]


def test_a_damaged_store_keeps_its_templates_usable_unless_a_renewed_key_is_lost(tmp_path: Path) -> None:
    for renewed, usable in ((False, 2), (True, 0)):
        folder = tmp_path / str(renewed)
        folder.mkdir()
        store = open_store(folder)
        for number in (1, 2):
            store.gallery.add(moment(), reference(number))
        if renewed:
            store.gallery.renew_protection(moment())
        store.close()
        with opened_behind_its_back(folder) as connection:
            connection.execute("UPDATE appliance SET protection_key = x''")
        quarantine.set_aside(folder / "store.db")
        with store_key() as key:
            mended, saved = open_or_mend(
                StoreSettings(folder / "store.db", DEVICE, PURPOSE, SITE), key, moment()
            )
        assert saved is not None
        assert len(mended.gallery.references(PURPOSE)) == usable
        mended.close()


def renewed_protection(store: Store) -> TemplateProtection:
    with store.gallery.protection_key() as key:
        return TemplateProtection(key)


def pages(folder: Path) -> list[bytes]:
    return list(decrypted_pages(folder / "store.db", KEY))
