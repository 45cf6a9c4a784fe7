"""What is erased at one appliance is gone everywhere: it does not come back, and no sealed copy stays."""

from __future__ import annotations

import asyncio
import os
import random
from datetime import date
from functools import partial
from pathlib import Path

import grpc
import grpc.aio
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aidpost.v1 import gallery_pb2
from firmware.clock import Clock
from firmware.gallery.judging import Making
from firmware.gallery.keyring import Keyring
from firmware.gallery.values import Waiting
from firmware.uplink.backoff import Backoff
from firmware.uplink.gallery_calls import connected
from firmware.uplink.gallery_exchange import SharedSettings
from firmware.uplink.gallery_sync import GallerySync
from tests.kit.aggregator_database import database, fill
from tests.kit.decrypted_pages import decrypted_pages
from tests.kit.shared_site import Appliance, Site, directly, hear, in_store_of, on_either
from tests.kit.store_values import KEY, PURPOSE, SITE, moment, open_store, opened_behind_its_back, reference
from trust.gallery.change import Kind, Part
from trust.gallery.sealing import Place, SealedModality

TABLES = ("changes", "authors", "position", "rosters")


async def push_unanswered(shared: Site, appliance: Appliance, *entry_ids: bytes) -> None:
    """Hand in new entries as `hand_in` does, and lose the answer."""
    roster = shared.custodians.roster
    member = next(each for each in roster.members if each.device_id == appliance.author.device_id)
    held = appliance.store.shared.held()
    keyring = Keyring(appliance.author.keys, member.device_id)
    keyring.take(held.rosters)
    making = Making(roster, member, keyring, appliance.author.keys, appliance.matcher.plain)
    found = {each: appliance.store.shared.reference(each) for each in entry_ids}
    references = {entry_id: each for entry_id, each in found.items() if each is not None}
    changes = making.changes(Waiting((), entry_ids, ()), references, {}, held.heads.get(member.number), ())
    async with connected(appliance.sharing._dialler) as calls:
        assert (await calls.push(roster.gallery_id, held.version, changes))[0] is not None
    keyring.close()


@on_either
async def test_an_entry_whose_registration_was_taken_unheard_does_not_come_back_once_erased(
    shared: Site,
) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    await desk.sync()
    desk.register(reference(1))
    await push_unanswered(shared, desk, reference(1).entry_id)
    await gate.sync()
    assert gate.subjects() == {"card-1"}
    desk.erase(reference(1).entry_id)
    await desk.sync()
    await gate.sync()
    assert desk.subjects() == gate.subjects() == set()
    assert desk.matcher.ids == gate.matcher.ids == set()
    assert (await shared.state()).erased == 1
    assert desk.reports | gate.reports == {}


async def test_an_erasure_that_was_not_told_outlives_the_store(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(1), reference(2))
    await desk.sync()
    await gate.sync()
    gate.erase(reference(1).entry_id)
    # As a store that was set aside and begun anew: it takes over the tables of the work, and no gallery_*.
    with opened_behind_its_back(gate.folder) as db:
        for table in TABLES:
            db.execute(f"DELETE FROM gallery_{table}")  # noqa: S608
    await gate.sync()
    await desk.sync()
    assert desk.subjects() == gate.subjects() == {"card-2"}
    with opened_behind_its_back(gate.folder) as db:
        assert db.execute("SELECT count(*) FROM tombstones").fetchone() == (0,)


@on_either
async def test_a_restored_aggregator_is_handed_an_untold_erasure_with_its_entry(shared: Site) -> None:
    desk = await shared.appliance("desk-1")
    await shared.admit(desk)
    desk.register(reference(1), reference(2))
    await desk.sync()
    with database(shared) as db:
        # As a backup of the aggregator from before the registrations.
        db.execute("DELETE FROM gallery_log")
        db.execute("UPDATE galleries SET version = 0")
    desk.erase(reference(1).entry_id)
    await desk.sync()
    state = await shared.state()
    assert (state.entries, state.erased, desk.subjects()) == (1, 1, {"card-2"})
    assert "refused" not in desk.reports


async def test_two_appliances_may_erase_the_same_entry(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(1), reference(2))
    await desk.sync()
    await gate.sync()
    with database(shared) as db:
        before = db.execute("SELECT * FROM gallery_log").fetchall()
    desk.erase(reference(1).entry_id)
    await desk.sync()
    with database(
        shared
    ) as db:  # restored from a backup; meanwhile the entry's days were over at the gate too
        fill(db, "gallery_log", before)
        db.execute("UPDATE galleries SET version = 2")
    gate.erase(reference(1).entry_id)
    await gate.sync()
    desk.register(reference(3))
    for appliance in (desk, gate, desk):
        await appliance.sync()
    assert desk.subjects() == gate.subjects() == {"card-2", "card-3"}
    assert "refused" not in desk.reports | gate.reports
    newcomer = await shared.appliance("gate-2")
    await shared.admit(newcomer)
    await newcomer.sync()
    assert newcomer.subjects() == {"card-2", "card-3"}
    assert (await shared.state()).entries == 2
    roots = {each.store.shared.root() for each in (desk, gate, newcomer)}
    assert len(roots) == 1


def sealed_of(appliance: Appliance) -> list[bytes]:
    with opened_behind_its_back(appliance.folder) as db:
        rows = db.execute("SELECT change FROM gallery_changes WHERE newest AND NOT erases").fetchall()
    return [part.sealed for (data,) in rows for part in gallery_pb2.GalleryChange.FromString(data).parts]


def left(sealed: list[bytes], content: bytes) -> int:
    return sum(each[12:60] in content for each in sealed)


