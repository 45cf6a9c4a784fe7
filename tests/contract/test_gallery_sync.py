"""Appliances that share a gallery through a real aggregator, which can read nothing of it."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from aidpost.v1 import gallery_pb2
from firmware.custodian.errors import CustodianError
from firmware.gallery import payload
from firmware.gallery.change_message import to_message
from firmware.records import ClockQuality
from firmware.uplink.gallery_calls import NoGallery
from tests.kit.galleries import Author
from tests.kit.link_device import PATIENCE_S
from tests.kit.shared_site import Site, on_either
from tests.kit.store_values import (
    HOUR_NS,
    PURPOSE,
    face_template,
    finger_template,
    moment,
    opened_behind_its_back,
    reference,
    registration,
)
from trust.consent import Purpose
from trust.gallery.change import Part
from trust.gallery.sealing import Place, SealedModality, seal


async def test_what_is_registered_at_one_appliance_is_known_at_the_other(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(1), reference(2))
    gate.register(reference(3))
    assert (await desk.sync()).pushed == 2
    done = await gate.sync()
    assert (done.added, done.pushed) == (2, 1)
    assert (await desk.sync()).added == 1
    assert desk.subjects() == gate.subjects() == {"card-1", "card-2", "card-3"}
    assert desk.matcher.ids == gate.matcher.ids
    assert desk.store.shared.root() == gate.store.shared.root()
    assert (await gate.sync()).added == 0
    assert (desk.reports, gate.reports) == ({}, {})


@on_either
async def test_an_erasure_reaches_the_others_and_nothing_brings_the_entry_back(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(1), reference(2))
    await desk.sync()
    await gate.sync()
    gate.erase(reference(1).entry_id)
    await gate.sync()
    state = await shared.state()
    assert {member.device_id: member.erasures_to_confirm for member in state.members} == {
        "desk-1": 1,
        "gate-1": 0,
    }
    (told,) = await shared.erasures()
    assert (told.entry_id, told.told_by) == (reference(1).entry_id, "gate-1")
    assert (list(told.confirmed_by), [each.device_id for each in told.unconfirmed_by]) == (
        ["gate-1"],
        ["desk-1"],
    )
    assert (await desk.sync()).removed == 1
    await desk.sync()
    assert list((await shared.erasures())[0].unconfirmed_by) == []
    assert desk.subjects() == {"card-2"}
    assert desk.matcher.ids == {reference(2).entry_id}
    state = await shared.state()
    assert (state.entries, state.erased) == (1, 1)
    assert [member.erasures_to_confirm for member in state.members] == [0, 0]


@on_either
async def test_after_a_rotation_everything_is_sealed_anew_and_the_former_key_is_dropped(shared: Site) -> None:
    desk, gate, lane = [await shared.appliance(name) for name in ("desk-1", "gate-1", "lane-1")]
    await shared.admit(desk, gate, lane)
    desk.register(reference(1), reference(2))
    gate.register(reference(3))
    await desk.sync()
    await gate.sync()
    await lane.sync()
    shared.custodians.rotate("gate-1")
    await shared.publish()
    # What the former member registered is sealed anew by the member with the lowest number.
    assert (await desk.sync()).pushed == 3
    state = await shared.state()
    assert (state.epoch, state.entries, state.former_epoch) == (2, 3, 0)
    await lane.sync()
    for appliance in (desk, lane):
        assert appliance.subjects() == {"card-1", "card-2", "card-3"}
        assert set(appliance.store.shared.held().rosters) == {2}
    gate.register(reference(4))
    await gate.sync()
    assert "membership" in gate.reports
    assert (await shared.state()).entries == 3
    newcomer = await shared.appliance("gate-2")
    await shared.admit(newcomer)
    await newcomer.sync()
    assert newcomer.subjects() == {"card-1", "card-2", "card-3"}


async def test_the_same_person_registered_at_two_appliances_offline_is_kept_twice(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(9))
    await desk.sync()
    await gate.sync()
    desk.register(reference(1, subject="card-7"))
    gate.register(reference(2, subject="card-7"))
    await desk.sync()
    await gate.sync()
    await desk.sync()
    for appliance in (desk, gate):
        assert len(appliance.store.gallery.references(PURPOSE)) == 3
        assert appliance.store.work.resemblances() == [("card-7", "card-7")]


async def test_a_day_s_bytes_hold_registrations_back_and_no_erasure(shared: Site) -> None:
    desk = await shared.appliance("desk-1")
    gate = await shared.appliance("gate-1", daily_bytes=12_000)
    await shared.admit(desk, gate)
    desk.register(*(reference(number) for number in range(1, 31)))
    await desk.sync()
    done = await gate.sync()
    assert (done.held_back, gate.subjects()) == (True, set())
    came = gate.store.shared.held().delivery
    assert came is not None
    assert came.changes > 0
    gate.sharing = gate.sharing_with(daily_bytes=20_000_000)
    # It goes on where it stopped, and an erasure meanwhile is not lost.
    desk.erase(reference(1).entry_id)
    await desk.sync()
    more = await gate.sync()
    assert (more.added, len(gate.subjects())) == (29, 29)
    assert more.size_bytes < 30 * 700 - came.changes * 500


async def test_an_erasure_is_told_although_the_day_s_bytes_are_used_up(shared: Site) -> None:
    desk = await shared.appliance("desk-1")
    gate = await shared.appliance("gate-1", daily_bytes=5_000)
    await shared.admit(desk, gate)
    desk.register(reference(1))
    await desk.sync()
    await gate.sync()
    desk.register(*(reference(number) for number in range(2, 20)))
    await desk.sync()
    assert (await gate.sync()).held_back
    gate.erase(reference(1).entry_id)
    await gate.sync()
    assert (await shared.state()).erased == 1


async def test_a_store_that_differs_is_repaired_bucket_by_bucket(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    entries = [reference(number, entry_id=bytes([number]) + bytes(15)) for number in range(1, 41)]
    desk.register(*entries)
    await desk.sync()
    await gate.sync()
    with opened_behind_its_back(gate.folder) as db:
        db.execute("DELETE FROM gallery_changes WHERE entry_id = ?", (entries[6].entry_id,))
        db.execute("DELETE FROM gallery WHERE entry_id = ?", (entries[6].entry_id,))
    done = await gate.sync()
    assert done.added == 1
    assert gate.subjects() == desk.subjects()
    assert 8192 < done.size_bytes < 8192 + 5 * 1200  # the buckets, and a few of forty entries


async def test_a_new_store_of_an_appliance_goes_on_with_its_own_numbers(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(1), reference(2))
    await desk.sync()
    desk.erase(reference(2).entry_id)
    await desk.sync()
    with opened_behind_its_back(desk.folder) as db:  # as a store that was set aside and begun anew
        for table in ("changes", "authors", "position", "rosters"):
            db.execute(f"DELETE FROM gallery_{table}")  # noqa: S608
    desk.register(reference(3), reference(2))  # the second as a backup has it that is older than its erasure
    await desk.sync()
    await gate.sync()
    assert desk.subjects() == gate.subjects() == {"card-1", "card-3"}
    assert "refused" not in gate.reports | desk.reports


async def test_a_device_that_is_no_member_gets_nothing_and_one_of_another_purpose_finds_none(
    shared: Site,
) -> None:
    desk, stranger = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk)
    desk.register(reference(1))
    await desk.sync()
    await stranger.sync()
    assert stranger.subjects() == set()
    assert stranger.store.shared.held().version == 0
    assert "membership" in stranger.reports
    other = await shared.appliance("lane-1", purpose=Purpose.DISTRIBUTION)
    with pytest.raises(NoGallery):
        await other.sync()


async def test_rosters_that_no_message_holds_are_carried_in_pieces_and_former_ones_not_at_all(
    shared: Site,
) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    others = [Author(shared.folder / name, name) for name in (f"kit-{number:02}" for number in range(1, 63))]
    shared.custodians.admit(*(other.card for other in others))
    await shared.admit(desk, gate)
    assert shared.custodians.key_set.roster_path.stat().st_size > 64 * 1024
    with pytest.raises(CustodianError, match="64 members, as many as"):
        shared.custodians.admit(Author(shared.folder / "kit-63", "kit-63").card)
    desk.register(reference(1), reference(2))
    await desk.sync()
    desk.erase(reference(2).entry_id)  # stays under the first key for ever
    await desk.sync()
    for _ in range(2):
        shared.custodians.rotate()
        await shared.publish()
        await desk.sync()
    assert (await gate.sync()).added == 1
    assert gate.subjects() == desk.subjects() == {"card-1"}
    assert (desk.reports, gate.reports) == ({}, {})


async def test_a_store_is_repaired_after_a_rotation_too(shared: Site) -> None:
    desk, gate, lane = [await shared.appliance(name) for name in ("desk-1", "gate-1", "lane-1")]
    await shared.admit(desk, gate, lane)
    gate.register(reference(1))
    await gate.sync()
    erased = reference(7, entry_id=reference(2).entry_id[:1] + bytes(15))  # in the bucket that is repaired
    desk.register(reference(2), erased)
    await desk.sync()
    desk.erase(erased.entry_id)
    for appliance in (desk, gate, lane):
        await appliance.sync()
    shared.custodians.rotate("gate-1")
    await shared.publish()
    for appliance in (desk, lane, desk, lane):
        await appliance.sync()
    assert set(lane.store.shared.held().rosters) == {2}
    with opened_behind_its_back(lane.folder) as db:
        entry_id = reference(2).entry_id
        db.execute("DELETE FROM gallery_changes WHERE newest AND NOT erases AND entry_id = ?", (entry_id,))
        entry = "(SELECT number FROM gallery WHERE entry_id = ?)"
        db.execute(f"DELETE FROM protected_templates WHERE entry = {entry}", (entry_id,))  # noqa: S608
        db.execute("DELETE FROM gallery WHERE entry_id = ?", (entry_id,))
    assert (await lane.sync()).added == 1
    assert lane.subjects() == desk.subjects() == {"card-1", "card-2"}
    assert "refused" not in lane.reports


async def test_the_days_of_an_entry_are_counted_from_its_registration_wherever_that_was(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    known = moment(quality=ClockQuality.CHECKED)
    desk.store.commit_registration(known, registration(reference(1)), reference(1))
    desk.register(reference(2))  # by a clock that nobody has checked
    await desk.sync()
    await gate.sync()
    # Who was taken out has its entries sealed anew by another one: no day is won by that.
    shared.custodians.rotate("desk-1")
    newcomer = await shared.appliance("gate-2")
    await shared.admit(newcomer)
    await gate.sync()
    await newcomer.sync()
    later = moment(240, boot=2, quality=ClockQuality.CHECKED)
    for appliance in (gate, newcomer):
        ages = appliance.store.ages.count(later)
        assert ages == {reference(1).entry_id: 240 * HOUR_NS, reference(2).entry_id: 0}


async def test_an_entry_that_does_not_open_keeps_nothing_else_away(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(1))
    await desk.sync()
    await gate.sync()
    # A stolen member signs one whose parts name two people, and one of nothing at all.
    thief = await shared.appliance("kit-07")
    await shared.admit(thief)
    roster = shared.custodians.roster
    bad = []
    with thief.author.epoch_key(roster) as key, key.view() as view:
        for entry_id, empty in ((b"\x05" * 16, False), (b"\x06" * 16, True)):
            parts = []
            for modality, subject in ((SealedModality.FACE, "a"), (SealedModality.FINGER, "b")):
                place = Place(roster.gallery_id, 1, entry_id, modality, 1)
                content = payload.encode(subject, (face_template(1), finger_template(1)))[modality]
                nothing = bytes(12) + AESGCM(bytes(view)).encrypt(bytes(12), b"", place.associated_data())
                parts.append(Part.of(modality, nothing if empty else seal(key, place, content)))
            bad.append(to_message(thief.author.put_parts(roster, entry_id, parts)))
    async with shared.galleries(thief.identity.held()) as service:
        request = gallery_pb2.PushChangesRequest(gallery_id=roster.gallery_id, version=1, changes=bad)
        await service.PushChanges(request, timeout=PATIENCE_S)
    desk.register(reference(2))
    desk.erase(reference(1).entry_id)
    await desk.sync()
    await gate.sync()
    assert gate.subjects() == {"card-2"}
    assert "refused" not in gate.reports
    assert gate.reports["unopened"].startswith("2 entries")
    # Nobody can open them, and yet anybody can withdraw them, here and everywhere.
    assert gate.store.shared.unopened() == [b"\x05" * 16, b"\x06" * 16]
    for entry_id in gate.store.shared.unopened():
        assert gate.store.shared.withdraw(moment(), entry_id)
        assert not gate.store.shared.withdraw(moment(), entry_id)
    await gate.sync()
    await desk.sync()
    assert (await shared.state()).erased == 3
    for appliance in (desk, gate):
        assert appliance.store.shared.unopened() == []
        assert "unopened" not in appliance.reports
