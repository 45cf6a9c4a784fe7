"""What people type at the desk arrives at a whole appliance over mutual TLS, and is seen to be in use."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from firmware.demo.joining import join
from firmware.demo.server import Server
from firmware.guard.key_file import DESTROYED
from inference import operating_point
from tests.kit.aggregator_stub import AggregatorStub
from tests.kit.desired_rig import DEADLINE_S, Rig, artifact
from tests.kit.store_values import DEVICE
from trust.state import ArtifactKind

CONTENT = operating_point.DEFAULT.read_bytes() + b"\n"  # the same thresholds in a file of its own


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    (tmp_path / "server").mkdir()
    running = await Server.start(tmp_path / "server")
    yield running
    await running.stop()


async def shown(server: Server) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(
        await server.administer("fleet", "devices", "show", DEVICE, "--format", "json")
    )
    return told


async def test_a_file_and_settings_are_desired_taken_up_and_then_the_appliance_is_wiped(
    server: Server, tmp_path: Path
) -> None:
    post = Rig(tmp_path, AggregatorStub(), target=server.target, with_tls=True)
    await join(server, post.config)
    file, point = tmp_path / "field.json", artifact(ArtifactKind.OPERATING_POINT, CONTENT)
    file.write_bytes(CONTENT)
    await server.administer(
        *("fleet", "artifacts", "add", str(file), "--kind", "operating-point", "--version", "field")
    )
    async with post.started() as appliance:
        async with asyncio.timeout(DEADLINE_S):
            await appliance.link.until_connected()
        await server.administer(
            *("fleet", "desire", "set", "session.tries=2", "--artifact", point.digest, "--device", DEVICE)
        )
        await post.until_asked_to_start_anew()
    async with post.started() as appliance:
        assert appliance.config.session.tries == 2
        assert appliance.config.inference.operating_point is not None
        assert appliance.config.inference.operating_point.read_bytes() == CONTENT
        async with asyncio.timeout(DEADLINE_S):
            await appliance.link.until_connected()
            while "applied" not in json.dumps(told := await shown(server)).lower():
                assert told
        await server.administer("fleet", "commands", "send", DEVICE, "wipe", "--yes")
        async with asyncio.timeout(DEADLINE_S):
            await appliance.custody.over.wait()
    assert [path.name for path in (tmp_path / "state").iterdir()] == [DESTROYED]
    commands = await server.administer("fleet", "commands", "list")
    assert "wipe" in commands
    assert "done" in commands.lower()
