"""The slots of the image: a try that fails leads back, nothing exhausts both, and no power cut loses them."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

import pytest

from firmware.slots.backend import answer
from firmware.slots.forward import refusal
from firmware.slots.gate import DEADLINE_S, passes
from firmware.slots.machine import TRIES, Refused, Slot, Slots
from firmware.slots.selector import (
    AUTOBOOT,
    SECTOR_BYTES,
    SELECTOR,
    STARTS,
    STATE,
    Selector,
    SelectorDamaged,
    write_sector,
)
from firmware.slots.starting import start
from tests.kit.slot_machine import INSTALL, Firmware, ask, in_place


class PowerCut(Exception):
    """Nothing more is written."""


@pytest.fixture
def firmware(tmp_path: Path) -> Firmware:
    return Firmware(tmp_path)


def test_a_new_slot_that_passes_its_gate_is_started_from_then_on(firmware: Firmware) -> None:
    for call in INSTALL:
        ask(firmware, *call)
    assert ask(firmware, "get-primary") == "B"
    assert firmware.reboot() is Slot.B
    assert ask(firmware, "get-current") == "B"
    ask(firmware, "set-state", "B", "good")
    assert [firmware.reboot() for _ in range(3)] == [Slot.B] * 3
    assert [ask(firmware, "get-state", name) for name in "AB"] == ["good", "good"]


def test_a_new_slot_that_never_passes_has_three_tries_and_no_more(firmware: Firmware) -> None:
    for call in INSTALL:
        ask(firmware, *call)
    assert firmware.boots_until_it_stays() == ["B", "A", "B", "A", "B", "A"]
    assert ask(firmware, "get-state", "B") == "bad"
    assert ask(firmware, "get-primary") == "A"


def test_a_new_slot_that_passes_at_its_last_try_is_kept(firmware: Firmware) -> None:
    for call in INSTALL:
        ask(firmware, *call)
    for _ in range(2 * TRIES - 1):
        firmware.reboot()
        firmware.start()
    assert ask(firmware, "get-current") == "B"
    ask(firmware, "set-state", "B", "good")
    assert firmware.reboot() is Slot.B


def test_a_slot_that_says_of_itself_that_it_failed_is_not_tried_again(firmware: Firmware) -> None:
    for call in INSTALL:
        ask(firmware, *call)
    firmware.reboot()
    ask(firmware, "set-state", "B", "bad")
    assert firmware.boots_until_it_stays() == ["A"]
    assert ask(firmware, "get-state", "B") == "bad"


def test_power_lost_before_the_first_try_costs_one_and_the_slot_is_tried(firmware: Firmware) -> None:
    for call in INSTALL:
        ask(firmware, *call)
    assert firmware.power_cut() is Slot.A
    assert firmware.start()
    assert firmware.reboot() is Slot.B


def test_a_slot_that_does_not_run_cannot_be_called_good(firmware: Firmware) -> None:
    with pytest.raises(Refused, match="does not run"):
        ask(firmware, "set-state", "B", "good")
    assert firmware.reboot() is Slot.A


def test_the_only_slot_that_ever_passed_cannot_be_called_bad(firmware: Firmware) -> None:
    with pytest.raises(Refused, match="only one"):
        ask(firmware, "set-state", "A", "bad")
    ask(firmware, "set-primary", "B")
    with pytest.raises(Refused, match="only one"):
        ask(firmware, "set-state", "A", "bad")
    firmware.reboot()
    ask(firmware, "set-state", "B", "good")
    ask(firmware, "set-state", "B", "bad")
    assert firmware.reboot() is Slot.A


def test_no_order_of_calls_boots_and_cuts_makes_a_slot_the_primary_that_never_passed(tmp_path: Path) -> None:
    firmware = Firmware(tmp_path, write=in_place)
    calls: list[tuple[str, ...]] = [("set-primary", slot) for slot in "AB"]
    calls += [("set-state", slot, word) for slot in "AB" for word in ("good", "bad")]
    acts: list[Callable[[], object]] = [partial(ask, firmware, *call) for call in calls]
    acts += [firmware.reboot, firmware.power_cut, firmware.start, partial(firmware.opens, "broken")]
    # The factory's A has passed; from then on, who was called good while it ran.
    waiting, seen = [(firmware.snapshot(), frozenset({Slot.A}))], set()
    while waiting:
        snapshot, passed = waiting.pop()
        for act in acts:
            firmware.restore(snapshot)
            running = firmware.machine.current()
            with suppress(Refused):
                act()
            called_good = isinstance(act, partial) and act.args[1:] == ("set-state", running.value, "good")
            now = passed | {running} if called_good else passed
            assert firmware.slots.primary in now
            if (reached := (firmware.snapshot(), now)) not in seen:
                seen.add(reached)
                waiting.append(reached)
    assert len(seen) > 20


def cut_at(number: int) -> Callable[[Path, bytes], None]:
    """A writer whose power fails before write `number` (even) or right after it (odd)."""
    writes = itertools.count()

    def write(path: Path, content: bytes) -> None:
        write_number = next(writes)
        if number == 2 * write_number:
            raise PowerCut
        write_sector(path, content)
        if number == 2 * write_number + 1:
            raise PowerCut

    return write


@pytest.mark.parametrize("cut", range(4))
@pytest.mark.parametrize(
    ("before", "running", "call"),
    [
        (Slots(Slot.A, other_is_good=True), Slot.A, ("set-state", "B", "bad")),
        (Slots(Slot.A), Slot.A, ("set-primary", "B")),
        (Slots(Slot.A, tries=2), Slot.B, ("set-state", "B", "good")),
        (Slots(Slot.A, tries=2), Slot.B, ("set-state", "B", "bad")),
        (Slots(Slot.A, other_is_good=True), Slot.A, ("set-state", "A", "bad")),
        (Slots(Slot.B, tries=1), Slot.B, ("set-primary", "B")),
    ],
)
def test_a_cut_leaves_what_was_before_or_what_was_asked_for_and_asking_again_ends_it(
    tmp_path: Path, before: Slots, running: Slot, call: tuple[str, ...], cut: int
) -> None:
    whole = Firmware(tmp_path / "whole", before, running)
    ask(whole, *call)
    firmware = Firmware(tmp_path / "cut", before, running)
    try:
        answer(firmware.machine, Selector(firmware.machine.selector, cut_at(cut)), call)
    except PowerCut:
        after = firmware.slots
        assert after.primary in (before.primary, whole.slots.primary)
        assert after in (before, whole.slots) or after == Slots(whole.slots.primary, other_is_good=True)
        ask(firmware, *call)
    assert firmware.slots == whole.slots


def test_a_cut_while_a_failed_try_is_counted_gives_no_try_too_many(tmp_path: Path) -> None:
    for cut in range(2):
        firmware = Firmware(tmp_path / str(cut), Slots(Slot.A, tries=1))
        with pytest.raises(PowerCut):
            start(firmware.machine, Selector(firmware.machine.selector, cut_at(cut)))
        assert firmware.power_cut() is Slot.A
        assert not firmware.start()
        assert firmware.slots == Slots(Slot.A)


def test_what_is_written_lies_within_one_sector_and_keeps_its_length(tmp_path: Path) -> None:
    sizes = set()
    kinds = (Slots(Slot.A, tries=3), Slots(Slot.B, other_is_damaged=True))
    for slots in (Slots(Slot.A), Slots(Slot.B, other_is_good=True), *kinds):
        folder = tmp_path / str(slots)
        folder.mkdir()
        Selector(folder).make(slots)
        assert Selector(folder).read() == slots
        sizes.add(tuple((folder / name).stat().st_size for name in (AUTOBOOT, STATE, STARTS)))
    assert len(sizes) == 1
    assert max(next(iter(sizes))) <= SECTOR_BYTES


@pytest.mark.parametrize("damage", [b"", b"other=B good\n", b"other=B good\ncrc=00000000\n" + b" " * 40])
def test_a_damaged_state_counts_as_bad_and_the_primary_starts(firmware: Firmware, damage: bytes) -> None:
    (firmware.machine.selector / STATE).write_bytes(damage)
    assert firmware.slots == Slots(Slot.A)
    assert firmware.power_cut() is Slot.A


def test_a_file_that_was_changed_by_hand_is_not_written_to(firmware: Firmware) -> None:
    autoboot = firmware.machine.selector / AUTOBOOT
    autoboot.write_bytes(autoboot.read_bytes() + b"# by hand\n")
    ask(firmware, "set-primary", "B")
    firmware.reboot()
    with pytest.raises(SelectorDamaged, match="another length"):
        ask(firmware, "set-state", "B", "good")
    assert firmware.power_cut() is Slot.A


@pytest.mark.parametrize("keeps_length", [True, False])
def test_a_damaged_selector_does_not_hide_that_a_slot_is_on_trial(tmp_path: Path, keeps_length: bool) -> None:
    firmware = Firmware(tmp_path, Slots(Slot.A, tries=2), running=Slot.B)
    autoboot = firmware.machine.selector / AUTOBOOT
    size = autoboot.stat().st_size if keeps_length else 7
    autoboot.write_bytes(b"\xff" * size)
    with nullcontext() if keeps_length else pytest.raises(SelectorDamaged, match="another length"):
        assert not firmware.start()
    assert firmware.machine.trial.exists()
    assert firmware.slots == Slots(Slot.A, tries=2)
    if keeps_length:
        assert firmware.power_cut() is Slot.A


@pytest.mark.parametrize(("said", "on_trial"), [(b"\0\0\0\1", True), (b"\0\0\0\0", False), (None, False)])
def test_with_nothing_left_on_the_selector_the_firmware_says_whether_it_is_a_trial(
    firmware: Firmware, said: bytes | None, on_trial: bool
) -> None:
    for name in (AUTOBOOT, STATE):
        (firmware.machine.selector / name).write_bytes(b"")
    if said is not None:
        firmware.machine.tryboot.write_bytes(said)
    with pytest.raises(SelectorDamaged):
        firmware.start()
    assert firmware.machine.trial.exists() is on_trial


def test_rauc_runs_it_and_hears_why_it_cannot_answer() -> None:
    script = Path(__file__).parents[2] / "image-build/overlay/usr/lib/rauc/aidpost-tryboot"
    assert script.stat().st_mode & 0o111
    assert script.read_text().startswith("#!/usr/lib/aidpost/venv/bin/python -I\n")
    ran = subprocess.run([sys.executable, "-I", script, "get-primary"], capture_output=True, text=True)
    assert ran.returncode == 1
    assert f"{SELECTOR / AUTOBOOT}" in ran.stderr


@pytest.mark.parametrize(
    ("passes_at", "fails_at", "passed"), [(3, None, True), (None, 3, False), (None, None, False)]
)
def test_a_slot_on_trial_is_left_unless_the_appliance_passes_in_time(
    tmp_path: Path, passes_at: int | None, fails_at: int | None, passed: bool
) -> None:
    firmware = Firmware(tmp_path, Slots(Slot.A, tries=TRIES), running=Slot.B)
    slept: list[float] = []

    def sleep(time_s: float) -> None:
        slept.append(time_s)
        if len(slept) == passes_at:
            ask(firmware, "set-state", "B", "good")

    well = passes(
        firmware.selector,
        firmware.machine,
        has_failed=lambda: len(slept) == fails_at,
        monotonic_s=lambda: sum(slept),
        sleep=sleep,
    )
    assert well is passed
    assert sum(slept) == (DEADLINE_S if passes_at is fails_at else 3 * slept[0])


def test_a_slot_that_cannot_read_the_selector_is_left(firmware: Firmware) -> None:
    for path in firmware.machine.selector.iterdir():
        path.unlink()
    slept: list[float] = []
    assert not passes(
        firmware.selector, firmware.machine, lambda: False, monotonic_s=lambda: sum(slept), sleep=slept.append
    )
    assert sum(slept) == DEADLINE_S


def test_the_primary_needs_no_gate(firmware: Firmware) -> None:
    assert passes(firmware.selector, firmware.machine, has_failed=lambda: True)


@pytest.mark.parametrize(
    ("version", "refused"),
    [("1.2.0", False), ("1.10", False), ("1.1.0", True), ("1.1.0rc1", True), ("0.9", True), ("new", True)],
)
def test_a_bundle_is_written_if_it_is_newer(version: str, refused: bool) -> None:
    manifest = f"[update]\ncompatible=aidpost-arm64\nversion={version}\n"
    assert (refusal(manifest, "1.1.0") is not None) is refused


@pytest.mark.parametrize("manifest", ["", "[update]\n", "no manifest"])
def test_a_bundle_without_a_version_is_not_written(manifest: str) -> None:
    assert refusal(manifest, "1.1.0") == "the bundle says no version"


def test_the_appliance_sees_that_it_runs_on_trial(firmware: Firmware) -> None:
    for call in INSTALL:
        ask(firmware, *call)
    assert not firmware.machine.trial.exists()
    firmware.reboot()
    firmware.start()
    assert firmware.machine.trial.exists()
    ask(firmware, "set-state", "B", "good")
    assert not firmware.machine.trial.exists()
