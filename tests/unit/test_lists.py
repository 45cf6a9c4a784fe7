"""Lists: what is accepted, and that every fault of a bad file is named with its place."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Callable, Sequence
from datetime import date, datetime, time
from pathlib import Path

import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from aggregator.cli import main as aggregator
from firmware.cli import main as aidpost
from firmware.lists.fitting import Here, unfit
from firmware.lists.reading import FaultsFound, ReadList, read_list
from firmware.lists.templates import clinic_rows, distribution_rows, write_template
from firmware.store.lock import ProcessLock
from firmware.store.store import lock_of
from trust.consent import Purpose
from trust.issuer import IssuerKey
from trust.lists.envelope import sign
from trust.lists.faults import ListRefused
from trust.lists.parsing import list_words, parse
from trust.lists.secret import new_secret
from trust.lists.table import read_csv
from trust.lists.terms import Appointment, ClinicList, DistributionList, Household, Ration

TODAY = date(2026, 11, 25)

DISTRIBUTION = """\
Aidpost list,distribution
site,camp-3
cycle,c12
first day,2026-11-25
last day,2026-11-27
desk,Desk 2
loss cap,10
roster,desk-1 desk-2

household,size,collectors,alternates,cohort,ration rice (kg),ration soap (piece)
H-1,5,P-1 P-2,P-9,f 18-59,"12,5",4
H-2,2,P-3,,,10,
"""
CLINIC = """\
Aidpost list,clinic
site,harbour
day,2026-11-25
number,time,cohort
A-1,8:30,60+
A-2,,
"""


def planned(text: str) -> DistributionList | ClinicList:
    return parse(read_csv(text.encode()))


def faults(text: str | bytes) -> list[str]:
    """Return the faults of a CSV file as one line each, without the file's name."""
    with pytest.raises(ListRefused) as refused:
        parse(read_csv(text if isinstance(text, bytes) else text.encode()))
    return [f"{fault.row or '-'}:{fault.column or '-'} {fault.what}" for fault in refused.value.faults]


def test_a_distribution_and_a_clinic_day_are_read() -> None:
    found = planned(DISTRIBUTION)
    assert isinstance(found, DistributionList)
    assert (found.site, found.cycle, found.desk, found.loss_cap) == ("camp-3", "c12", "Desk 2", 10)
    assert (found.first_day, found.last_day) == (date(2026, 11, 25), date(2026, 11, 27))
    assert found.roster == ("desk-1", "desk-2")
    assert found.households == (
        Household(
            "H-1", 5, ("P-1", "P-2"), ("P-9",),
            (Ration("rice", "12.5", "kg"), Ration("soap", "4", "piece")), "f 18-59",
        ),
        Household("H-2", 2, ("P-3",), (), (Ration("rice", "10", "kg"),)),
    )  # fmt: skip
    clinic = planned(CLINIC)
    assert isinstance(clinic, ClinicList)
    assert clinic.appointments == (Appointment("A-1", time(8, 30), "60+"), Appointment("A-2"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"12,5"', "12.5").replace(",", ";"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("H-2", "\n,,,\nH-2"),
        lambda text: text.replace("household,", "Household ,").replace("ration rice", "Ration_rice"),
        lambda text: text.replace("desk,Desk 2", "rows,2\ndesk,Desk 2"),
    ],
    ids=["semicolons", "CRLF", "mark of UTF-8", "empty rows", "headings", "rows stated"],
)
def test_what_spreadsheets_do_to_a_file_changes_neither_list_nor_key(change: Callable[[str], str]) -> None:
    before, after = planned(DISTRIBUTION), planned(change(DISTRIBUTION))
    assert after == before
    assert len(before.key) == 32
    assert planned(DISTRIBUTION.replace("H-2", "H-3")).key != before.key


def test_a_later_version_with_the_same_secret_has_the_same_key() -> None:
    first = DISTRIBUTION.replace("site,", f"secret,{new_secret()}\nsite,")
    later = first + "H-3,1,P-4,,,5,\n"
    assert planned(first).key == planned(later).key
    assert planned(first).key != planned(DISTRIBUTION).key
    assert planned(first).key != planned(first.replace("cycle,c12", "cycle,c13")).key
    assert "24 to 64" in faults(DISTRIBUTION.replace("site,", "secret,short\nsite,"))[0]


