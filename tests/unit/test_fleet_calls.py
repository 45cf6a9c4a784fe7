"""What a refused call leaves behind: nothing, whatever it had written, and whoever wrote beside it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aggregator.link.fleet.calls import FleetCalls
from aggregator.link.refusing import Refused, bad_field
from aggregator.records import CommandKind
from aggregator.store import administration, commands
from aggregator.store.commands import Cancelled
from aggregator.store.port import Database
from aggregator.store.view import StoreView
from aggregator.store.writer import StoreWriter
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.fleet_store import fleet_store
from trust.tls.callers import Callers


class Nobody:
    """A call of whoever did not come through the gate."""

    def peer(self) -> str:
        return "unix:"


async def test_what_a_refused_call_wrote_is_taken_back_and_nothing_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    writer = StoreWriter(path, wall_ns=lambda: NOW_NS, max_bytes=None, on_fault=lambda _fault: None)
    await writer.open()
    view = StoreView(path, lambda: NOW_NS)
    calls, context = FleetCalls(writer, view, Callers(), lambda: NOW_NS), Nobody()

    def write(db: Database, now_ns: int, actor: str) -> None:
        administration.append(db, now_ns, actor, "kept", "")

    def write_and_refuse(db: Database, now_ns: int, actor: str) -> None:
        administration.append(db, now_ns, actor, "taken back", "")
        raise bad_field("filter", "no device matches it")

    def call(work: Any) -> Any:
        return calls.do(context, work)  # type: ignore[arg-type]  # the part of a context that it uses

    # Handed in without a pause: all are in one commit.
    done = await asyncio.gather(call(write), call(write_and_refuse), call(write), return_exceptions=True)
    assert isinstance(done[1], Refused)
    acts = await writer.submit(lambda db: [entry.act for entry in administration.read(db, 0, 10)])
    assert acts == ["kept", "kept"]
    with pytest.raises(Refused, match="no device matches it"):
        await call(write_and_refuse)
    await writer.close()


def test_a_command_that_is_taken_back_while_it_waits_for_its_stream_is_not_sent(tmp_path: Path) -> None:
    command_id = bytes(16)
    with fleet_store(tmp_path / "store.db", {"desk-1": "north"}) as db:
        commands.send(
            db,
            command_id=command_id,
            device_id="desk-1",
            kind=CommandKind.SELF_TEST,
            asked_by="operator ana",
            now_ns=NOW_NS,
            expires_ns=NOW_NS + 10**9,
        )
        assert set(commands.due(db, NOW_NS, {"desk-1", "desk-2"})) == {"desk-1"}
        assert commands.cancel(db, command_id, NOW_NS, "operator ana") is Cancelled.DONE
        assert commands.note_delivered(db, command_id, NOW_NS) is False
        assert commands.due(db, NOW_NS, {"desk-1"}) == {}
