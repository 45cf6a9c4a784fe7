"""The aggregator's administrator, with the whole database in hand, tries to read, link, swap, forge, go back.

Two appliances share a gallery through a real aggregator; its database is then changed behind its back.
"""

from __future__ import annotations

import hashlib

import pytest

from aidpost.v1 import gallery_pb2
from firmware.gallery import change_message, payload
from firmware.gallery.change_message import to_message
from firmware.gallery.values import Delivered, Delivery
from firmware.uplink.gallery_calls import Chunk
from firmware.uplink.gallery_staging import Staging
from tests.kit.aggregator_database import Database, content_of, database, fill
from tests.kit.shared_site import Site, on_either
from tests.kit.store_values import face_template, finger_template, reference
from trust.gallery.errors import ChangeRefused


def changes(db: Database) -> dict[int, gallery_pb2.GalleryChange]:
    rows = db.execute("SELECT version, change FROM gallery_log ORDER BY version")
    return {version: gallery_pb2.GalleryChange.FromString(data) for version, data in rows}


def put_back(db: Database, version: int, change: gallery_pb2.GalleryChange) -> None:
    data = change.SerializeToString()
    db.execute("UPDATE gallery_log SET change = ? WHERE version = ?", (data, version))


@on_either
async def test_nothing_in_the_database_names_a_person_or_holds_a_template_or_a_key(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    entries = [reference(number, subject=f"KQ-4711-{number:06}") for number in range(1, 9)]
    desk.register(*entries)
    await desk.sync()
    await gate.sync()
    assert len(gate.subjects()) == 8
    held = content_of(shared)
    assert entries[0].entry_id in held  # the search finds what is there
    secret = [b"KQ-4711"]
    for number in range(1, 9):
        face, finger = face_template(number), finger_template(number)
        secret += [face.embedding.tobytes()[:16], face.embedding.astype("<f2").tobytes()[:16]]
        secret += [finger.minutiae.tobytes()[:16]]
        parts = payload.encode("x", (face, finger)).values()
        secret += [content[at : at + 12] for content in parts for at in range(8, len(content) - 12, 16)]
    for appliance in (desk, gate):
        with appliance.author.guard.store_key() as key, key.view() as view:
            secret.append(bytes(view))
        with appliance.author.epoch_key(shared.custodians.roster) as key, key.view() as view:
            secret.append(bytes(view))
    assert not [each for each in secret if each in held]


def swap(db: Database) -> None:
    first, second = changes(db)[3], changes(db)[4]
    first.parts[0].sealed, second.parts[0].sealed = second.parts[0].sealed, first.parts[0].sealed
    put_back(db, 3, first)
    put_back(db, 4, second)


def swap_whole(db: Database) -> None:
    third, fourth = changes(db)[3], changes(db)[4]
    put_back(db, 3, fourth)
    put_back(db, 4, third)


def forge(db: Database) -> None:
    change = changes(db)[3]
    change.parts[0].sealed = change.parts[0].sealed[:-1] + bytes([change.parts[0].sealed[-1] ^ 1])
    put_back(db, 3, change)


def replay(db: Database) -> None:
    put_back(db, 3, changes(db)[2])


def hold_back(db: Database) -> None:
    db.execute("DELETE FROM gallery_log WHERE version = 3")


def hold_back_an_erasure(db: Database) -> None:
    db.execute("DELETE FROM gallery_log WHERE erases = 1")


def bare(db: Database) -> None:
    change = changes(db)[3]
    for part in change.parts:
        part.digest = hashlib.sha256(part.sealed).digest()
        part.sealed = b""
    put_back(db, 3, change)


def rename(db: Database) -> None:
    change = changes(db)[3]
    change.entry_id = bytes(16)
    put_back(db, 3, change)
    db.execute("UPDATE gallery_log SET entry_id = ? WHERE version = 3", (bytes(16),))


def turn_into_an_erasure(db: Database) -> None:
    change = changes(db)[3]
    change.kind = gallery_pb2.CHANGE_KIND_ERASE
    change.ClearField("parts")
    put_back(db, 3, change)
    db.execute("UPDATE gallery_log SET erases = 1 WHERE version = 3")


def erase_what_was_not(db: Database) -> None:
    change = changes(db)[3]
    change.kind = gallery_pb2.CHANGE_KIND_ERASE
    change.entry_id = reference(9).entry_id
    change.ClearField("parts")
    put_back(db, 3, change)
    db.execute("UPDATE gallery_log SET erases = 1 WHERE version = 3")


ATTACKS = (
    swap,
    swap_whole,
    forge,
    replay,
    hold_back,
    hold_back_an_erasure,
    bare,
    rename,
    turn_into_an_erasure,
    erase_what_was_not,
)


@on_either
async def test_what_the_administrator_changes_is_refused_and_reported(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(9))
    await desk.sync()
    await gate.sync()
    desk.register(*(reference(number) for number in range(1, 5)))
    await desk.sync()
    desk.erase(reference(4).entry_id)
    await desk.sync()
    desk.register(reference(5))
    await desk.sync()
    assert (await shared.state()).version == 7
    for attack in ATTACKS:
        with database(shared) as db:
            db.execute("CREATE TABLE true_log AS SELECT * FROM gallery_log")
            attack(db)
        gate.reports.clear()
        await gate.sync()
        assert gate.subjects() == {"card-9"}, attack
        assert gate.matcher.ids == {reference(9).entry_id}, attack
        assert "refused" in gate.reports, attack
        assert gate.store.shared.held().version == 1, attack
        with database(shared) as db:
            db.execute("DELETE FROM gallery_log")
            db.execute("INSERT INTO gallery_log SELECT * FROM true_log")
            db.execute("DROP TABLE true_log")
    await gate.sync()
    assert gate.subjects() == desk.subjects()
    assert "refused" not in gate.reports


@on_either
async def test_going_back_to_an_older_state_is_reported_and_undone_by_whoever_knows_more(
    shared: Site,
) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(1))
    await desk.sync()
    with database(shared) as db:
        before = db.execute("SELECT * FROM gallery_log").fetchall()
    desk.register(reference(2))
    await desk.sync()
    desk.erase(reference(1).entry_id)
    await desk.sync()
    await gate.sync()
    with database(shared) as db:  # as a restored backup of the aggregator would have it
        fill(db, "gallery_log", before)
        db.execute("UPDATE galleries SET version = 1")
        db.execute("UPDATE gallery_positions SET version = 1")
    newcomer = await shared.appliance("gate-2")
    await shared.admit(newcomer)
    await gate.sync()
    assert "went back" in gate.reports
    assert gate.subjects() == {"card-2"}
    await newcomer.sync()
    assert newcomer.subjects() == {"card-2"}
    await desk.sync()
    assert desk.subjects() == {"card-2"}
    assert "refused" not in desk.reports | gate.reports | newcomer.reports