def test_every_fault_is_named_at_once() -> None:
    text = (
        DISTRIBUTION.replace("cycle,c12", "cicle,c12")
        .replace("2026-11-27", "27/11/2026")
        .replace("H-1,5,P-1 P-2,P-9,", "Fatima Ali,five,P-1 P-3 P-1,P-1,")
        .replace("H-2,2,P-3,,,10,", "H-2,2,P-3,,,10 kg,\nH-2,100,P-4 P-5 P-6 P-7 P-8 P-10,,,1,250,3")
    )
    found = faults(text)
    assert [line.split(" ")[0] for line in found] == [
        "1:-", "3:1", "5:2", "11:1", "11:2", "11:3", "11:4", "12:3", "12:6", "13:1", "13:2", "13:3", "13:8",
    ]  # fmt: skip
    assert 'did you mean "cycle"?' in found[1]
    assert "row 11 too" in found[7]
    assert "row 12 too" in found[9]
    assert not any("Fatima" in line for line in found)


@pytest.mark.parametrize(
    ("old", "new", "place", "words"),
    [
        ("P-3,,,10,", "P-2,,,10,", "12:3", "collects for the household in row 11 too"),
        ("P-3,,,10,", "H-1,,,10,", "12:3", "the number of the household in row 11"),
        ("H-2,2,", "2026-03-12,2,", "12:1", "made a date"),
        ("H-2,2,", "1.2E+11,2,", "12:1", "shortened"),
        ("H-2,2,", "H-2,0,", "12:2", "1 to 99"),
        ("H-2,2,P-3,,,10,", "H-2,2,,,,10,", "12:3", "empty"),
        ("H-2,2,P-3,,,10,", "H-2,2,P-3,,,,", "12:1", "no ration"),
        (",10,", ',"1,250",', "12:6", "decimal"),
        (",10,", ",0,", "12:6", "more than 0"),
        ("size,", "syze,", "10:2", 'did you mean "size"?'),
        ("cohort,", "full name,", "10:5", "never holds names"),
        ("H-2,2,", "h-1,2,", "12:1", "stands in row 11 too"),
        ("P-3,,,10,", "p-2,,,10,", "12:3", "collects for the household in row 11 too"),
        ("P-1 P-2", "P-1 p-1", "11:3", "twice"),
        ("desk,Desk 2", "desk,=Desk 2", "6:2", "formula"),
        ("ration rice (kg)", "ration =1+1 (kg)", "10:6", "formula"),
        ("H-1,", "=H-1,", "11:1", "no card or case number"),
        (",10,", ",-10,", "12:6", "an amount"),
        ("(kg)", "(bags)", "10:6", "kg, l, piece"),
        ("desk-1 desk-2", "desk-1 desk-1", "8:2", "twice"),
        ("last day,2026-11-27", "last day,2026-11-24", "5:2", "ends"),
        ("site,camp-3\n", "site,camp-3\nrows,3\n", "3:2", "should have 3 rows and has 2"),
        ("distribution\n", "distribucion\n", "1:2", 'did you mean "distribution"?'),
        ("Aidpost list", "list", "1:1", "the first row"),
    ],
)
def test_each_fault_says_where_and_what_to_do(old: str, new: str, place: str, words: str) -> None:
    assert old in DISTRIBUTION
    found = faults(DISTRIBUTION.replace(old, new))
    assert any(line.startswith(f"{place} ") and words in line for line in found), found


