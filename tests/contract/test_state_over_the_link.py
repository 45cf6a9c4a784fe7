"""What a device should be comes down its stream, and what it is goes up: over real gRPC."""

from __future__ import annotations

import grpc
import pytest

from aggregator.fleet.terms import FLEET, Site
from aggregator.store import fleet_inventory
from aggregator.store.database import open_reader
from aggregator.store.place import Place
from aidpost.v1 import state_pb2
from tests.kit.aggregator_fixture import NOW_NS, Running, apart
from tests.kit.fleet_store import ACTOR, change_beside, desire, device
from tests.kit.link_device import LinkDevice, check_in
from trust.state import ServiceWindow

APPLIED = state_pb2.DESIRED_RESULT_APPLIED
WAITING = state_pb2.DESIRED_RESULT_WAITING


def wish(store: Place, **settings: str) -> None:
    change_beside(store, lambda db: desire(db, FLEET, **settings))


def problems(store: Place) -> str:
    def read() -> str:
        with open_reader(store) as db:
            return "\n".join(device(db, "desk-1").problems)

    return apart(read)


async def test_a_device_is_told_after_it_reported_and_again_until_it_has_decided(
    server: Running, channel: grpc.aio.Channel
) -> None:
    first = LinkDevice(channel)
    await first.hello()
    assert await first.report([check_in(1)]) == 1
    wish(server.store, session__tries="3")
    await first.report_state(None, APPLIED)
    told = await first.desired()
    assert (told.generation, [setting.name for setting in told.settings]) == (1, ["session.tries"])
    await first.report_state(told, WAITING)
    window = ServiceWindow("Africa/Nairobi", 20 * 3600, 4 * 3600)
    site = Site(first.site, 0, window=window)
    change_beside(
        server.store,
        lambda db: fleet_inventory.put_site(
            db, site, revision=0, allow_missing=True, now_ns=NOW_NS, actor=ACTOR
        ),
    )
    await first.report_state(told, WAITING)
    again = await first.desired()
    assert (again.generation, again.window.time_zone) == (1, "Africa/Nairobi")
    first.break_off()

    second = LinkDevice(channel)
    await second.hello()
    assert (await second.desired()).generation == 1, "it has not decided"
    await second.report_state(told, APPLIED)
    wish(server.store, session__tries="4")
    await second.report_state(told, APPLIED)
    newer = await second.desired()
    assert (newer.generation, newer.settings[0].value) == (2, "4")
    await second.report_state(newer, APPLIED)
    assert await second.report([check_in(2)]) == 2, "the stream goes on"
    second.break_off()

    third = LinkDevice(channel)
    await third.hello()
    await third.report_state(newer, APPLIED)
    assert await third.report([check_in(3)]) == 3, "and nothing was told before it"


async def test_a_device_that_lies_is_noticed_and_told_the_truth(
    server: Running, channel: grpc.aio.Channel
) -> None:
    liar = LinkDevice(channel)
    await liar.hello()
    wish(server.store, session__tries="3")
    await liar.report_state(None, APPLIED)
    told = await liar.desired()
    await liar.report_state(told, APPLIED, digest=bytes(32))
    assert await liar.report([check_in(1)]) == 1, "what it counted is taken all the same"
    assert "a desired state that it was never given" in problems(server.store)
    await liar.report_state(told, APPLIED, generation=40)
    corrected = await liar.desired()
    assert "reports generation 40, was given 1 at most" in problems(server.store)
    assert (corrected.generation, corrected.digest) == (41, told.digest)
    doubts = server.logged("link.report_doubted")
    assert [entry["device_id"] for entry in doubts] == ["desk-1"], "once an hour, however often it lies"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"digest": b"short"}, "digest must be 32 bytes"),
        ({"settings": [state_pb2.Setting(name="Tries", value="1")]}, "table and key"),
        ({"settings": [state_pb2.Setting(name="a.b", value="1" * 5000)]}, "at most 4096 bytes"),
        ({"known_settings": ["session.tries", "Tries"]}, "table and key"),
    ],
)
async def test_a_report_that_is_none_ends_the_stream(
    channel: grpc.aio.Channel, said: dict[str, object], why: str
) -> None:
    link = LinkDevice(channel)
    await link.hello()
    await link.report_state(None, APPLIED, **said)
    ended = await link.ending()
    assert ended.code is grpc.StatusCode.INVALID_ARGUMENT
    assert why in ended.message