async def test_a_former_member_s_key_in_the_administrator_s_hands_brings_nothing_in(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    before = shared.custodians.roster
    desk.register(reference(1), reference(2))
    await desk.sync()
    await gate.sync()
    shared.custodians.rotate("gate-1")
    await shared.publish()
    await desk.sync()
    assert set(desk.store.shared.held().rosters) == {2}
    # The administrator has the stolen gate's keys: he signs under the former key, and lies about the root.
    forged = gate.author.put(before, reference(3))
    erased = gate.author.erase(before, reference(1).entry_id, 3)
    newcomer = await shared.appliance("gate-2")
    shared.custodians.admit(newcomer.author.card)
    await shared.publish()  # with it, the former roster is offered again
    with database(shared) as db:
        for version, change in ((5, forged), (6, erased)):
            db.execute(
                """INSERT INTO gallery_log (gallery, version, author, seq, entry_id, entry_version, erases,
                       epoch, link, newest, change, replaced, received_ns)
                   VALUES (1, ?, 2, ?, ?, ?, ?, 1, ?, 0, ?, ?, 0)""",
                (
                    version,
                    change.seq,
                    change.entry_id,
                    change.version,
                    change.kind.name == "ERASE",
                    change.link,
                    change_message.encoded(change),
                    b"",
                ),
            )
        db.execute("UPDATE galleries SET version = 6")
    await desk.sync()
    assert "refused" in desk.reports
    assert desk.subjects() == {"card-1", "card-2"}
    with database(shared) as db:  # the log is another one: the appliance asks for a repair
        db.execute("UPDATE gallery_log SET link = ? WHERE version = 4", (bytes(32),))
    await desk.sync()
    assert "refused" in desk.reports
    assert desk.subjects() == {"card-1", "card-2"}
    assert set(desk.store.shared.held().rosters) == {2}


async def test_a_former_member_s_erasure_is_signed_anew_by_nobody_who_did_not_know_of_the_rotation(
    shared: Site,
) -> None:
    desk, gate, thief = [await shared.appliance(name) for name in ("desk-1", "gate-1", "kit-07")]
    await shared.admit(desk, gate, thief)
    before = shared.custodians.roster
    desk.register(reference(1), reference(2))
    await desk.sync()
    await gate.sync()
    with database(shared) as db:
        known = db.execute("SELECT * FROM gallery_log").fetchall()
    shared.custodians.rotate("kit-07")
    await shared.publish()
    await desk.sync()
    erased = thief.author.erase(before, reference(1).entry_id, 2)
    # The administrator shows the gate, which has not heard of the rotation, the thief's erasure alone.
    with database(shared) as db:
        log = db.execute("SELECT * FROM gallery_log").fetchall()
        rosters = db.execute("SELECT * FROM gallery_rosters").fetchall()
        gallery = db.execute("SELECT epoch, edition, version FROM galleries").fetchone()
        db.execute("DELETE FROM gallery_rosters WHERE epoch = 2")
        db.execute("UPDATE galleries SET epoch = 1, edition = ?, version = 3", (before.edition,))
        fill(db, "gallery_log", known)
        db.execute(
            """INSERT INTO gallery_log (gallery, version, author, seq, entry_id, entry_version, erases, epoch,
                   link, newest, change, replaced, received_ns)
               VALUES (1, 3, 3, 1, ?, 2, 1, 1, ?, 0, ?, ?, 0)""",
            (erased.entry_id, erased.link, change_message.encoded(erased), b""),
        )
    await gate.sync()
    assert gate.subjects() == {"card-2"}  # it cannot know better, and nobody waits for an erasure
    with database(shared) as db:
        fill(db, "gallery_log", log)
        fill(db, "gallery_rosters", rosters)
        db.execute("UPDATE galleries SET epoch = ?, edition = ?, version = ?", gallery)
    gate.reports.clear()
    for appliance in (gate, desk, gate):
        await appliance.sync()
    assert (await shared.state()).erased == 0
    assert gate.subjects() == desk.subjects() == {"card-1", "card-2"}
    assert gate.reports == {}


async def test_nothing_is_staged_but_what_members_signed_and_no_more_than_was_asked_for(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    await gate.sync()
    roster, held = shared.custodians.roster, gate.store.shared.held()
    signed = [to_message(desk.author.put(roster, reference(number))) for number in range(1, 4)]
    forged = gallery_pb2.GalleryChange.FromString(signed[0].SerializeToString())
    forged.signature = bytes(64)
    size_bytes = signed[0].ByteSize()

    async def sent(limit_bytes: int, *places: tuple[int, gallery_pb2.GalleryChange], complete: bool) -> None:
        delivery = Delivery(Delivered.LOG, 3, bytes(32))
        gate.store.shared.begin(delivery)
        staging = Staging(gate.sharing._with, held, delivery, limit_bytes)
        await staging.take(Chunk(places, 0))
        staging.finish(complete=complete)

    first, second = (1, signed[0]), (2, signed[1])
    for limit_bytes, places, complete, sentence in (
        (0, [(1, forged)], True, "forged or altered"),
        (size_bytes + 100, [first, second], False, "more than the day's bytes"),
        (0, [first, (2, signed[0])], True, "a change again"),
        (0, [second, first], True, "out of its order"),
        (0, [(4, signed[0])], True, "out of its order"),
    ):
        with pytest.raises(ChangeRefused, match=sentence):
            await sent(limit_bytes, *places, complete=complete)
        assert gate.store.shared.staged() == []
    # An aggregator that says the day's bytes are used up, while they are not, keeps changes back.
    with pytest.raises(ChangeRefused, match="keeps changes back"):
        await sent(20_000_000, first, complete=False)
    await sent(size_bytes + 100, first, complete=False)
    assert len(gate.store.shared.staged()) == 1