@settings(max_examples=60, deadline=None)
@given(st.integers(1, len(DISTRIBUTION) - 1))
def test_a_file_that_is_cut_anywhere_but_after_a_household_is_refused(end: int) -> None:
    whole = DISTRIBUTION.index("H-2,2")
    if end == whole:  # a shorter list that nothing tells from a whole one, unless it states its rows
        end += 1
    assert faults(DISTRIBUTION[:end])
    assert faults(DISTRIBUTION.replace("site,", "rows,2\nsite,")[: whole + len("rows,2\n")])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (DISTRIBUTION.encode("utf-16"), "UTF-16"),
        (DISTRIBUTION.replace("Desk", "Dépôt").encode("latin-1"), "row 6"),
        (DISTRIBUTION.replace("Desk 2", '"Desk 2').encode(), "quotation mark"),
        (b"x" * (9 << 20), "larger than 8 MiB"),
        (("a,b\n" * 20_001).encode(), "more than 20000 rows"),
        (b"", "empty"),
        (b"PK\x03\x04 no zip at all", "no whole XLSX"),
        (b"\xd0\xcf\x11\xe0 old", "old Excel"),
    ],
)
def test_a_file_of_another_kind_is_told_how_to_be_saved(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    found = read_list(path)
    assert isinstance(found, FaultsFound)
    assert any(words in line for line in found.lines("list.csv")), found


def test_five_hundred_appointments_and_no_more() -> None:
    rows = [f"N-{number},," for number in range(501)]
    assert "501 appointments" in faults(CLINIC + "\n".join(rows[:499]) + "\n")[0]
    assert isinstance(planned(CLINIC + "\n".join(rows[:498]) + "\n"), ClinicList)


def spreadsheet(rows: list[tuple[object, ...]]) -> bytes:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def test_a_spreadsheet_is_read_as_its_csv_file_and_faults_have_the_names_of_cells(tmp_path: Path) -> None:
    rows: list[tuple[object, ...]] = [
        ("Aidpost list", "clinic"),
        ("site", "harbour"),
        ("day", date(2026, 11, 25)),
        ("number", "time", "cohort"),
        ("A-1", time(8, 30), "60+"),
        ("A-2", None, None),
    ]
    path = tmp_path / "day.xlsx"
    path.write_bytes(spreadsheet(rows))
    assert read_list(path) == ReadList(planned(CLINIC))
    path.write_bytes(spreadsheet([*rows, ("=A6", 0.25, ""), (date(2026, 3, 12), "8h", "")]))
    found = read_list(path)
    assert isinstance(found, FaultsFound)
    places = [line.split(":")[0] for line in found.lines("day.xlsx")]
    assert places == ["day.xlsx, A7", "day.xlsx, B7", "day.xlsx, A8", "day.xlsx, B8"]
    assert "formula" in found.lines("day.xlsx")[0]


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"\0" * (100 << 20))
    path = tmp_path / "bomb.xlsx"
    path.write_bytes(content.getvalue())
    found = read_list(path)
    assert isinstance(found, FaultsFound)
    assert "unpacks to more" in found.faults[0].what


SHARE = st.floats(0, 1, exclude_max=True)  # of the file's length, which changes with the time in it


@settings(max_examples=80, deadline=None)
@given(changes=st.lists(st.tuples(SHARE, st.integers(0, 255)), min_size=1, max_size=6), kept=SHARE)
def test_a_damaged_spreadsheet_is_a_fault_and_never_an_error(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[float, int]], kept: float
) -> None:
    damaged = bytearray(spreadsheet([("Aidpost list", "clinic"), ("site", "harbour")]))
    for share, value in changes:
        damaged[4 + int(share * (len(damaged) - 4))] = value
    for content in (damaged, damaged[: 4 + int(kept * (len(damaged) - 4))]):
        path = tmp_path_factory.mktemp("damaged") / "list.xlsx"
        path.write_bytes(bytes(content))
        assert isinstance(read_list(path), FaultsFound)


def test_a_list_of_elsewhere_or_another_day_is_not_loaded() -> None:
    found = planned(DISTRIBUTION)
    here = Here("camp-3", Purpose.DISTRIBUTION, "desk-1", TODAY)
    assert unfit(found, here) == []
    for other, words in (
        (Here("camp-4", Purpose.DISTRIBUTION, "desk-1", TODAY), 'site "camp-3"'),
        (Here("camp-3", Purpose.CLINIC_CHECK_IN, "desk-1", TODAY), "for distribution"),
        (Here("camp-3", Purpose.DISTRIBUTION, "desk-7", TODAY), "not in the roster"),
        (Here("camp-3", Purpose.DISTRIBUTION, "desk-1", date(2026, 11, 28)), "ended on 2026-11-27"),
        (Here("camp-3", Purpose.DISTRIBUTION, "desk-1", date(2026, 11, 24)), "begins on 2026-11-25"),
        (Here("camp-3", Purpose.DISTRIBUTION, "desk-1", TODAY, cycle="c11"), 'cycle "c11" is loaded'),
    ):
        (fault,) = unfit(found, other)
        assert words in fault.what
    (fault,) = unfit(planned(CLINIC), Here("harbour", Purpose.CLINIC_CHECK_IN, "a", date(2026, 11, 26)))
    assert "the list of 2026-11-25" in fault.what


