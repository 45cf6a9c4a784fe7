"""Pairs that may be of one person are decided by two people, and erasures are followed to each device."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta

import grpc
import grpc.aio
import pytest

from aggregator.gallery_commands import unconfirmed_words
from aidpost.v1 import gallery_pb2
from firmware.lease import LeaseLimits
from tests.kit.link_device import PATIENCE_S
from tests.kit.shared_site import Site, on_either
from tests.kit.store_values import (
    reference,
)
from trust.names import Role


@on_either
async def test_two_people_decide_whether_a_pair_is_one_person_and_it_can_be_undone(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    desk.register(reference(9))
    await desk.sync()
    await gate.sync()
    first, second = reference(1, subject="card-7"), reference(2, subject="card-8")
    desk.register(first)
    gate.register(second)
    gate.alike_by_hand[first.entry_id] = second.entry_id
    desk.alike_by_hand[second.entry_id] = first.entry_id
    for appliance in (desk, gate, desk):
        await appliance.sync()
    await shared.send_events(gate)
    (pair,) = await shared.pairs()
    assert {pair.first, pair.second} == {first.entry_id, second.entry_id}
    assert (pair.told_by, pair.score_hundredths, pair.finding) == ("gate-1", 1250, 0)
    assert b"card-7" not in pair.SerializeToString()

    amina, tomas = await shared.person("amina"), await shared.person("tomas")
    auditor = await shared.person("vera", Role.AUDITOR)
    same, different = gallery_pb2.FINDING_SAME_PERSON, gallery_pb2.FINDING_DIFFERENT_PEOPLE
    with pytest.raises(grpc.aio.AioRpcError, match="not for the role auditor"):
        await shared.decide(auditor, pair.number, same)
    await shared.decide(amina, pair.number, same)
    with pytest.raises(grpc.aio.AioRpcError, match="another person has to confirm it"):
        await shared.decide(amina, pair.number, same)
    # The same person in another role is no second person.
    amina = await shared.person("amina", Role.CUSTODIAN)
    with pytest.raises(grpc.aio.AioRpcError, match="another person has to confirm it"):
        await shared.decide(amina, pair.number, same)
    assert (await shared.decide(tomas, pair.number, different)).finding == 0  # they differ: open again
    await gate.sync()
    assert gate.store.work.resemblances() == [("card-7", "card-8")]

    await shared.decide(tomas, pair.number, same)
    decided = await shared.decide(amina, pair.number, same)
    assert (decided.proposed_by, decided.confirmed_by) == ("tomas", "amina")
    with pytest.raises(grpc.aio.AioRpcError, match="is decided"):
        await shared.decide(tomas, pair.number, different)
    for appliance in (desk, gate):
        await appliance.sync()
        assert [sorted(each[:2]) for each in appliance.store.adjudged.pairs()] == [["card-7", "card-8"]]
        assert appliance.store.work.resemblances() == []
        assert appliance.subjects() == {"card-7", "card-8", "card-9"}

    await shared.undo(tomas, pair.number)
    for appliance in (desk, gate):
        await appliance.sync()
        assert appliance.store.adjudged.pairs() == []
        assert appliance.subjects() == {"card-7", "card-8", "card-9"}
    assert gate.store.work.resemblances() == [("card-7", "card-8")]
    assert await shared.acts("adjudication") == [
        ("operator amina", "adjudication proposed"),
        ("operator tomas", "adjudication disputed"),
        ("operator tomas", "adjudication proposed"),
        ("custodian amina", "adjudication decided"),
        ("operator tomas", "adjudication undone"),
    ]

    about = f"{pair.number}: {pair.first.hex()} {pair.second.hex()}"
    assert await shared.audited("adjudication disputed") == [
        f"{about}, amina says one person; tomas says different people"
    ]
    assert await shared.audited("adjudication decided") == [
        f"{about}, tomas says one person; amina says one person"
    ]
    number = str(pair.number)
    decide = ("adjudications", "decide", number, "--same")
    assert "one person, says tomas; another person" in await shared.administer(tomas, *decide)
    assert "one person, by tomas and amina." in await shared.administer(amina, *decide)
    listed = await shared.administer(auditor, "adjudications", "list")
    assert f"{pair.first.hex()} {pair.second.hex()} strong, 12.50 gate-1" in " ".join(listed.split())
    assert "No pair waits." in await shared.administer(auditor, "adjudications", "list", "--open")
    await gate.sync()
    gate.erase(second.entry_id)  # an erased entry takes its link with it, here and there
    assert gate.store.adjudged.pairs() == []
    await gate.sync()
    assert await shared.pairs() == []
    # What another appliance found too, and comes only now, opens nothing for an entry that is erased.
    await shared.send_events(desk)
    assert await shared.pairs() == []


async def test_the_ledger_of_erasures_says_how_a_device_that_stays_away_becomes_unreadable(
    shared: Site,
) -> None:
    desk = await shared.appliance("desk-1")
    gate = await shared.appliance("gate-1", lease=LeaseLimits(30 * 86_400_000_000_000, 200))
    lane = await shared.appliance("lane-1")
    await shared.admit(desk, gate, lane)
    desk.register(reference(1))
    for appliance in (desk, gate, lane, gate, lane):
        await appliance.sync()
    desk.erase(reference(1).entry_id)
    await desk.sync()
    (told,) = await shared.erasures()
    leases = {each.device_id: (each.lease_uptime_s, each.lease_boots) for each in told.unconfirmed_by}
    assert leases == {"gate-1": (30 * 86_400, 200), "lane-1": (0, 0)}
    by = told.unconfirmed_by[0].asked_at.ToDatetime() + timedelta(days=30)
    assert [unconfirmed_words(each).split(", ", 1)[1] for each in told.unconfirmed_by] == [
        f"unreadable by {by:%Y-%m-%d} if it runs on, otherwise after 30 days of uptime or 200 boots without "
        "contact)",
        "has no lease: it stays readable)",
    ]


async def test_every_decision_reaches_the_appliances_and_every_page_of_pairs_is_had(shared: Site) -> None:
    desk = await shared.appliance("desk-1")
    await shared.admit(desk)
    desk.register(reference(1))
    await desk.sync()
    pairs = [(number.to_bytes(16, "big"), bytes([255]) * 16) for number in range(1, 1203)]
    with closing(sqlite3.connect(shared.folder / "aggregator.db")) as db, db:
        db.executemany(
            """INSERT INTO adjudications (gallery, first, second, score_llr, strength, told_by, told_ns, same,
                   proposed_by, confirmed_by, decided_ns)
               VALUES (1, ?, ?, 9, 'fair', 'desk-1', 1, 1, 'a', 'b', ?)""",
            [(*pair, number if number > 2 else None) for number, pair in enumerate(pairs, 1)],
        )
        db.execute("UPDATE galleries SET decisions = 1")
    await desk.sync()
    (held,) = desk.store._db.execute("SELECT count(*) FROM adjudged").fetchone()
    assert held == 1200
    for page_size in (0, 500, 1000):
        found = await shared.pairs(page_size)
        assert [pair.number for pair in found] == [2, 1, *range(1202, 2, -1)]
    request = gallery_pb2.ListAdjudicationsRequest(page_token="x")
    async with shared.galleries() as service:
        with pytest.raises(grpc.aio.AioRpcError, match="page_token"):
            await service.ListAdjudications(request, timeout=PATIENCE_S)


@on_either
async def test_a_device_that_was_taken_out_stays_in_the_ledger_of_what_it_had(shared: Site) -> None:
    desk = await shared.appliance("desk-1")
    gone = await shared.appliance("gone-1", lease=LeaseLimits(30 * 86_400_000_000_000, 200))
    await shared.admit(desk, gone)
    desk.register(reference(1))
    for appliance in (desk, gone, gone):
        await appliance.sync()
    shared.custodians.rotate("gone-1")
    await shared.publish()
    desk.register(reference(2))  # which the one that is gone never had
    await desk.sync()
    for entry in (reference(1), reference(2)):
        desk.erase(entry.entry_id)
        await desk.sync()
    await desk.sync()
    every, still = await shared.erasures(), await shared.erasures(only_open=True)
    assert [each.entry_id for each in every] == [reference(2).entry_id, reference(1).entry_id]
    assert [each.entry_id for each in still] == [reference(1).entry_id]
    (waits,) = still[0].unconfirmed_by
    assert (waits.device_id, waits.former_member) == ("gone-1", True)
    assert unconfirmed_words(waits).startswith("gone-1, no member any more (asked ")
    assert "unreadable by " in unconfirmed_words(waits)
