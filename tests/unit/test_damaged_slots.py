"""A slot whose root is damaged: it is left for a good one alone, and two damaged ones do not take turns."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.slots.machine import TRIES, Refused, Slot, Slots
from firmware.slots.selector import (
    STARTS,
    UNFINISHED,
    starts,
)
from tests.kit.slot_machine import HOW, INSTALL, Firmware, ask


@pytest.fixture
def firmware(tmp_path: Path) -> Firmware:
    return Firmware(tmp_path)


def test_a_primary_that_panics_is_read_whole_and_left_for_the_good_one(tmp_path: Path) -> None:
    firmware = Firmware(tmp_path, Slots(Slot.A, other_is_good=True))
    assert firmware.boots_until_it_runs({Slot.A: "damaged"}) == "AAAAB"
    assert not firmware.start()
    assert firmware.slots == Slots(Slot.B, other_is_damaged=True)
    assert firmware.machine.damaged.exists()
    assert not firmware.machine.trial.exists()
    assert [ask(firmware, "get-state", name) for name in "AB"] == ["bad", "good"]
    with pytest.raises(Refused, match="only one"):
        ask(firmware, "set-state", "B", "bad")


def test_a_primary_that_does_not_open_is_left_at_once(tmp_path: Path) -> None:
    firmware = Firmware(tmp_path, Slots(Slot.B, other_is_good=True))
    assert firmware.boots_until_it_runs({Slot.B: "broken"}) == "BA"


def test_two_damaged_slots_do_not_take_turns(tmp_path: Path) -> None:
    firmware = Firmware(tmp_path, Slots(Slot.A, other_is_good=True))
    assert firmware.boots_until_it_runs({Slot.A: "damaged", Slot.B: "broken"}) == "AAAABBBBBBBB"
    # Mended, as by a card that was badly plugged in, each goes on where it is.
    assert firmware.boots_until_it_runs({}) == "B"


@pytest.mark.parametrize("other", [Slots(Slot.A), Slots(Slot.A, tries=TRIES)], ids=["bad", "on trial"])
@pytest.mark.parametrize("root", ["damaged", "broken"])
def test_a_damaged_primary_is_not_left_for_one_that_never_passed(
    tmp_path: Path, other: Slots, root: str
) -> None:
    firmware = Firmware(tmp_path, other)
    assert firmware.boots_until_it_runs({Slot.A: root}) == 12 * "A"
    assert firmware.slots == other


def test_starts_that_end_early_for_another_reason_leave_no_slot(tmp_path: Path) -> None:
    firmware = Firmware(tmp_path, Slots(Slot.A, other_is_good=True))
    assert "".join(firmware.boots_until_it_runs({}) for _ in range(9)) == 9 * "A"
    # Two panics, and starts that lasted in between, are none too many.
    for _ in range(3):
        firmware.selector.lasted()
        assert firmware.boots_until_it_runs({Slot.A: "damaged"}, most=2) == "AA"
        assert firmware.boots_until_it_runs({}) == "A"
    assert firmware.slots == Slots(Slot.A, other_is_good=True)


def test_a_slot_on_trial_whose_root_is_damaged_only_loses_its_tries(firmware: Firmware) -> None:
    for call in INSTALL:
        ask(firmware, *call)
    assert firmware.reboot() is Slot.B
    for root in HOW:
        assert firmware.opens(root) is (root == "intact")
    assert firmware.slots == Slots(Slot.A, tries=TRIES)
    assert (firmware.machine.selector / STARTS).read_bytes() == starts(0)


@pytest.mark.parametrize("root", ["damaged", "broken"])
@pytest.mark.parametrize("cut", range(8))
def test_a_cut_while_a_slot_is_left_ends_in_the_other_one(tmp_path: Path, root: str, cut: int) -> None:
    firmware = Firmware(tmp_path, Slots(Slot.A, other_is_good=True))
    (firmware.machine.selector / STARTS).write_bytes(starts(UNFINISHED))
    firmware.opens(root, cut)
    assert firmware.slots.primary in (Slot.A, Slot.B)
    assert firmware.boots_until_it_runs({Slot.A: root}).strip("A") == "B"
    assert firmware.slots == Slots(Slot.B, other_is_damaged=True)


def test_a_damaged_slot_that_is_written_anew_and_passes_is_good_again(tmp_path: Path) -> None:
    firmware = Firmware(tmp_path, Slots(Slot.B, other_is_damaged=True), running=Slot.B)
    ask(firmware, "set-state", "A", "bad")
    assert firmware.slots == Slots(Slot.B)
    ask(firmware, "set-primary", "A")
    firmware.reboot()
    ask(firmware, "set-state", "A", "good")
    assert firmware.slots == Slots(Slot.A, other_is_good=True)
    assert not firmware.machine.damaged.exists()


@pytest.mark.parametrize("damage", [b"", b"starts=9".ljust(64), b"starts=1\n"])
def test_a_damaged_count_leaves_no_slot_too_early(tmp_path: Path, damage: bytes) -> None:
    firmware = Firmware(tmp_path, Slots(Slot.A, other_is_good=True))
    (firmware.machine.selector / STARTS).write_bytes(damage)
    boots = firmware.boots_until_it_runs({Slot.A: "damaged"})
    assert boots == ("AAAAB" if len(damage) == len(starts(0)) else 12 * "A")
