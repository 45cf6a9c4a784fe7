"""Restart, reboot and wipe as an operator asks for them: told, done once nobody is served, and done whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from aidpost.v1 import event_pb2
from firmware import wiping
from firmware.guard.key_file import DESTROYED
from firmware.guard.settings import GuardSettings
from firmware.host import Ending
from firmware.opening import open_keys
from tests.kit.desired_rig import DEADLINE_S, CountedPower, Rig, rig
from trust.keys.errors import KeysDestroyed
from trust.keys.guard import GuardKind

RESTART, REBOOT = event_pb2.COMMAND_KIND_RESTART, event_pb2.COMMAND_KIND_REBOOT
WIPE, SELF_TEST = event_pb2.COMMAND_KIND_WIPE, event_pb2.COMMAND_KIND_SELF_TEST
DONE, REFUSED = event_pb2.COMMAND_OUTCOME_DONE, event_pb2.COMMAND_OUTCOME_REFUSED


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


async def test_a_restart_waits_for_who_is_served_and_the_next_start_tells_of_it(post: Rig) -> None:
    asked, tested = post.ask(RESTART), post.ask(SELF_TEST)
    async with post.started() as appliance:
        served = True
        appliance.occupancy.watch(lambda: served)
        assert (await post.result(tested)).outcome == DONE  # nothing else waits for it
        assert post.endings == []
        served = False
        await post.until_asked_to_start_anew()
        assert post.endings == [Ending.RESTART]
    async with post.started():
        assert (await post.result(asked)).outcome == DONE


async def test_a_reboot_is_asked_of_the_machine_or_refused_in_plain_words(post: Rig) -> None:
    asked = post.ask(REBOOT)
    post.power = CountedPower(refuses=True)
    async with post.started():
        refused = await post.result(asked)
        assert (refused.outcome, refused.detail) == (REFUSED, "this machine has no systemd")


async def test_a_wipe_is_told_first_then_nothing_is_left_but_why(post: Rig) -> None:
    asked, data = post.ask(WIPE), post.folder / "state"
    async with post.started() as appliance:
        told = await post.result(asked)
        assert told.outcome == DONE
        async with asyncio.timeout(DEADLINE_S):
            await appliance.custody.over.wait()
    assert [path.name for path in data.iterdir()] == [DESTROYED]
    with pytest.raises(KeysDestroyed, match="wiped by an operator"):
        open_keys(post.config)


async def test_a_wipe_that_a_power_cut_ended_goes_on_at_the_next_start(post: Rig) -> None:
    async with post.started():
        pass
    data = post.folder / "state"
    wiping.mark(data)  # the power fails here, before a key is destroyed
    with pytest.raises(KeysDestroyed, match="wiped by an operator"):
        open_keys(post.config)
    assert [path.name for path in data.iterdir()] == [DESTROYED]
    wiping.go_on(data, GuardSettings(GuardKind.FILE))  # there is nothing left to do
