"""What the aggregator asks for is done once, and its result waits in the outbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from firmware.clock import Clock
from firmware.orders import Handler, LastAct, OrderFailed, OrderRefused, Orders, at_once
from firmware.records import CommandKind, CommandOutcome, CommandResult
from firmware.store.thread import StoreThread
from firmware.uplink.codec import Command
from firmware.uplink.time_hints import TimeHints
from tests.kit.store_values import open_store

NOW_NS = 1_800_000_000_000_000_000
LATER_NS = NOW_NS + 60_000_000_000
DEADLINE_S = 60.0


class Desk:
    """Orders over a real store; `done` counts what was carried out, `locked` when the keys went."""

    def __init__(self, store: StoreThread) -> None:
        self.store = store
        self.done: list[CommandKind] = []
        self.locked_at: list[int] = []
        self.hints = TimeHints()
        self.hints.hear(NOW_NS, asked_ns=0, heard_ns=0)
        self.written = asyncio.Event()
        self.quiet = asyncio.Event()
        handlers: dict[CommandKind, Handler] = {
            CommandKind.SELF_TEST: self._well,
            CommandKind.SYNC_NOW: self._ill,
            CommandKind.RESTART: self._restart,
            CommandKind.OPEN_SUPPORT: self._support,
        }
        self.orders = Orders(
            store.run,
            Clock(monotonic_ns=lambda: 0),
            self.hints,
            handlers=handlers,
            last_acts={CommandKind.LOCK: LastAct(at_once, "the keys go", self._lock)},
            beside=frozenset({CommandKind.RESTART, CommandKind.OPEN_SUPPORT}),
            committed=self.written.set,
            acknowledged=self._acknowledged,
        )

    async def result(self, command: Command) -> CommandResult:
        self.written.clear()
        self.orders.take(command)
        async with asyncio.timeout(DEADLINE_S):
            await self.written.wait()
        return (await self.results())[-1]

    async def results(self) -> list[CommandResult]:
        waiting = await self.store.run(lambda store: store.outbox.pending(0, 100))
        return [each.event.body for each in waiting if isinstance(each.event.body, CommandResult)]

    async def _restart(self, _command: Command) -> None:
        await self.quiet.wait()
        self.done.append(CommandKind.RESTART)

    async def _support(self, command: Command) -> str:
        if command.duration_s <= 0:
            raise OrderRefused("for how long?")
        return f"open for {command.duration_s:g} s"

    async def _well(self, _command: Command) -> str:
        self.done.append(CommandKind.SELF_TEST)
        return "well"

    async def _ill(self, _command: Command) -> str:
        raise OrderFailed("no:\nnot\u202enow " + "x" * 300)

    async def _acknowledged(self) -> None:
        self.locked_at.append(len(await self.results()))

    async def _lock(self) -> None:
        self.done.append(CommandKind.LOCK)
        self.written.set()


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[Desk]:
    store = await StoreThread.open(lambda: open_store(folder))
    desk = Desk(store)
    task = asyncio.create_task(desk.orders.run())
    try:
        yield desk
    finally:
        task.cancel()
        await asyncio.wait({task})
        await store.close()


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with opened(tmp_path) as desk:
        yield desk


def command(
    number: int, kind: CommandKind | None, expires_ns: int = LATER_NS, duration_s: float = 0.0
) -> Command:
    return Command(bytes([number]) * 16, kind, expires_ns, duration_s)


async def test_a_command_that_comes_twice_is_done_once(desk: Desk) -> None:
    asked = command(1, CommandKind.SELF_TEST)
    assert (await desk.result(asked)).outcome is CommandOutcome.DONE
    desk.orders.take(asked)
    failed = await desk.result(command(2, CommandKind.SYNC_NOW))
    assert failed.outcome is CommandOutcome.FAILED
    assert failed.detail.isprintable()  # the aggregator takes nothing else
    assert len(failed.detail) <= 200
    assert desk.done == [CommandKind.SELF_TEST]
    assert [result.command_id[0] for result in await desk.results()] == [1, 2]


async def test_what_comes_after_its_time_or_is_not_known_here_is_not_done(desk: Desk) -> None:
    late = await desk.result(command(1, CommandKind.SELF_TEST, expires_ns=NOW_NS))
    assert late.outcome is CommandOutcome.EXPIRED
    desk.orders.take(command(2, None))
    refused = await desk.result(command(3, CommandKind.RENEW_LEASE))
    assert refused.outcome is CommandOutcome.REFUSED
    assert desk.done == []


async def test_the_keys_go_only_after_the_last_word_was_written(desk: Desk) -> None:
    await desk.result(command(1, CommandKind.LOCK))
    desk.written.clear()
    async with asyncio.timeout(DEADLINE_S):
        while CommandKind.LOCK not in desk.done:
            await desk.written.wait()
    assert desk.locked_at == [1]


async def test_what_a_power_cut_ended_is_reported_and_not_done_again(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.orders.begin(bytes([1]) * 16, CommandKind.SELF_TEST, b"boot")
    assert not store.orders.begin(bytes([1]) * 16, CommandKind.SELF_TEST, b"boot")
    store.close()
    async with opened(tmp_path) as desk:
        async with asyncio.timeout(DEADLINE_S):
            await desk.written.wait()
        (result,) = await desk.results()
        assert result.outcome is CommandOutcome.INTERRUPTED
        assert desk.done == []


async def test_a_command_that_waits_holds_up_no_other(desk: Desk) -> None:
    desk.orders.take(command(1, CommandKind.RESTART))
    assert (await desk.result(command(2, CommandKind.SELF_TEST))).outcome is CommandOutcome.DONE
    assert desk.done == [CommandKind.SELF_TEST]


async def test_what_goes_on_for_a_time_is_told_for_how_long(desk: Desk) -> None:
    opened_for = await desk.result(command(1, CommandKind.OPEN_SUPPORT, duration_s=90.0))
    assert opened_for.detail == "open for 90 s"
    refused = await desk.result(command(2, CommandKind.OPEN_SUPPORT))
    assert refused.outcome is CommandOutcome.REFUSED


@pytest.mark.parametrize(
    ("kind", "boot", "outcome"),
    [
        (CommandKind.RESTART, "same", CommandOutcome.DONE),
        (CommandKind.REBOOT, "same", CommandOutcome.INTERRUPTED),
        (CommandKind.REBOOT, "other", CommandOutcome.DONE),
    ],
)
async def test_a_start_anew_is_told_by_the_start_that_followed(
    tmp_path: Path, kind: CommandKind, boot: str, outcome: CommandOutcome
) -> None:
    store = open_store(tmp_path)
    assert store.orders.begin(bytes([1]) * 16, kind, Clock().boot if boot == "same" else b"before")
    store.close()
    async with opened(tmp_path) as desk:
        async with asyncio.timeout(DEADLINE_S):
            await desk.written.wait()
        (result,) = await desk.results()
        assert result.outcome is outcome
