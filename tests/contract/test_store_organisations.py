"""Organisations that share one database see nothing of each other, whatever their role is made to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import asyncpg
import pytest

from aggregator.codec import parse_batch
from aggregator.records import Hello
from aggregator.store import administration, ingest
from aggregator.store.database import open_reader, open_writer
from aggregator.store.errors import StoreUnavailable
from aggregator.store.ingest import Admitted
from aggregator.store.place import Server
from aggregator.store.reader import read_devices, read_events, read_overview
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.link_device import EPOCH, SITE, Chained, check_in
from tests.kit.postgres import PostgresServer


@pytest.fixture
def shared(postgres: PostgresServer) -> Iterator[dict[str, Server]]:
    """The same store as each of its organisations has it, by role, and as its owner."""
    owner = postgres.new_store("shared")
    roles = {name: Server(owner.dsn.replace(f"{postgres.user}@", f"{name}@")) for name in ("north", "south")}
    for name in roles:
        postgres.run_sql(f"CREATE ROLE {name} LOGIN")
        postgres.run_sql(f"SELECT aidpost.add_organisation('{name}')", "shared")
    yield roles | {"owner": owner}
    postgres.run_sql("DROP DATABASE shared")
    for name in roles:
        postgres.run_sql(f"DROP ROLE {name}")


def hand_in(place: Server, events: int) -> None:
    """A device called desk-1 reports, and somebody administrates."""
    with open_writer(place, None) as db, db.atomic():
        db.take_turn()
        found = ingest.admit(db, Hello("desk-1", EPOCH, events, "0.1.0", SITE, 1, EPOCH), NOW_NS)
        assert isinstance(found, Admitted)
        packed = Chained("desk-1", EPOCH).pack([check_in(seq) for seq in range(1, events + 1)])
        assert ingest.keep(db, found, parse_batch(packed, max_events=500), NOW_NS).stored == events
        administration.append(db, NOW_NS, "root", "act", str(events))


def test_each_has_its_own_rows_under_the_same_names(shared: dict[str, Server]) -> None:
    for role, events in (("north", 3), ("south", 5)):
        hand_in(shared[role], events)
    for role, events in (("north", 3), ("south", 5)):
        with open_reader(shared[role]) as db:
            assert [device.device_id for device in read_devices(db)] == ["desk-1"]
            assert len(list(read_events(db))) == events
            assert read_overview(db, "2026-01-01", 1).tallies.total == {"match": events}
            assert [entry.subject for entry in administration.read(db, 1, 9)] == [str(events)]
            assert administration.first_broken(db) is None


async def test_a_role_reaches_no_rows_of_others_by_any_statement(shared: dict[str, Server]) -> None:
    for role, events in (("north", 3), ("south", 5)):
        await asyncio.to_thread(hand_in, shared[role], events)
    north = await asyncpg.connect(shared["north"].dsn, server_settings={"search_path": "aidpost"})
    try:
        # As if it were another: the setting is a default for new rows, and no right.
        await north.execute("SELECT set_config('aidpost.organisation', '2', FALSE)")
        tables = await north.fetch("SELECT polrelid::regclass::text AS name FROM pg_policy")
        assert len(tables) > 30
        for (table,) in tables:
            others = await north.fetchval(f"SELECT count(*) FROM {table} WHERE organisation <> 1")  # noqa: S608
            assert others == 0, table
        assert await north.execute("UPDATE devices SET site = 'taken'") == "UPDATE 1"
        for refused in (
            "INSERT INTO tallies VALUES ('2026-01-01', 'match', 1)",
            "UPDATE devices SET organisation = 2",
            "SET ROLE aidpost",
            "ALTER TABLE devices DISABLE ROW LEVEL SECURITY",
            "SELECT * FROM record_events",
            "INSERT INTO organisations (role) VALUES ('east')",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await north.execute(refused)
    finally:
        await north.close()


def test_the_owner_of_shared_tables_does_not_mix_them(shared: dict[str, Server]) -> None:
    for opening in (open_writer(shared["owner"], None), open_reader(shared["owner"])):
        with pytest.raises(StoreUnavailable, match="role of an organisation"), opening:
            pass
