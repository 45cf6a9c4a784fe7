"""Who signs in at the appliance, and what wrong PINs cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from firmware.cli import main
from firmware.store.errors import StaffRefused
from firmware.store.network_tries import FREE_TRIES_OF_ALL
from firmware.store.staff import Staff, StaffRegister
from firmware.store.store import Store
from firmware.workflow.outcomes import PinRight, PinWaits, PinWrong, RoleTooLow
from firmware.workflow.terms import Role
from tests.kit.decrypted_pages import decrypted_pages
from tests.kit.store_values import KEY, open_store
from tests.kit.work_lists import at
from trust.keys.stretching import Argon2Cost

LIGHT = Argon2Cost(memory_kib=64, passes=1, lanes=1)


def pin(digits: str = "482915") -> bytearray:
    return bytearray(digits, "ascii")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = open_store(tmp_path)
    store.staff = StaffRegister(store._journal, LIGHT)
    store.work._staff = store.staff
    store.staff.add(at(0), "tomas", Role.SUPERVISOR, pin("730264"))
    store.staff.add(at(0), "amina", Role.OPERATOR, pin(), by="tomas")
    return store


def test_wrong_pins_wait_longer_and_longer_also_after_a_restart(store: Store, tmp_path: Path) -> None:
    assert store.staff.check_pin(at(0), "amina", pin()) == Staff("amina", Role.OPERATOR)
    answers = [store.staff.check_pin(at(n), "amina", pin("111222")) for n in range(1, 6)]
    assert answers == [PinWrong(4), PinWrong(3), PinWrong(2), PinWrong(1), PinWrong(0)]
    assert store.staff.check_pin(at(6), "amina", pin()) == PinWaits(29.0), "the right PIN waits as well"
    assert store.staff.check_pin(at(36), "amina", pin("111222")) == PinWrong(0)
    assert store.staff.check_pin(at(46), "amina", pin()) == PinWaits(50.0), "twice as long"
    assert store.staff.check_pin(at(46), "tomas", pin("730264")) == Staff("tomas", Role.SUPERVISOR)
    store.close()
    again = open_store(tmp_path)
    assert again.staff.check_pin(at(10, boot=2), "amina", pin()) == PinWaits(50.0), (
        "a new boot's own time alone"
    )
    assert again.staff.check_pin(at(61, boot=2), "amina", pin()) == Staff("amina", Role.OPERATOR)
    assert again.staff.check_pin(at(62, boot=2), "amina", pin("111222")) == PinWrong(4), "begun anew"
    again.close()


def test_names_that_nobody_has_are_no_way_to_try(store: Store) -> None:
    answers = [store.staff.check_pin(at(n), f"guess{n}", pin()) for n in range(6)]
    assert answers == [PinWrong(4), PinWrong(3), PinWrong(2), PinWrong(1), PinWrong(0), PinWaits(29.0)]
    store.close()


def test_a_stranger_on_the_network_keeps_nobody_out(store: Store) -> None:
    check = store.staff.check_pin
    tablet, stranger = "10.0.0.5", "10.0.0.66"
    assert check(at(0), "amina", pin(), peer=tablet) == Staff("amina", Role.OPERATOR)
    answers = [check(at(1), "amina", pin("111222"), peer=stranger) for _ in range(5)]
    assert answers == [PinWrong(left) for left in (4, 3, 2, 1, 0)]
    assert check(at(1), "amina", pin(), peer=stranger) == PinWaits(30.0)
    assert check(at(1), "amina", pin(), peer=tablet) == Staff("amina", Role.OPERATOR)
    assert check(at(1), "amina", pin()) == Staff("amina", Role.OPERATOR), "the appliance's own screen"
    store.close()


def test_many_addresses_share_a_bound_that_a_tablet_of_the_staff_is_not_under(store: Store) -> None:
    check = store.staff.check_pin
    check(at(0), "amina", pin(), peer="10.0.0.5")
    for number in range(FREE_TRIES_OF_ALL):
        assert isinstance(check(at(1), "amina", pin("111222"), peer=f"10.0.1.{number}"), PinWrong)
    assert check(at(2), "amina", pin(), peer="10.0.2.1") == PinWaits(29.0)
    assert check(at(31), "amina", pin("111222"), peer="10.0.2.1") == PinWrong(4)
    assert check(at(32), "amina", pin(), peer="10.0.2.2") == PinWaits(29.0)
    assert check(at(32), "amina", pin(), peer="10.0.0.5") == Staff("amina", Role.OPERATOR)
    store.close()


def test_a_countersignature_needs_a_supervisor(store: Store) -> None:
    assert store.work.check_pin(at(1), "tomas", "730264", Role.SUPERVISOR) == PinRight("tomas")
    for _ in range(7):
        low = store.work.check_pin(at(1), "amina", "482915", Role.SUPERVISOR)
        assert low == RoleTooLow(), "right, but no supervisor, and no wrong try"
    assert store.work.check_pin(at(1), "amina", "482915", Role.OPERATOR) == PinRight("amina")
    store.close()


def test_no_pin_is_written_down(store: Store, tmp_path: Path) -> None:
    store.staff.check_pin(at(1), "amina", pin())
    store.staff.check_pin(at(2), "amina", pin("904517"))
    taken = pin("615203")
    store.staff.set_pin(at(3), "amina", taken, by="amina")
    assert taken == bytes(6)
    store.close()
    pages = b"".join(decrypted_pages(tmp_path / "store.db", KEY))
    assert not any(digits in pages for digits in (b"482915", b"730264", b"904517", b"615203"))


@pytest.mark.parametrize("weak", ["12345", "123456", "987654", "777777", "12a456", ""])
def test_a_pin_that_everybody_tries_first_is_refused(store: Store, weak: str) -> None:
    with pytest.raises(StaffRefused):
        store.staff.add(at(1), "noor", Role.OPERATOR, pin(weak))
    assert [member.name for member in store.staff.members()] == ["amina", "tomas"]
    store.close()


def test_a_supervisor_is_always_left(store: Store) -> None:
    with pytest.raises(StaffRefused, match="last supervisor"):
        store.staff.remove(at(1), "tomas")
    store.staff.add(at(2), "leila", Role.SUPERVISOR, pin("308157"), by="tomas")
    store.staff.remove(at(3), "tomas", by="leila")
    with pytest.raises(StaffRefused, match="nobody signs in"):
        store.staff.remove(at(4), "tomas")
    assert isinstance(store.verify_audit(), int)
    store.close()


def test_the_first_supervisor_is_made_at_the_console_and_decides_on_the_others(tmp_path: Path) -> None:
    config = tmp_path / "aidpost.toml"
    config.write_text(
        f'[device]\nid = "post-1"\nsite = "site-1"\npurpose = "clinic check-in"\ndata = "{tmp_path}"\n'
        '[keys]\nguard = "file"\n[camera]\ndriver = "replay"\n'
    )

    def staff(*arguments: str, typed: str = "") -> tuple[int, str]:
        command, *rest = arguments
        answer = CliRunner().invoke(main, ["staff", command, f"--config={config}", *rest], input=typed)
        said = [line for line in answer.output.splitlines(keepends=True) if not line.startswith("{")]
        return answer.exit_code, "".join(said)

    assert staff("list") == (0, "Nobody signs in here yet.\n")
    assert staff("add", "amina")[0] == 1, "the first one is a supervisor"
    assert staff("add", "tomas", "--role=supervisor", typed="730264\n730265\n")[0] == 1, "mistyped"
    first = staff("add", "tomas", "--role=supervisor", typed="730264\n730264\n")
    assert first[0] == 0
    assert "730264" not in first[1]
    code, said = staff("add", "amina", typed="tomas\n111111\n")
    assert (code, "tries before a wait: 4" in said) == (1, True)
    assert staff("add", "amina", typed="tomas\n730264\n482915\n482915\n")[0] == 0
    assert "no supervisor" in staff("remove", "tomas", typed="amina\n482915\n")[1]
    assert staff("pin", "amina", typed="amina\n482915\n615203\n615203\n")[0] == 0
    code, said = staff("list")
    assert (code, [line.split() for line in said.splitlines()[3:5]]) == (
        0,
        [["amina", "operator"], ["tomas", "supervisor"]],
    )


def test_staff_are_added_by_a_script_with_pins_from_a_pipe(tmp_path: Path) -> None:
    config = tmp_path / "aidpost.toml"
    config.write_text(
        f'[device]\nid = "desk-1"\nsite = "site-1"\ndata = "{tmp_path / "state"}"\n'
        'purpose = "clinic check-in"\n[keys]\nguard = "file"\n[camera]\ndriver = "replay"\n'
    )

    def add(name: str, *options: str, pins: str) -> Result:
        named = ["staff", "add", "--config", str(config), name, "--pin", "-", *options]
        return CliRunner().invoke(main, named, input=pins)

    assert add("tomas", "--role", "supervisor", pins="730264\n").exit_code == 0
    refused = add("amina", "--by", "tomas", pins="482915\n111222\n")
    assert refused.exit_code == 1
    assert "do not go together" in refused.output
    assert add("amina", "--by", "tomas", pins="482915\n730264\n").output.endswith(
        "amina signs in as operator.\n"
    )
    assert add("noor", "--by", "tomas", pins="").exit_code == 1
