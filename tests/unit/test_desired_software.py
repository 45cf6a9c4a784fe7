"""Software that is desired is kept after its self-test alone; else the machine starts from the former."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from firmware.clock import Clock
from firmware.config import Camera, Config, Device, Keys
from firmware.desired.machine import Arrived, Examined, Quiet, step
from firmware.desired.shelf import Shelf
from firmware.desired.starting import Beginning, TakenBack
from firmware.desired.terms import Phase, Standing
from firmware.host import Host
from firmware.store.store import Store
from firmware.updater import Trial
from tests.kit.desired_rig import CountedPower, Slots, artifact
from tests.kit.store_values import DEVICE, SITE, moment, open_store
from trust.consent import Purpose
from trust.keys.guard import GuardKind
from trust.state import ArtifactKind, DesiredResult, DesiredState

T = TypeVar("T")
BUNDLE = artifact(ArtifactKind.SOFTWARE, b"bundle", "9.9")


@asynccontextmanager
async def starting(folder: Path, host: Host) -> AsyncIterator[tuple[Store, Beginning]]:
    """A start after the power went while the bundle was applied."""
    store, standing = open_store(folder), Standing()
    for event in (Arrived(DesiredState(1, {}, (BUNDLE,))), Examined(), Quiet(("camera",))):
        standing = step(standing, event)
    store.desired.save(moment(), standing)

    async def run(work: Callable[[Store], T], /) -> T:
        return work(store)

    base = Config(
        device=Device(id=DEVICE, site=SITE, purpose=Purpose.CLINIC_CHECK_IN, data=folder),
        keys=Keys(guard=GuardKind.FILE),
        camera=Camera(driver="replay"),
    )
    beginning = Beginning(base, Shelf(folder), run, Clock(), host)
    await beginning.begin()
    yield store, beginning
    store.close()


@pytest.mark.parametrize(
    ("well", "version", "result", "asked"),
    [
        (("camera",), "9.9", DesiredResult.APPLIED, ["keep"]),
        (("camera",), "1.0", DesiredResult.ROLLED_BACK, ["take back"]),
        ((), "9.9", DesiredResult.ROLLED_BACK, ["take back"]),
    ],
)
async def test_it_is_kept_or_taken_back(
    tmp_path: Path, well: tuple[str, ...], version: str, result: DesiredResult, asked: list[str]
) -> None:
    runs_it = version == "9.9"
    slots, power = Slots(held=True, on_trial=Trial(("camera",)) if runs_it else None), CountedPower()
    host = Host(power=power, updater=slots, version=version)
    async with starting(tmp_path, host) as (store, beginning):
        assert beginning.tries
        if result is DesiredResult.APPLIED:
            await beginning.judge(well)
        else:
            with pytest.raises(TakenBack):
                await beginning.judge(well)
        kept = store.desired.standing()
    assert kept.decision is not None
    assert kept.decision.result is result
    assert (kept.in_use is not None) is (result is DesiredResult.APPLIED)
    assert slots.asked == asked
    # What was there before runs already where the machine never came up with the other one.
    assert power.reboots == (asked == ["take back"] and runs_it)


@pytest.mark.parametrize(
    ("before", "well", "asked"),
    [
        (("camera",), ("camera",), ["keep"]),
        (("camera",), ("recognition",), ["take back"]),
        (None, ("camera", "recognition"), ["keep"]),
        (None, ("camera",), ["take back"]),
    ],
)
async def test_software_that_no_desk_desired_is_kept_or_left_too(
    tmp_path: Path, before: tuple[str, ...] | None, well: tuple[str, ...], asked: list[str]
) -> None:
    slots, power = Slots(on_trial=Trial(before)), CountedPower()
    async with starting(tmp_path, Host(power=power, updater=slots, version="1.0")) as (_store, beginning):
        await beginning.judge_trial({part: part in well for part in ("camera", "recognition")})
    assert slots.asked == asked
    assert power.reboots == asked.count("take back")


async def test_software_that_ended_three_times_before_its_self_test_is_left(tmp_path: Path) -> None:
    slots, power = Slots(held=True, on_trial=Trial(("camera",))), CountedPower()
    host = Host(power=power, updater=slots, version="9.9")
    async with starting(tmp_path, host) as (store, beginning):
        for _ in range(2):
            await beginning.begin()
            assert slots.asked == []
        await beginning.begin()
        decision = store.desired.standing().decision
    assert decision is not None
    assert decision.result is DesiredResult.ROLLED_BACK
    assert slots.asked == ["take back"]
    assert power.reboots == 1


async def test_a_bundle_from_which_a_power_cut_kept_the_machine_is_activated_again(
    tmp_path: Path,
) -> None:
    slots = Slots(held=False)
    host = Host(power=CountedPower(), updater=slots, version="1.0")
    async with starting(tmp_path, host) as (store, beginning):
        assert not beginning.tries
        way = store.desired.standing().under_way
        assert way is not None
        assert way.phase is Phase.AWAITING_QUIET
    assert slots.asked == []