def test_a_signed_list_is_taken_from_trusted_issuers_alone_and_only_whole(tmp_path: Path) -> None:
    issuer, other = IssuerKey.new(), IssuerKey.new()
    path = tmp_path / "c12.aidpost-list"
    path.write_bytes(sign(DISTRIBUTION.encode(), issuer))
    found = read_list(path, (issuer.public,))
    assert isinstance(found, ReadList)
    assert found.signed_by == issuer.public
    assert list_words(found.planned) == list_words(planned(DISTRIBUTION))

    def what(content: bytes, *trusted: bytes) -> str:
        path.write_bytes(content)
        refused = read_list(path, trusted)
        assert isinstance(refused, FaultsFound)
        return refused.faults[0].what

    signed = sign(DISTRIBUTION.encode(), issuer)
    assert "not known" in what(signed, other.public)
    assert "copy the file again" in what(signed[:-20], issuer.public)
    assert "copy the file again" in what(signed[:40], issuer.public)
    assert "changed" in what(signed.replace(b"loss cap,10", b"loss cap,99"), issuer.public)
    forged = sign(DISTRIBUTION.encode(), other).replace(
        other.public.hex().encode(), issuer.public.hex().encode()
    )
    assert "signature does not hold" in what(forged, issuer.public)


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
@pytest.mark.parametrize("kind", ["clinic", "distribution"])
def test_a_template_can_be_loaded_as_it_is(tmp_path: Path, kind: str, ending: str) -> None:
    path = tmp_path / f"example.{ending}"
    rows = clinic_rows("s", TODAY) if kind == "clinic" else distribution_rows("s", "d", TODAY)
    write_template(rows, path)
    found = read_list(path)
    assert isinstance(found, ReadList), found
    assert found.planned.last_day == TODAY


def test_the_commands_write_check_and_sign(tmp_path: Path) -> None:
    runner = CliRunner()
    path, signed, key = tmp_path / "cycle.csv", tmp_path / "cycle.aidpost-list", tmp_path / "issuer.pem"
    IssuerKey.create(key)
    assert runner.invoke(aidpost, ["list", "template", "distribution", "--out", str(path)]).exit_code == 0
    checked = runner.invoke(aidpost, ["list", "check", str(path)])
    assert checked.exit_code == 0, checked.output
    assert "3 households, 6 collectors, 3 alternates" in checked.output
    assert "Due: rice 70 kg; oil 7 l; soap 12 piece" in checked.output
    made = runner.invoke(aggregator, ["list", "sign", str(path), "--key", str(key)])
    assert made.exit_code == 0, made.output
    assert signed.read_bytes().startswith(b"AIDPOST LIST 1\n")
    checked = runner.invoke(aidpost, ["list", "check", str(signed)])
    assert f"Signed with the key {IssuerKey.load(key).public.hex()}" in checked.output
    path.write_bytes(path.read_bytes().replace(b"H-0002", b"H-0001"))
    refused = runner.invoke(aidpost, ["list", "check", str(path)])
    assert refused.exit_code == 1
    assert "cycle.csv, row 14, column 1: this household stands in row 13 too" in refused.output
    refused = runner.invoke(aggregator, ["list", "sign", str(path), "--key", str(key)])
    assert refused.exit_code == 1
    assert "nothing was signed" in refused.output


PINS = {"tomas": "730264", "leila": "308157", "amina": "482915"}


