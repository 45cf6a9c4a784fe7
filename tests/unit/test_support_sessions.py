"""Support comes in with the consent of the site, for a while, and the result says who came."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from firmware.machine.support_keys import support_keys
from firmware.orders import OrderFailed, OrderRefused
from firmware.power import PowerRefused, Systemd
from firmware.records import CommandKind
from firmware.support import (
    PART,
    Consent,
    DoorRefused,
    SupportSessions,
    SystemdDoor,
    Visitor,
    consent_on,
    visitors_in,
)
from firmware.uplink.channel import cleaned
from firmware.uplink.codec import Command
from firmware.wishes import REBOOT, SUPPORT

KEY = f"ssh-ed25519 {'A' * 68} ana@desk"
AGREED = Consent(session=True, keys=(KEY,))
OPEN = Command(b"s" * 16, CommandKind.OPEN_SUPPORT, expires_ns=0, duration_s=600)
LOG = """\
[77] Jan 01 00:00:01 Not backgrounding
[78] Jan 01 00:00:09 Child connection from 10.9.0.1:50432
[78] Jan 01 00:00:10 Pubkey auth succeeded for 'support' with ssh-ed25519 key SHA256:Zm9vYmFyYmF6cXV4Zm9vYmFy from 10.9.0.1:50432
[79] Jan 01 00:01:10 Pubkey auth succeeded for 'support' with ssh-ed25519 key SHA256:Zm9vYmFyYmF6cXV4Zm9vYmFy from 10.9.0.1:50433
[80] Jan 01 00:02:10 Exit before auth from <10.9.0.2:4000>: Max auth tries reached
[81] Jan 01 00:03:10 Pubkey auth succeeded for 'support' with ssh-ed25519 key SHA256:YmFyYmF6cXV4Zm9vYmFyYmF6 from fd00::7:50001
"""  # noqa: E501 -- as dropbear writes it


class Door:
    """Stands for the unit: notes what it is told."""

    def __init__(self, log: str = LOG, *, refuses: bool = False) -> None:
        self.acts: list[str] = []
        self._log = log
        self._refuses = refuses

    async def open(self) -> None:
        if self._refuses:
            raise DoorRefused("the unit says no")
        self.acts.append("open")

    async def close(self) -> None:
        self.acts.append("close")

    def visitors(self) -> tuple[Visitor, ...]:
        return visitors_in(self._log.splitlines())


def login(key: str, address: str) -> str:
    return (
        f"[7] Jan 01 00:00:10 Pubkey auth succeeded for 'support' with ssh-ed25519 key SHA256:{key} "
        f"from {address}:50432\n"
    )


async def said_of(log: str) -> str:
    """Return the result of a session with this log, as it is chained."""

    async def wait(_seconds: float) -> None:
        pass

    said = await SupportSessions(AGREED, Door(log), {}, wait).open(OPEN)
    assert said == cleaned(said)
    return said.removeprefix("open for 10 minutes; signed in: ")


async def test_support_is_let_in_for_the_commands_time_and_named() -> None:
    door, notices, waits = Door(), dict[str, str](), list[float]()

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        assert door.acts == ["open"]
        assert "10 minutes" in notices[PART]

    said = await SupportSessions(AGREED, door, notices, wait).open(OPEN)
    assert waits == [600]
    assert door.acts == ["open", "close"]
    assert notices == {}
    assert said == ("open for 10 minutes; signed in: Zm9vYmFy from 10.9.0.1 (2 times); YmFyYmF6 from fd00::7")


async def test_no_session_is_longer_than_a_working_day() -> None:
    waits = list[float]()

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    await SupportSessions(AGREED, Door(), {}, wait).open(msgspec.structs.replace(OPEN, duration_s=86_400))
    assert waits == [8 * 3600]


async def test_a_key_that_comes_from_many_places_hides_no_other() -> None:
    log = "".join(login("A" * 43, f"2001:db8:1234:5678:9abc:def0:1234:{n:x}") for n in range(1000))
    assert await said_of(log + login("B" * 43, "fe80::1%end0")) == (
        "AAAAAAAA from 2001:db8:1234:5678:9abc:def0:1234:0 (1000 times); BBBBBBBB from fe80::1"
    )
    assert await said_of("") == "nobody"


@pytest.mark.parametrize("network", ["10.9.0.", "2001:db8:1234:5678:9abc:def0:1234:"])
async def test_of_twenty_keys_none_is_left_out_without_a_word(network: str) -> None:
    keys = [f"{n:02}{'x' * 41}" for n in range(20)]
    log = "".join(login(key, f"{network}{place}") for place in (1, 2) for key in keys)
    *shown, others = (await said_of(log)).split("; ")
    assert shown == [f"{key[:8]} from {network}1 (2 times)" for key in keys[: len(shown)]]
    assert len(shown) >= 2
    assert others == f"and {20 - len(shown)} more keys"


@pytest.mark.parametrize("consent", [Consent(), Consent(session=True), Consent(keys=(KEY,))])
async def test_nobody_is_let_in_without_consent_and_a_key(consent: Consent) -> None:
    door = Door()
    with pytest.raises(OrderRefused, match="session = true"):
        await SupportSessions(consent, door, {}).open(OPEN)
    assert door.acts == []


async def test_a_door_that_does_not_open_is_told() -> None:
    notices: dict[str, str] = {}
    with pytest.raises(OrderFailed, match="the unit says no"):
        await SupportSessions(AGREED, Door(refuses=True), notices).open(OPEN)
    assert notices == {}


async def test_a_stop_of_the_appliance_ends_the_session() -> None:
    door, begun = Door(), asyncio.Event()

    async def wait(_seconds: float) -> None:
        begun.set()
        await asyncio.Event().wait()

    session = asyncio.create_task(SupportSessions(AGREED, door, {}, wait).open(OPEN))
    await begun.wait()
    session.cancel()
    with pytest.raises(asyncio.CancelledError):
        await session
    assert door.acts == ["open", "close"]


async def test_the_unit_is_wished_for_until_the_session_is_over(tmp_path: Path) -> None:
    opened = tmp_path / "pid"
    opened.touch()
    door = SystemdDoor(tmp_path / "log", opened, tmp_path)
    await door.open()
    assert (tmp_path / SUPPORT).exists()
    assert door.visitors() is None
    (tmp_path / "log").write_text("Child connection from 10.9.0.9:4711\n" * 3000 + LOG)
    assert [visitor.address for visitor in door.visitors() or ()] == ["10.9.0.1", "fd00::7"]
    await door.close()
    assert not (tmp_path / SUPPORT).exists()


async def test_a_machine_without_the_units_says_so(tmp_path: Path) -> None:
    nowhere = tmp_path / "missing"
    with pytest.raises(DoorRefused, match=r"aidpost-support\.path"):
        await SystemdDoor(tmp_path, tmp_path, nowhere).open()
    with pytest.raises(PowerRefused, match=r"aidpost-reboot\.path"):
        await Systemd(nowhere).reboot()


async def test_a_start_anew_is_wished_for(tmp_path: Path) -> None:
    await Systemd(tmp_path).reboot()
    assert (tmp_path / REBOOT).exists()


def test_only_keys_come_into_the_file_of_keys(tmp_path: Path) -> None:
    card = tmp_path / "support.toml"
    assert support_keys(card) == ()
    card.write_text(f'session = true\nkeys = ["{KEY}", "command=\\"sh\\" {KEY}", 3]\n')
    assert support_keys(card) == (KEY,)
    for useless in (f'keys = ["{KEY}"]', "session = true", "session = true\nkeys = 3", "no toml"):
        card.write_text(useless)
        assert support_keys(card) == ()


def test_a_site_agrees_by_a_file_on_its_card(tmp_path: Path) -> None:
    card = tmp_path / "support.toml"
    assert consent_on(card) == Consent()
    card.write_text(f'session = true\nkeys = ["{KEY}"]\n')
    assert consent_on(card) == AGREED
    for useless in ('session = "yes"', "root = true", "no toml", f"keys = {'[' * 4000}"):
        card.write_text(useless)
        assert consent_on(card) == Consent()
