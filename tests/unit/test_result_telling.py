"""Hooks are told results as the export policy allows: each once, in order, from the hook's beginning on."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import structlog

from aggregator.codec import parse_batch
from aggregator.exporting.policy import ExportPolicy, Recipient
from aggregator.exporting.telling import ROWS_AT_ONCE, ResultTeller
from aggregator.fleet.alerts import Severity
from aggregator.fleet.hooks import Hook
from aggregator.records import Hello
from aggregator.store import hooks, ingest, keeping
from aggregator.store.ingest import Admitted
from aggregator.store.result_telling import MAX_WAITING
from aggregator.store.writer import StoreWriter
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.link_device import EPOCH, SITE, Chained, check_in

HOOK = Hook(
    name="ministry", revision=0, url="https://ministry.example/results", email="",
    from_severity=Severity.URGENT, sites=(), results=True, disabled=False, fault="",
)  # fmt: skip


def policy(**changed: Any) -> ExportPolicy:
    recipient: dict[str, Any] = {
        "name": "ministry", "why": "figures", "formats": ("webhook",), "kinds": ("check_in",),
        "columns": ("time", "record", "outcome"), "until": "2026-12-31", **changed,
    }  # fmt: skip
    return ExportPolicy(
        format="aidpost export 1", edition=1, controller="room 4", recipients=(Recipient(**recipient),)
    )


class Desk:
    """A store with a device, and one who tells its results."""

    def __init__(self, store: StoreWriter, admitted: Admitted, allowed: ExportPolicy | None) -> None:
        self.store, self.admitted = store, admitted
        self._chained = Chained("desk-1", EPOCH)
        self._next = 1
        log = structlog.get_logger()
        self.teller = ResultTeller(store, allowed, bytes(32), lambda: NOW_NS, lambda: None, log)

    async def add_hook(self, hook: Hook = HOOK) -> None:
        await self.store.submit(lambda db: hooks.put(db, hook, b"k" * 32, NOW_NS, "root", allow_missing=True))

    async def report(self, count: int) -> None:
        packed = self._chained.pack(check_in(seq) for seq in range(self._next, self._next + count))
        self._next += count
        batch = parse_batch(packed, max_events=1000)
        await self.store.submit(lambda db: ingest.keep(db, self.admitted, batch, NOW_NS))

    async def waiting(self) -> list[list[dict[str, Any]]]:
        rows = await self.store.submit(
            lambda db: db.execute("SELECT body FROM deliveries ORDER BY number").fetchall()
        )
        return [json.loads(body)["rows"] for (body,) in rows]

    async def fault(self) -> str:
        found = await self.store.submit(lambda db: hooks.find(db, "ministry"))
        return found.fault if found else ""


@asynccontextmanager
async def desk(folder: Path, allowed: ExportPolicy | None) -> AsyncIterator[Desk]:
    store = StoreWriter(folder / "store.db", wall_ns=lambda: NOW_NS, max_bytes=None, on_fault=lambda _: None)
    await store.open()
    admitted = await store.admit(Hello("desk-1", EPOCH, 0, "0.1.0", SITE, 1, b"i" * 16), None)
    assert isinstance(admitted, Admitted)
    try:
        yield Desk(store, admitted, allowed)
    finally:
        await store.close()


async def test_each_result_is_told_once_from_the_hooks_beginning_on(tmp_path: Path) -> None:
    async with desk(tmp_path, policy()) as at:
        await at.report(3)
        await at.add_hook()
        assert await at.teller.turn() == 0
        await at.report(2)
        assert await at.teller.turn() == 1
        assert await at.teller.turn() == 0
        (rows,) = await at.waiting()
        assert [sorted(row) for row in rows] == [["outcome", "record", "time"]] * 2
        held = {check_in(seq).check_in.record_id.hex() for seq in (4, 5)}
        assert held.isdisjoint(row["record"] for row in rows)


async def test_what_arrives_after_all_was_erased_is_told_too(tmp_path: Path) -> None:
    async with desk(tmp_path, policy()) as at:
        await at.add_hook()
        await at.teller.turn()
        await at.report(3)
        await at.teller.turn()
        assert await at.store.submit(lambda db: keeping.forget_records(db, NOW_NS + 1, 100)) == 3
        await at.report(2)
        assert await at.teller.turn() == 1
        assert [len(rows) for rows in await at.waiting()] == [3, 2]


async def test_a_hook_that_does_not_answer_is_told_later_and_nothing_is_dropped(tmp_path: Path) -> None:
    async with desk(tmp_path, policy()) as at:
        await at.add_hook()
        await at.teller.turn()
        for _ in range(MAX_WAITING + 3):
            await at.report(1)
            await at.teller.turn()
        assert len(await at.waiting()) == MAX_WAITING
        await at.store.submit(lambda db: db.execute("DELETE FROM deliveries").rowcount)  # all arrived
        await at.teller.turn()
        (rows,) = await at.waiting()
        assert len(rows) == 3
        await at.report(ROWS_AT_ONCE)
        assert await at.teller.turn() == 1


async def test_who_is_not_in_the_policy_is_told_nothing_and_the_desk_sees_why(tmp_path: Path) -> None:
    cases = {
        "no policy": (None, "no export policy"),
        "other name": (policy(name="somebody-else"), "names nobody"),
        "file alone": (policy(formats=("csv",)), "may not have webhook"),
        "over": (policy(until="2025-12-31"), "up to 2025-12-31"),
    }
    for name, (allowed, why) in cases.items():
        (folder := tmp_path / name).mkdir()
        async with desk(folder, allowed) as at:
            await at.add_hook()
            await at.report(1)
            assert await at.teller.turn() == 0
            assert why in await at.fault()
            assert await at.waiting() == []