async def test_no_sealed_copy_of_an_erased_entry_stays_at_either_end(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(1), reference(2))
    await desk.sync()
    await gate.sync()
    sealed = sealed_of(gate)

    def at(appliance: Appliance) -> int:
        return left(sealed, b"".join(decrypted_pages(appliance.folder / "store.db", KEY)))

    def at_aggregator() -> int:
        store = shared.server.file
        log = store.with_name(store.name + "-wal")
        return left(sealed, store.read_bytes() + (log.read_bytes() if log.exists() else b""))

    assert (at(desk), at(gate), at_aggregator()) == (len(sealed),) * 3
    for number in (1, 2):
        desk.erase(reference(number).entry_id)
    assert at(desk) == 0  # before anybody is told
    await desk.sync()
    assert (at(desk), at_aggregator()) == (0, 0)
    await gate.sync()
    assert at(gate) == 0


@on_either
async def test_an_erasure_from_elsewhere_takes_pairs_and_links_of_the_subject_with_it(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(9))
    await desk.sync()
    await gate.sync()
    desk.register(reference(1, subject="card-7"))
    gate.register(reference(2, subject="card-7"))
    for appliance in (desk, gate, desk):
        await appliance.sync()
    gate.store.work.note_link(moment(), "card-7b", "card-7", date(2030, 1, 1))
    desk.erase(reference(1).entry_id)
    await desk.sync()
    await gate.sync()
    assert gate.store.work.resemblances() == [("card-7", "card-7")]  # the other entry is still here
    desk.erase(reference(2).entry_id)
    await desk.sync()
    await gate.sync()
    for appliance in (desk, gate):
        assert appliance.store.work.resemblances() == []
    with opened_behind_its_back(gate.folder) as db:
        assert db.execute("SELECT count(*) FROM links").fetchone() == (0,)


def test_an_entry_that_expires_takes_the_pairs_of_its_subject_with_it(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.gallery.add(moment(), reference(1))
    store.work.note_resemblance(moment(), "card-1", ["card-2"])
    store.gallery.remove(moment(), reference(1).entry_id, "reference expired")
    assert store.work.resemblances() == []
    store.close()


async def test_a_member_s_sealed_nothing_is_set_aside_and_sharing_goes_on(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    await desk.sync()
    await gate.sync()
    roster, entry_id = shared.custodians.roster, bytes([5]) * 16
    with desk.author.epoch_key(roster) as key, key.view() as view:
        place, nonce = Place(roster.gallery_id, 1, entry_id, SealedModality.FACE, 1), os.urandom(12)
        sealed = nonce + AESGCM(bytes(view)).encrypt(nonce, b"", place.associated_data())
    change = desk.author._change(roster, entry_id, 1, Kind.PUT, (Part.of(SealedModality.FACE, sealed),))
    async with connected(desk.sharing._dialler) as calls:
        await calls.push(roster.gallery_id, 0, [change])
    await gate.sync()
    assert list(gate.reports) == ["unopened"]


class _Broken:
    """A `Dialler` with a bug."""

    async def dial(self) -> grpc.aio.Channel:
        raise ValueError("a bug")

    def told_time(self, server_ns: int) -> None: ...

    async def refused(self) -> None: ...


async def test_an_unexpected_error_of_one_round_is_reported_and_the_next_round_is_tried(
    shared: Site,
) -> None:
    gate = await shared.appliance("gate-1")
    again = asyncio.Event()
    rounds = 0

    async def sleep(_duration_s: float) -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 2:
            again.set()
            await asyncio.Event().wait()

    settings = SharedSettings("gate-1", SITE, PURPOSE, "words", gate.author.card.encoded())
    sharing = GallerySync(
        settings,
        _Broken(),
        in_store_of(gate.store),
        directly,
        gate.matcher,
        gate.author.keys,
        Clock(),
        Backoff(random.SystemRandom()),
        report=partial(hear, gate.reports),
        sleep=sleep,
    )
    running = asyncio.create_task(sharing.run())
    try:
        async with asyncio.timeout(10):
            await again.wait()
        assert "ValueError" in gate.reports["failed"]
    finally:
        running.cancel()
        await asyncio.wait([running])


@on_either
async def test_an_erasure_is_told_although_what_the_aggregator_sends_is_refused(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(1), reference(2), reference(3))
    await desk.sync()
    await gate.sync()
    desk.register(reference(4))
    await desk.sync()
    with database(shared) as db:
        (whole,) = db.execute("SELECT change FROM gallery_log WHERE version = 4").fetchone()
        db.execute(
            "UPDATE gallery_log SET change = ? WHERE version = 4", (whole[:-1] + bytes([whole[-1] ^ 1]),)
        )
        for number in (1, 2):  # one after the other, each while nothing can be fetched
            gate.erase(reference(number).entry_id)
            await gate.sync()
            await gate.sync()
            assert "refused" in gate.reports
            (told, *_) = await shared.erasures()
            assert (told.entry_id, told.told_by) == (reference(number).entry_id, "gate-1")
            assert list(told.confirmed_by) == [], "it does not hold the log for that"
        assert len(await shared.erasures()) == 2
        db.execute("UPDATE gallery_log SET change = ? WHERE version = 4", (whole,))
    await desk.sync()
    assert desk.subjects() == {"card-3", "card-4"}
    await gate.sync()
    gate.erase(reference(3).entry_id)
    await gate.sync()
    await desk.sync()
    assert "refused" not in gate.reports | desk.reports
    assert gate.subjects() == desk.subjects() == {"card-4"}
    assert gate.store.shared.root() == desk.store.shared.root()
