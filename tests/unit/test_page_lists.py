"""Loading a list on the page: who may, what is refused, and that nothing is loaded by halves."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import TypeVar

import httpx
import pytest

from firmware.config import Device
from firmware.lists.folder import MOST_FILES, list_files, read_below
from firmware.lists.loading import ListLoading
from firmware.lists.templates import clinic_rows, distribution_rows, write_template
from firmware.page.browsers import Front
from firmware.page.upload import MOST_READ_BYTES
from firmware.store.lists import LoadedList
from firmware.store.store import Store
from firmware.workflow.kept import OpenSession
from tests.kit.store_values import DEVICE, SITE, moment, open_store
from tests.unit.test_page import Visitor
from trust.consent import Purpose
from trust.issuer import IssuerKey
from trust.lists.envelope import sign
from trust.lists.table import MAX_FILE_BYTES
from trust.service import Workflow

TODAY = date(2026, 11, 25)
ISSUER = IssuerKey.new()
ResultT = TypeVar("ResultT")


class Office:
    """A visitor who signed in as boris, before an appliance with a store of its own."""

    def __init__(self, store: Store, folder: Path | None, front: Front = Front.TABLET) -> None:
        self.store = store
        self.today = TODAY
        self.told = 0

        async def in_store(work: Callable[[Store], ResultT], /) -> ResultT:
            return work(store)

        async def committed() -> None:
            self.told += 1

        lists = ListLoading(
            in_store,
            Device(id=DEVICE, site=SITE, purpose=store.purpose, data=Path()),
            trusted=(ISSUER.public,),
            folder=folder,
            moment=lambda: moment(1),
            today=lambda: self.today,
            committed=committed,
        )
        self.visitor = Visitor(front, lists=lists)

    def loaded(self) -> LoadedList | None:
        return self.store.lists.loaded()

    async def upload(
        self, content: bytes, name: str = "cycle.csv", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        fields = {"form_token": await self.visitor.token()}
        return await self.visitor.client.post(
            "/day/list/file", data=fields, files={"file": (name, content)}, headers=headers
        )

    async def load(self, shown: httpx.Response, **fields: str) -> httpx.Response:
        """Send what the form of the summary holds, and what is entered there."""
        found = re.search(r'name="draft" value="([^"]+)"', shown.text)
        return await self.visitor.send("/day/list/load", None, draft=found[1] if found else "", **fields)


def rows(kind: str = "distribution") -> bytes:
    made = distribution_rows(SITE, DEVICE, TODAY) if kind == "distribution" else clinic_rows(SITE, TODAY)
    return "".join(",".join(row) + "\n" for row in made).encode()


CYCLE = rows()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "state").mkdir()
    with closing(open_store(tmp_path / "state", purpose=Purpose.DISTRIBUTION)) as opened:
        yield opened


@pytest.fixture
async def office(store: Store, tmp_path: Path) -> Office:
    made = Office(store, tmp_path)
    await made.visitor.sign_in("boris", "135713")
    return made


async def test_two_supervisors_load_a_list(office: Office) -> None:
    shown = await office.upload(CYCLE)
    for words in ("rice", "70", "cycle-1", "post-1", "Desk 2", "not signed by an issuer"):
        assert words in shown.text
    assert "H-0001" not in shown.text
    assert office.loaded() is None
    done = await office.load(shown, second_name="chidi", pin="975319")
    assert "The list is loaded: 3 entries." in done.text
    taken = office.loaded()
    assert taken is not None
    assert taken.approved_by == ("boris", "chidi")
    assert office.told == 1


@pytest.mark.parametrize(
    ("second", "pin", "words"),
    [
        ("chidi", "000000", "do not go together"),
        ("chidi", "999999", "Please wait 30 seconds"),
        ("amina", "246824", "Two different supervisors"),
        ("Boris ", "135713", "Two different supervisors"),
        ("", "", "do not go together"),
    ],
)
async def test_one_supervisor_is_not_enough(office: Office, second: str, pin: str, words: str) -> None:
    shown = await office.upload(CYCLE)
    refused = await office.load(shown, second_name=second, pin=pin)
    assert words in refused.text
    assert office.loaded() is None
    await office.load(refused, second_name="chidi", pin="975319")
    assert office.loaded() is not None


async def test_an_operator_loads_nothing(office: Office) -> None:
    shown = await office.upload(CYCLE)
    await office.visitor.sign_in("amina", "246824")
    assert (await office.upload(CYCLE)).status_code == 403
    assert (await office.visitor.client.get("/day/list")).status_code == 303
    await office.load(shown, second_name="chidi", pin="975319")
    assert office.loaded() is None


async def test_what_is_loaded_is_what_was_shown(office: Office) -> None:
    shown = await office.upload(CYCLE)
    await office.upload(CYCLE.replace(b",10", b",11"))
    refused = await office.load(shown, second_name="chidi", pin="975319")
    assert "not the list that was checked last" in refused.text
    assert office.loaded() is None


async def test_nothing_is_loaded_while_a_person_is_served(office: Office) -> None:
    shown = await office.upload(CYCLE)
    office.visitor.station.turn_to(1)
    assert "Please finish first" in (await office.load(shown, second_name="chidi", pin="975319")).text
    office.visitor.station.turn_to(0)
    office.store.work.keep_open(
        OpenSession(session_id=bytes(16), workflow=Workflow.DISTRIBUTION, began=moment(1))
    )
    assert "a person is being served" in (await office.load(shown, second_name="chidi", pin="975319")).text
    assert office.loaded() is None


async def test_a_list_that_stops_being_of_today_is_not_loaded(office: Office) -> None:
    shown = await office.upload(CYCLE)
    office.today = date(2026, 11, 26)
    refused = await office.load(shown, second_name="chidi", pin="975319")
    assert "a cycle that ended on 2026-11-25" in refused.text
    assert office.loaded() is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "No file was chosen|the file is empty"),
        (CYCLE.replace(b"H-0002,2", b"H-0001,two"), "this household stands in row 13 too"),
        (CYCLE[:-20], "cut short"),
        (CYCLE.decode().encode("utf-16"), "UTF-16"),
        (CYCLE.replace(b"site-1", b"site-2"), "a list of the site &#34;site-2&#34;"),
        (CYCLE.replace(b"2026-11-25", b"2026-11-24"), "a cycle that ended on 2026-11-24"),
        (CYCLE.replace(b"post-1", b"post-9"), "is not in the roster"),
        (rows("clinic"), "this appliance is for"),
        (b"PK\x03\x04" + bytes(100), "no whole XLSX file"),
        (sign(CYCLE, IssuerKey.new()), "its signer is not known"),
        (sign(CYCLE, ISSUER).replace(b"H-0003", b"H-0004"), "changed after it was signed"),
        (bytes(MAX_FILE_BYTES + 100_000), "larger than 8 MiB"),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else "",
)
async def test_a_bad_file_leads_to_sentences_and_nothing_is_loaded(
    office: Office, content: bytes, words: str
) -> None:
    shown = await office.upload(content)
    assert shown.status_code == 200
    assert re.search(words, shown.text)
    assert 'name="draft"' not in shown.text
    assert office.loaded() is None


async def test_each_fault_has_its_row_and_column(office: Office) -> None:
    shown = await office.upload(CYCLE.replace(b"H-0002,2", b"H-0001,two"))
    assert "Nothing was loaded. 2 things have to be corrected." in shown.text
    assert re.findall(r"<tr><td>(\d*)</td><td>(\w*)</td>", shown.text) == [("14", "1"), ("14", "2")]


async def test_a_corrected_list_replaces_the_one_before(office: Office) -> None:
    for content in (CYCLE, CYCLE.replace(b"H-0003", b"H-0009")):
        shown = await office.upload(content)
        await office.load(shown, second_name="chidi", pin="975319")
    assert [one.number for one in office.store.lists.households()] == ["H-0001", "H-0002", "H-0009"]
    other = await office.upload(CYCLE.replace(b"cycle-1", b"cycle-2"))
    assert "close it before" in other.text


async def test_a_clinics_list_that_an_issuer_signed_needs_no_second_supervisor(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, purpose=Purpose.CLINIC_CHECK_IN)) as store:
        office = Office(store, None)
        await office.visitor.sign_in("boris", "135713")
        shown = await office.upload(sign(rows("clinic"), ISSUER), "day.aidpost-list")
        assert ISSUER.public.hex()[:16] in shown.text
        assert "second_name" not in shown.text
        await office.load(shown)
        taken = office.loaded()
        assert taken is not None
        assert taken.approved_by == ()


async def test_uploads_are_bounded_and_come_from_this_page_alone(office: Office) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(MOST_READ_BYTES // 2**20 + 1):
            yield bytes(2**20)

    client = office.visitor.client
    form = {"content-type": "multipart/form-data; boundary=x"}
    token = await office.visitor.token()
    statuses = [
        (await office.upload(CYCLE, headers={"origin": "https://elsewhere.example"})).status_code,
        (await client.post("/day/list/file", files={"file": CYCLE}, data={"form_token": "x"})).status_code,
        (await client.post("/day/list/file", data={"form_token": token})).status_code,
        (await client.post("/day/list/file", content=b"--x\r\n\r\nno head", headers=form)).status_code,
        (await client.post("/day/list/file", content=endless(), headers=form)).status_code,
        (await office.visitor.another().post("/day/list/file", content=endless(), headers=form)).status_code,
        (await office.visitor.send("/day/list/pick", file="x" * 5000)).status_code,
    ]
    assert statuses == [403, 403, 415, 400, 413, 403, 413]


async def test_a_file_of_the_stick_is_picked_by_name(office: Office, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    write_template(distribution_rows(SITE, DEVICE, TODAY), tmp_path / "stick" / "cycle.xlsx")
    assert "stick/cycle.xlsx" in (await office.visitor.client.get("/day/list")).text
    shown = await office.visitor.send("/day/list/pick", file="stick/cycle.xlsx")
    await office.load(shown, second_name="chidi", pin="975319")
    assert office.loaded() is not None
    gone = await office.visitor.send("/day/list/pick", file="stick/other.csv")
    assert "put the memory stick in again" in gone.text


def test_no_way_leads_out_of_the_folder(tmp_path: Path) -> None:
    folder, outside = tmp_path / "media", tmp_path / "outside"
    for each in (folder / "stick", outside):
        each.mkdir(parents=True)
    (outside / "secret.csv").write_bytes(b"secret")
    (folder / "stick" / "list.csv").write_bytes(b"list")
    (folder / "stick" / "link.csv").symlink_to(outside / "secret.csv")
    (folder / "way").symlink_to(outside)
    os.mkfifo(folder / "stick" / "pipe.csv")
    (folder / "stick" / "folder.csv").mkdir()
    assert list_files(folder) == ("stick/list.csv",)
    assert read_below(folder, "stick/list.csv") == b"list"
    for name in (
        "stick/link.csv", "way/secret.csv", "../outside/secret.csv", "stick/../../outside/secret.csv",
        str(outside / "secret.csv"), "stick/pipe.csv", "stick/folder.csv", "", "stick/\0",
    ):  # fmt: skip
        with pytest.raises((OSError, ValueError)):
            read_below(folder, name)


def test_a_stick_with_many_files_is_cut_off(tmp_path: Path) -> None:
    for number in range(MOST_FILES + 5):
        (tmp_path / f"{number:03}.csv").touch()
    (tmp_path / os.fsdecode(b"not-utf8-\xff.csv")).touch()
    assert len(list_files(tmp_path)) == MOST_FILES
    assert list_files(tmp_path / "missing") == ()
