"""A supervisor says on the page who works here; over a real store, and nobody else may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from pathlib import Path
from typing import TypeVar

import pytest

from firmware.clock import Clock
from firmware.day.on_page import DayOnPage
from firmware.page.store import StaffOfStore
from firmware.store.staff import Staff
from firmware.store.store import Store
from firmware.workflow.terms import Role
from tests.kit.store_values import open_store
from tests.kit.work_lists import at
from tests.unit.test_day import day_of
from tests.unit.test_page import Visitor

T = TypeVar("T")
SUPERVISOR = ("boris", "135713")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(tmp_path)
    opened.staff.add(at(0), "boris", Role.SUPERVISOR, bytearray(b"135713"))
    yield opened
    opened.close()


def visitor_of(store: Store) -> Visitor:
    async def look() -> None:
        pass

    async def in_store(work: Callable[[Store], T], /) -> T:
        return work(store)

    return Visitor(day=DayOnPage(day_of(store), look), members=StaffOfStore(in_store, Clock()))


async def test_a_supervisor_lets_people_in_gives_pins_and_lets_them_go(store: Store) -> None:
    visitor = visitor_of(store)
    await visitor.sign_in(*SUPERVISOR)
    assert "/day/staff" in (await visitor.client.get("/day")).text
    person = {"name": "amina", "role": "operator", "pin": "246824", "again": "246824"}
    assert (await visitor.send("/day/staff", None, act="add", **person)).status_code == 303
    assert store.staff.members()[0] == Staff("amina", Role.OPERATOR)
    assert "amina" in (await visitor.client.get("/day/staff")).text
    assert "remove" in (await visitor.client.get("/day/staff?who=amina")).text
    await visitor.send("/day/staff", act="pin", name="amina", pin="739150", again="739150")
    assert store.staff.check_pin(at(1), "amina", bytearray(b"739150")) == Staff("amina", Role.OPERATOR)
    other = copy(visitor)
    other.client = visitor.another()
    await other.sign_in()
    assert "May we?" in (await other.client.get("/")).text
    await visitor.send("/day/staff", act="remove", name="amina")
    assert [each.name for each in store.staff.members()] == ["boris"]
    assert "May we?" not in (await other.client.get("/")).text, "who was let go is signed out at once"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"act": "add", "name": "noor", "pin": "739150", "again": "739151"}, "The two PINs differ"),
        (
            {"act": "add", "name": "noor", "pin": "123456", "again": "123456"},
            "This name or PIN cannot be used",
        ),
        (
            {"act": "add", "name": "boris", "pin": "739150", "again": "739150"},
            "This name or PIN cannot be used",
        ),
        (
            {"act": "add", "name": "a b", "pin": "739150", "again": "739150"},
            "This name or PIN cannot be used",
        ),
        ({"act": "pin", "name": "boris", "pin": "1", "again": "1"}, "This name or PIN cannot be used"),
        ({"act": "remove", "name": "boris"}, "The last supervisor stays"),
    ],
)
async def test_what_cannot_be_is_told_and_changes_nothing(
    store: Store, fields: dict[str, str], said: str
) -> None:
    visitor = visitor_of(store)
    await visitor.sign_in(*SUPERVISOR)
    answer = await visitor.send("/day/staff", None, **fields)
    assert (answer.status_code, said in answer.text) == (400, True)
    assert store.staff.members() == [Staff("boris", Role.SUPERVISOR)]


async def test_an_operator_and_a_stranger_are_led_away(store: Store) -> None:
    visitor = visitor_of(store)
    person = {"name": "noor", "role": "supervisor", "pin": "739150", "again": "739150"}
    assert (await visitor.client.get("/day/staff")).status_code == 303
    await visitor.sign_in()
    assert "/day/staff" not in (await visitor.client.get("/day")).text
    assert (await visitor.client.get("/day/staff")).status_code == 303
    assert (await visitor.send("/day/staff", None, act="add", **person)).status_code == 303
    assert len(store.staff.members()) == 1
