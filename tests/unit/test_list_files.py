"""The files that lists come in: other kinds, spreadsheets, signed lists and templates."""

from __future__ import annotations

import io
import zipfile
from datetime import date, time
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.lists.reading import FaultsFound, ReadList, read_list
from firmware.lists.templates import clinic_rows, distribution_rows, write_template
from tests.kit.list_texts import CLINIC, DISTRIBUTION, TODAY, planned
from trust.issuer import IssuerKey
from trust.lists.envelope import sign
from trust.lists.parsing import list_words


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
