"""The appliance's process is killed in each phase of a taking up; it comes up whole, and takes it up."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from aidpost.v1 import state_pb2
from inference import operating_point
from tests.kit.desired_rig import DEADLINE_S, Rig, artifact, rig, wanted
from trust.state import ArtifactKind

CONTENT = operating_point.DEFAULT.read_bytes() + b"\n"
POINT = artifact(ArtifactKind.OPERATING_POINT, CONTENT, "field")
PHASES = ("fetching", "awaiting quiet", "applying", "self-testing")


async def killed_at(post: Rig, word: str) -> None:
    """Run the appliance until its log says `word`, and kill it then and there."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.kit.desired_process",
        str(post.folder),
        str(post.aggregator.port),
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(DEADLINE_S):
            async for line in process.stdout:
                if b"desired state" in line and word.encode() in line:
                    return
        raise AssertionError(f"it ended before it was {word}")
    finally:
        process.kill()
        await process.communicate()


@pytest.mark.parametrize("phase", PHASES)
async def test_a_killed_process_comes_up_whole_and_goes_on(tmp_path: Path, phase: str) -> None:
    async with rig(tmp_path) as post:
        post.aggregator.files[bytes.fromhex(POINT.digest)] = CONTENT
        post.aggregator.desired = desired = wanted(1, {"session.tries": "2"}, POINT)
        await killed_at(post, phase)
        for _ in range(2):
            async with post.started() as appliance:
                used = (appliance.config.session.tries, appliance.config.inference.operating_point)
                assert used in ((4, None), (2, post.folder / "state" / "desired" / POINT.digest))
                if used[0] == 2:
                    reported = await post.result_of(1)
                    assert reported.result == state_pb2.DESIRED_RESULT_APPLIED
                    assert reported.digest == desired.digest
                    return
                await post.until_asked_to_start_anew()
        raise AssertionError("it was not taken up")
