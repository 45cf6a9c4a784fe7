"""The bus between workers, by a real NATS server: it comes back whatever the server did meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
import structlog

from aggregator.bus.nats import NatsBus
from aggregator.bus.port import Ended
from aggregator.link.log_relay import LogRelay
from tests.kit.link_device import PATIENCE_S
from tests.kit.nats import PROGRAM, running_nats

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Debian's nats-server")


ASKED = bytes(16)


class Heard:
    """What a worker heard: devices for which it was woken, and words of streams that end.

    lines: where those of logs go.
    """

    def __init__(self, lines: LogRelay | None = None) -> None:
        self.devices: asyncio.Queue[str] = asyncio.Queue()
        self.ends: set[str] = set()
        self.lines = lines

    def woken(self, device_ids: Collection[str]) -> None:
        for device_id in device_ids:
            self.devices.put_nowait(device_id)

    def woken_all(self) -> None: ...

    def ended(self, what: Ended) -> None:
        self.ends.add(what.message)

    def told(self, command_id: bytes, lines: tuple[str, ...] | None) -> None:
        if self.lines is not None:
            self.lines.told(command_id, lines)


@asynccontextmanager
async def bus_to(
    url: str, heard: Heard, log: structlog.testing.LogCapture, fleet: str = "north"
) -> AsyncIterator[NatsBus]:
    bus = NatsBus((url,), fleet, structlog.wrap_logger(structlog.PrintLogger(), processors=[log]))
    await bus.start(heard)
    try:
        yield bus
    finally:
        await bus.stop()


# nats-py leaves the connections that a server refused to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_a_server_that_is_down_at_first_and_one_that_refuses_meanwhile_are_healed(
    tmp_path: Path,
) -> None:
    heard, log, rights = Heard(), structlog.testing.LogCapture(), tmp_path / "nats.conf"

    async def reached() -> None:
        while heard.devices.empty():
            there.wake(("desk-1",))
            await asyncio.sleep(0.05)  # until both are back
        heard.devices = asyncio.Queue()

    with running_nats() as server:
        server.stop()
        async with (
            asyncio.timeout(PATIENCE_S),
            bus_to(server.url, heard, log) as here,
            bus_to(server.url, Heard(), structlog.testing.LogCapture()) as there,
        ):
            with here.holding("desk-1"):
                while not log.entries:  # noqa: ASYNC110 -- of the client's own pace
                    await asyncio.sleep(0.05)
                rights.write_text("")
                server.start("-c", str(rights))
                await reached()
                # It ends those that are connected, after which nats-py does not try again.
                rights.write_text('authorization { token: "of another fleet" }')
                server.reload()
                await asyncio.to_thread(server.wait_until_it_says, "authentication error")
                rights.write_text("")
                server.reload()
                await reached()
    events = [entry["event"] for entry in log.entries if entry["event"] != "bus.not_told"]
    assert events == ["bus.lost", "bus.recovered"] * 2, log.entries


async def test_two_fleets_on_one_cluster_have_devices_of_one_name_and_do_not_hear_each_other() -> None:
    log, heard = structlog.testing.LogCapture(), {"north": Heard(), "south": Heard()}
    with running_nats() as server:
        async with asyncio.timeout(PATIENCE_S), AsyncExitStack() as stack:
            tell: dict[str, NatsBus] = {}
            for fleet, hears in heard.items():
                holds = await stack.enter_async_context(bus_to(server.url, hears, log, fleet))
                stack.enter_context(holds.holding("desk-1"))
                tell[fleet] = await stack.enter_async_context(bus_to(server.url, Heard(), log, fleet))
            while not all(hears.ends for hears in heard.values()):
                for fleet, bus in tell.items():
                    bus.end(Ended("desk-1", 0, "ABORTED", fleet))
                await asyncio.sleep(0.05)  # until all are connected
    assert {fleet: hears.ends for fleet, hears in heard.items()} == {"north": {"north"}, "south": {"south"}}


async def test_who_follows_a_log_at_one_worker_has_what_a_device_tells_at_another() -> None:
    log = structlog.testing.LogCapture()
    heard = Heard()
    with running_nats() as server:
        async with (
            asyncio.timeout(PATIENCE_S),
            bus_to(server.url, heard, log) as here,
            bus_to(server.url, Heard(), log) as there,
        ):
            heard.lines = relay = LogRelay(here)
            told = LogRelay(there)
            follow = relay.follow(ASKED)
            first = asyncio.ensure_future(anext(follow))
            long = ("x" * 4000,) * 400  # more than a message of NATS takes
            with told.telling(ASKED):
                while not first.done():
                    told.tell(ASKED, ("begin",))
                    await asyncio.sleep(0.05)  # until both are connected, and it follows
                told.tell(ASKED, long)
            lines = [line async for lines in follow for line in lines]
    assert await first == ("begin",)
    assert [line for line in lines if line != "begin"] == list(long)
