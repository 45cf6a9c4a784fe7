"""A bundle says how an appliance is and nothing of anybody whom it served; the log can be followed."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from msgspec.structs import replace

from firmware import log as log_setup
from firmware.config import Config, Support
from firmware.config_file import load
from firmware.diagnostics.bundle import Findings, make_bundle
from firmware.diagnostics.handlers import PART, Diagnostics
from firmware.diagnostics.log_tail import MAX_UNREAD, LogTail
from firmware.orders import OrderExpired, OrderFailed, OrderRefused
from firmware.records import CommandKind
from firmware.uplink.codec import Command
from firmware.uplink.errors import LinkLost

FINDINGS = Findings(
    parts={"camera": "well", "fingerprint": "SensorUnavailable"},
    counts={"written": 12, "waiting": 3, "acknowledged": 9, "references": 40},
    lanes={"results": 3},
    notices=("fingerprint",),
    operating_point="clinic 0123abcd",
    models={"sface": "ab" * 32},
    uplink="connected",
    system={"machine": "aarch64", "uptime_s": 86_400},
)
COLLECT = Command(b"c" * 16, CommandKind.COLLECT_DIAGNOSTICS, expires_ns=0)
TAIL = Command(b"t" * 16, CommandKind.TAIL_LOG, expires_ns=0, duration_s=0.2)


class Calls:
    """Stands for the aggregator: keeps what it is told."""

    def __init__(self, *, silent: bool = False, lost: bool = False) -> None:
        self.bundles: list[bytes] = []
        self.lines: list[str] = []
        self.told = asyncio.Event()
        self._silent, self._lost = silent, lost

    async def hand_in(self, command_id: bytes, bundle: bytes) -> None:
        if self._silent:
            await asyncio.Event().wait()
        self.bundles.append(bundle)

    async def tell_log(self, command_id: bytes, lines: AsyncIterator[list[str]]) -> None:
        async for some in lines:
            self.lines += some
            self.told.set()
            if self._lost:
                raise LinkLost("it broke")


@pytest.fixture
def config(tmp_path: Path) -> Config:
    file = tmp_path / "kit.toml"
    file.write_text("""
[device]
id = "desk-1"
site = "north-gate"
purpose = "clinic check-in"
data = "/srv/private-folder"

[keys]
guard = "file"

[camera]
driver = "replay"
device = "/srv/pictures-of-people"

[uplink]
target = "aggregator.private.example:50051"
""")
    return load(file)


def desk(
    config: Config,
    calls: Calls,
    tail: LogTail | None = None,
    left_s: float = 60.0,
    notices: dict[str, str] | None = None,
) -> Diagnostics:
    async def findings() -> Findings:
        return FINDINGS

    shown = {} if notices is None else notices
    return Diagnostics(config, tail or LogTail(), calls, findings, shown, lambda _command: left_s)


def test_the_bundle_says_how_the_appliance_is_and_holds_no_path_address_or_person(config: Config) -> None:
    stream = io.StringIO()
    tail = log_setup.configure(stream=stream)
    structlog.get_logger().info("served", outcome="match", subject="HH-4711", operator="amina")
    bundle = zipfile.ZipFile(io.BytesIO(make_bundle(config, FINDINGS, tail.lines())))
    everything = b"".join(bundle.read(name) for name in bundle.namelist()).decode()
    for private in ("HH-4711", "amina", "private-folder", "pictures-of-people", "private.example"):
        assert private not in everything
    assert json.loads(bundle.read("findings.json"))["parts"]["fingerprint"] == "SensorUnavailable"
    assert json.loads(bundle.read("settings.json"))["session"]["tries"] == 3
    assert json.loads(bundle.read("log.jsonl"))["outcome"] == "match"
    assert stream.getvalue().strip() == bundle.read("log.jsonl").decode().strip()


async def test_a_bundle_is_handed_in_as_long_as_the_command_lasts(config: Config) -> None:
    calls = Calls()
    assert "handed in" in await desk(config, calls).collect(COLLECT)
    assert len(calls.bundles) == 1
    with pytest.raises(OrderExpired):
        await desk(config, Calls(silent=True), left_s=0.01).collect(COLLECT)


async def test_the_log_is_followed_with_the_sites_consent_alone_and_staff_see_it(config: Config) -> None:
    with pytest.raises(OrderRefused, match="has not agreed"):
        await desk(config, Calls()).tail(TAIL)
    agreed, calls, tail = replace(config, support=Support(log=True)), Calls(), LogTail()
    tail.write('{"event": "before"}\n')
    notices: dict[str, str] = {}
    diagnostics = desk(agreed, calls, tail, notices=notices)
    following = asyncio.create_task(diagnostics.tail(TAIL))
    await calls.told.wait()
    assert "follows the log" in notices[PART]
    tail.write('{"event": "meanwhile"}\n')
    await following
    tail.write('{"event": "after"}\n')
    assert [json.loads(line)["event"] for line in calls.lines] == ["before", "meanwhile"]
    assert PART not in notices


async def test_a_link_that_breaks_ends_the_following(config: Config) -> None:
    agreed, tail = replace(config, support=Support(log=True)), LogTail()
    tail.write("line\n")
    with pytest.raises(OrderFailed, match="link broke"):
        await desk(agreed, Calls(lost=True), tail).tail(TAIL)


async def test_what_a_slow_link_cannot_take_is_left_out_and_counted() -> None:
    tail = LogTail()
    with tail.followed() as follower:
        for number in range(MAX_UNREAD + 7):
            tail.write(f"{number}\n")
        lines: list[str] = []
        while len(lines) <= MAX_UNREAD:
            lines += await follower.next()
    assert lines[-1] == '{"event": "lines left out", "lines": 7}'
