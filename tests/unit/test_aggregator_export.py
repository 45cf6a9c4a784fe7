"""`results` and `devices` in their three formats, read while a server writes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from aggregator.cli import main
from aggregator.export import RESULT_TABLE, ResultRow, result_row, write_rows
from aggregator.holdings import Details, StoredEvent
from aidpost.v1 import event_pb2
from firmware.event_message import to_message
from firmware.records import ClockQuality, Event, EventBody, Moment
from tests.kit import work_values
from tests.kit.aggregator_fixture import NOW_NS, running_aggregator
from tests.kit.link_device import EPOCH, LinkDevice, check_in, device_fault, dialled, registration
from trust.service import Answer

EVENTS = [
    check_in(1),
    check_in(2, event_pb2.OUTCOME_RETRY),
    registration(3),
    device_fault(4),
    check_in(6),
]

WORK: tuple[EventBody, ...] = (
    work_values.service(),
    work_values.LIST_LOADED,
    work_values.LIST_ERASED,
    work_values.DAY_CLOSED,
    work_values.COMPLAINT,
    work_values.CONFLICT,
)
MOMENT = Moment(EPOCH, 0, NOW_NS, ClockQuality.UNSET)

Command = Callable[..., str]


@pytest.fixture
async def command(tmp_path: Path) -> Command:
    store = tmp_path / "store.db"
    async with running_aggregator(store) as server, dialled(server.target) as channel:
        for device_id in ("desk-1", "desk-2"):
            device = LinkDevice(channel, device_id)
            await device.hello()
            await device.report(EVENTS if device_id == "desk-1" else [check_in(1)])
    return reader_of(store)


@pytest.fixture
async def work(tmp_path: Path) -> Command:
    """The records of the work, as an appliance sent them."""
    store = tmp_path / "work.db"
    async with running_aggregator(store) as server, dialled(server.target) as channel:
        device = LinkDevice(channel)
        await device.hello()
        await device.report([to_message(Event(seq, MOMENT, body)) for seq, body in enumerate(WORK, 1)])
    return reader_of(store)


def reader_of(store: Path) -> Command:
    def run(name: str, *options: str) -> str:
        answer = CliRunner().invoke(main, [name, f"--store={store}", *options], catch_exceptions=False)
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    return run


def test_json_is_a_list_of_objects_with_stable_keys(command: Command) -> None:
    rows = json.loads(command("results", "--format=json", "--device=desk-1"))
    assert all(tuple(row) == ResultRow.__struct_fields__ for row in rows)
    assert [(row["seq"], row["kind"]) for row in rows] == [
        (1, "check_in"),
        (2, "check_in"),
        (3, "registration"),
        (4, "device_fault"),
        (6, "check_in"),
    ]
    sent = check_in(1).check_in
    assert (
        rows[0]
        | {
            "device_id": "desk-1",
            "epoch": EPOCH.hex(),
            "record_id": sent.record_id.hex(),
            "entry_id": sent.entry_id.hex(),
            "outcome": "match",
            "confirmed": False,
            "mode": "verify",
            "tries": 2,
            "score_llr": 8.25,
            "threshold_llr": 6.5,
            "modalities": ["finger"],
            "stages": {"capture": 812.0, "compare": 3.4},
            "wall_time": "2026-01-01T00:00:01.000Z",
            "clock_quality": "synchronised",
            "received_at": "2026-01-01T09:00:00.000Z",
        }
        == rows[0]
    )
    assert (rows[1]["outcome"], rows[1]["entry_id"], rows[1]["reason"]) == ("retry", None, "too_dry")
    assert (rows[2]["consent"], rows[2]["finger_templates"]) == ("accepted", 2)
    assert (rows[3]["part"], rows[3]["recovered"], rows[3]["fault"]) == ("camera", False, "SensorTimeout")


def test_the_records_of_the_work_can_be_read(work: Command) -> None:
    rows = json.loads(work("results", "--format=json"))
    said = [{key: value for key, value in row.items() if value not in (None, {}, [])} for row in rows]
    service, loaded, erased, closed, complaint, conflict = said
    assert service | {
        "kind": "service", "workflow": "distribution", "outcome": "ration given", "basis": "exception",
        "check_ins": ["63" * 16, "64" * 16], "reason": "worn or injured fingers", "household": "68" * 16,
        "cycle": "2026-11", "duration_s": 19.25, "declined": True, "cohort": "60+", "operator": "amina",
        "supervisor": "tomas",
    } == service  # fmt: skip
    assert (loaded["kind"], loaded["entries"], loaded["approved_by"]) == (
        "list_loaded",
        412,
        ["amina", "tomas"],
    )
    digest = work_values.DIGEST.hex()
    assert (erased["kind"], erased["cycle"], erased["entries"], erased["digest"]) == (
        "list_erased", "2026-11-25", 87, digest,
    )  # fmt: skip
    assert closed | {
        "kind": "day_closed", "planned": 412, "served": 397, "exceptions": 6, "already_collected": 2,
        "conflicts": 1, "waiting": 3, "digest": digest, "operator": "tomas",
    } == closed  # fmt: skip
    assert (complaint["kind"], complaint["concern"]) == ("complaint", "too long a wait")
    assert conflict | {
        "kind": "conflict", "outcome": "collected twice", "household": "68" * 16,
        "collected": [
            "desk-1 2026-01-01T09:00:00Z " + "31" * 16, "desk-2 2026-01-01T09:01:00Z " + "32" * 16,
        ],
    } == conflict  # fmt: skip
    assert [row["seq"] for row in json.loads(work("results", "--format=json", "--kind=service"))] == [1]
    table = " ".join(work("results").split())
    assert "ration given distribution exception, worn or injured fingers," in table


async def test_households_that_collected_at_two_desks_are_named_for_reconciliation(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    given = {"post-1": (b"a" * 16, b"b" * 16), "post-2": (b"b" * 16, b"c" * 16)}
    async with running_aggregator(store) as server, dialled(server.target) as channel:
        for device_id, households in given.items():
            device = LinkDevice(channel, device_id)
            await device.hello()
            bodies = [msgspec.structs.replace(work_values.service(), household=each) for each in households]
            bodies.append(msgspec.structs.replace(bodies[0], answer=Answer.ALREADY_COLLECTED))
            await device.report([to_message(Event(seq, MOMENT, body)) for seq, body in enumerate(bodies, 1)])
    run = reader_of(store)
    (row,) = json.loads(run("double-collections", "--format=json"))
    assert row == {
        "cycle": work_values.CYCLE,
        "household": "62" * 16,
        "times": 2,
        "hand_overs": [["post-1", "2026-01-01T09:00:00.000Z"], ["post-2", "2026-01-01T09:00:00.000Z"]],
    }
    assert run("double-collections", "--cycle=2026-12").startswith("No household collected twice")


def test_csv_holds_the_same_rows(command: Command) -> None:
    rows = list(csv.DictReader(io.StringIO(command("results", "--format=csv"))))
    assert tuple(rows[0]) == ResultRow.__struct_fields__
    assert [(row["device_id"], row["seq"]) for row in rows] == [
        *(("desk-1", str(event.seq)) for event in EVENTS),
        ("desk-2", "1"),
    ]
    assert rows[1]["score_llr"] == "-3.5"  # a number stays a number


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_no_cell_of_a_csv_is_a_formula(start: str) -> None:
    event = StoredEvent(
        device_id="desk-1",
        epoch=EPOCH,
        seq=1,
        kind="check_in",
        received_ns=NOW_NS,
        boot_id=EPOCH,
        monotonic_ns=0,
        wall_ns=NOW_NS,
        clock_quality="unset",
        record_id=EPOCH,
        entry_id=None,
        outcome="retry",
        mode="verify",
        tries=1,
        score_llr=-2.5,
        threshold_llr=1.0,
        reason=f"{start}HYPERLINK(1)",
        details=Details(),
    )
    out = io.StringIO(newline="")
    write_rows([result_row(event)], ResultRow, "csv", out, RESULT_TABLE)
    out.seek(0)
    (row,) = csv.DictReader(out)
    assert row["reason"] == f"'{start}HYPERLINK(1)"
    assert row["score_llr"] == "-2.5"


def test_table_shows_a_line_for_each_event(command: Command) -> None:
    lines = command("results").splitlines()
    assert sum("check_in" in line for line in lines) == 4
    assert any("retry" in line and "too_dry" in line for line in lines)


def test_results_can_be_narrowed(command: Command) -> None:
    def seqs(*options: str) -> list[int]:
        return [row["seq"] for row in json.loads(command("results", "--format=json", *options))]

    assert seqs("--limit=2") == [6, 1]
    assert seqs("--kind=check_in", "--device=desk-1", "--limit=2") == [2, 6]
    assert seqs("--since=2026-01-01T09:00:00") == [1, 2, 3, 4, 6, 1]
    assert seqs("--since=2026-01-01T09:00:01") == []
    assert seqs("--since=9999-12-31") == []
    assert seqs("--device=nobody") == []


def test_devices_say_what_is_held_and_what_is_missing(command: Command) -> None:
    first, second = json.loads(command("devices", "--format=json"))
    assert (first["device_id"], first["site"], first["events_held"], first["acked_seq"]) == (
        "desk-1",
        "north-gate",
        5,
        4,
    )
    assert first["missing"] == [[EPOCH.hex(), 5, 5]]
    assert first["faults"] == {"camera": "SensorTimeout"}
    assert (second["device_id"], second["missing"], second["faults"]) == ("desk-2", [], {})
    assert "SensorTimeout" in command("devices")


def test_a_missing_store_and_a_wrong_time_are_said_clearly(tmp_path: Path) -> None:
    answer = CliRunner().invoke(main, ["results", f"--store={tmp_path / 'none.db'}"])
    assert answer.exit_code == 1
    assert "there is no store" in answer.stderr
    for wrong in ("yesterday", "2026-13-01", f"{10**12}d"):
        answer = CliRunner().invoke(main, ["results", f"--store={tmp_path / 'none.db'}", f"--since={wrong}"])
        assert answer.exit_code == 2
        assert "neither a time" in answer.stderr
