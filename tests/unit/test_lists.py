"""Lists: what is accepted, and that every fault of a bad file is named with its place."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.lists.fitting import Here, unfit
from tests.kit.list_texts import CLINIC, DISTRIBUTION, TODAY, planned
from trust.consent import Purpose
from trust.lists.faults import ListRefused
from trust.lists.parsing import parse
from trust.lists.secret import new_secret
from trust.lists.table import read_csv
from trust.lists.terms import Appointment, ClinicList, DistributionList, Household, Ration


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


def test_five_hundred_appointments_and_no_more() -> None:
    rows = [f"N-{number},," for number in range(501)]
    assert "501 appointments" in faults(CLINIC + "\n".join(rows[:499]) + "\n")[0]
    assert isinstance(planned(CLINIC + "\n".join(rows[:498]) + "\n"), ClinicList)


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