class Appliance:
    """The commands of one appliance with two supervisors, tomas and leila, and the operator amina."""

    def __init__(self, folder: Path, purpose: Purpose, issuer: IssuerKey) -> None:
        self._config = folder / "aidpost.toml"
        self._config.write_text(
            f'[device]\nid = "desk-1"\nsite = "site-1"\npurpose = "{purpose.value}"\ndata = "{folder}"\n'
            '[keys]\nguard = "file"\n[camera]\ndriver = "replay"\n'
            f'[issuer]\nkeys = ["{issuer.public.hex()}"]\n[page]\n'
        )
        self.run("staff", "add", "tomas", "--role=supervisor", typed=[PINS["tomas"]] * 2)
        for name, role in (("leila", "supervisor"), ("amina", "operator")):
            typed = ["tomas", PINS["tomas"], PINS[name], PINS[name]]
            self.run("staff", "add", name, f"--role={role}", typed=typed)

    def run(self, *words: str, typed: Sequence[str] = (), status: int = 0) -> str:
        typed_lines = "".join(f"{line}\n" for line in typed)
        result = CliRunner().invoke(aidpost, [*words, "--config", str(self._config)], input=typed_lines)
        assert result.exit_code == status, result.output
        return result.output

    def load(self, path: Path, *names: str, status: int = 0) -> str:
        typed = [line for name in names for line in (name, PINS[name])]
        return self.run("list", "import", str(path), typed=typed, status=status)


def test_while_the_appliance_runs_its_page_is_named(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, Purpose.DISTRIBUTION, IssuerKey.new())
    path = tmp_path / "cycle.csv"
    write_template(distribution_rows("site-1", "desk-1", datetime.now().astimezone().date()), path)
    running = ProcessLock(lock_of(tmp_path / "aidpost.db"))
    for said in (appliance.run("list", "show", status=1), appliance.load(path, status=1)):
        assert f"the appliance runs (pid {os.getpid()}), and its page does this" in said
    running.release()
    assert "No list is loaded" in appliance.run("list", "show")


def test_a_cycle_is_loaded_whole_by_two_supervisors_or_not_at_all(tmp_path: Path) -> None:
    appliance = Appliance(tmp_path, Purpose.DISTRIBUTION, IssuerKey.new())
    path = tmp_path / "cycle.csv"
    write_template(distribution_rows("site-1", "desk-1", datetime.now().astimezone().date()), path)
    good = path.read_bytes()
    assert "two different supervisors" in appliance.load(path, "tomas", "tomas", status=1)
    assert "no supervisor" in appliance.load(path, "tomas", "amina", status=1)
    path.write_bytes(good[:-9])
    assert "row 15" in appliance.load(path, "tomas", "leila", status=1)
    path.write_bytes(good.replace(b"site,site-1", b"site,site-2"))
    assert 'site "site-2"' in appliance.load(path, "tomas", "leila", status=1)
    assert "No list is loaded" in appliance.run("list", "show")
    path.write_bytes(good)
    assert "Loaded: 3 households" in appliance.load(path, "tomas", "leila")
    shown = appliance.run("list", "show")
    assert "tomas, leila" in shown
    assert "H-0001" not in shown
    path.write_bytes(good.replace(b"cycle-1", b"cycle-2"))
    assert 'cycle "cycle-1" is loaded' in appliance.load(path, "tomas", "leila", status=1)


def test_a_clinics_list_that_an_issuer_signed_needs_nobody_to_answer_for_it(tmp_path: Path) -> None:
    issuer = IssuerKey.new()
    appliance = Appliance(tmp_path, Purpose.CLINIC_CHECK_IN, issuer)
    plain, signed = tmp_path / "day.csv", tmp_path / "day.aidpost-list"
    write_template(clinic_rows("site-1", datetime.now().astimezone().date()), plain)
    assert "First supervisor" in appliance.load(plain, status=1)
    signed.write_bytes(sign(plain.read_bytes(), IssuerKey.new()))
    assert "signer is not known" in appliance.load(signed, status=1)
    signed.write_bytes(sign(plain.read_bytes(), issuer))
    assert "Loaded: 3 appointments" in appliance.load(signed)
    assert "an issuer's signature" in appliance.run("list", "show")
