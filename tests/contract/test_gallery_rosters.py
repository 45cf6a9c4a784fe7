"""Rosters that the administrator, or an older copy of the key set, puts in place of the true one."""

from __future__ import annotations

import shutil
from pathlib import Path

import grpc
import grpc.aio
import pytest

from aidpost.v1 import gallery_pb2
from firmware.custodian.key_set import KeySet
from tests.kit.aggregator_database import database, fill
from tests.kit.galleries import Custodians, passphrase
from tests.kit.link_device import PATIENCE_S
from tests.kit.shared_site import Site, on_either
from tests.kit.store_values import reference
from trust.gallery.roster import Roster


@on_either
async def test_a_roster_of_another_custodian_and_one_from_before_are_refused(
    shared: Site, tmp_path: Path
) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk)
    former = shared.custodians.key_set.roster_path.read_bytes()
    await shared.admit(gate)
    await gate.sync()
    own = Custodians(tmp_path / "the administrator's own")
    own.admit(gate.author.card)
    newcomer = await shared.appliance("gate-2")
    for data, edition in ((own.key_set.roster_path.read_bytes(), 99), (former, 100)):
        with database(shared) as db:
            db.execute("UPDATE gallery_rosters SET roster = ?", (data,))
            db.execute("UPDATE galleries SET edition = ?", (edition,))
        await newcomer.sync()
        assert (newcomer.store.shared.held().roster is None) is (data is not former)
        await gate.sync()
        assert "refused" in gate.reports
        held = gate.store.shared.held().roster
        assert held is not None
        assert held.custodian_words == shared.custodians.key_set.words
        assert held.edition == 2


async def test_a_roster_from_an_older_copy_of_the_key_set_is_refused_at_both_ends(
    shared: Site, tmp_path: Path
) -> None:
    desk, gate, thief = [await shared.appliance(name) for name in ("desk-1", "gate-1", "kit-07")]
    await shared.admit(desk, gate, thief)
    copy = tmp_path / "an older copy"
    shutil.copytree(shared.custodians.folder, copy)
    shared.custodians.rotate("kit-07")
    await shared.publish()
    desk.register(reference(1))
    await desk.sync()
    await gate.sync()
    older = KeySet.read(copy)
    forked = []
    with older.opened((), passphrase) as secret:
        for _ in range(2):  # one with the number that is known, and one with a newer number
            older.rotate((), secret)
            forked.append(older.roster_path.read_bytes())
    assert Roster.parse(forked[1]).member_of("kit-07") is not None
    async with shared.galleries() as service:
        request = gallery_pb2.PublishRosterRequest(roster=forked[1])
        with pytest.raises(grpc.aio.AioRpcError, match="made from an older copy"):
            await service.PublishRoster(request, timeout=PATIENCE_S)
    true = shared.custodians.roster
    for data in forked:  # with the administrator's help
        edition = Roster.parse(data).edition
        with database(shared) as db:
            db.execute("UPDATE gallery_rosters SET roster = ? WHERE epoch = 2", (data,))
            db.execute("UPDATE galleries SET edition = ?", (edition,))
        await gate.sync()
        assert f"roster {edition} does not go on from roster {true.edition}" in gate.reports["refused"]
        assert gate.store.shared.held().roster == true
    assert gate.subjects() == {"card-1"}


@on_either
async def test_an_aggregator_from_before_a_rotation_is_handed_the_newer_roster(shared: Site) -> None:
    desk, gate = await shared.appliance("desk-1"), await shared.appliance("gate-1")
    await shared.admit(desk, gate)
    former = shared.custodians.roster
    desk.register(reference(1))
    await desk.sync()
    await gate.sync()
    with database(shared) as db:
        before = {
            table: db.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
            for table in ("gallery_rosters", "gallery_log")
        }
    shared.custodians.rotate("gate-1")
    await shared.publish()
    desk.register(reference(2))
    await desk.sync()
    with database(shared) as db:
        for table, rows in before.items():
            fill(db, table, rows)
        db.execute("UPDATE galleries SET epoch = 1, edition = ?, version = 1", (former.edition,))
    gate.register(reference(3))  # whoever was taken out
    await desk.sync()
    await gate.sync()
    state = await shared.state()
    assert (state.epoch, state.edition, state.entries) == (2, former.edition + 1, 2)
    assert ("went back" in desk.reports, "membership" in gate.reports) == (True, True)
    assert desk.subjects() == {"card-1", "card-2"}
    assert [act for _, act in await shared.acts("gallery roster")] == ["gallery roster"] * 3
