"""The data-protection report: figures from the store alone, small groups hidden, one PDF and one JSON."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from click.testing import CliRunner
from msgspec.structs import replace

from aggregator.cli import main
from aggregator.report.figures import DAY_NS, Figures, Period, Refusals, figures
from aggregator.report.sections import sections
from aggregator.store import administration
from aggregator.store.database import open_reader, open_writer
from firmware.event_message import to_message
from firmware.records import (
    CheckIn,
    ClockQuality,
    Event,
    EventBody,
    ListErased,
    ListLoaded,
    Mode,
    Moment,
    Outcome,
    Registration,
    Service,
)
from tests.kit import store_values, work_values
from tests.kit.aggregator_fixture import NOW_NS, running_aggregator
from tests.kit.link_device import EPOCH, LinkDevice, dialled
from trust.consent import Consent
from trust.service import Answer, Basis, Reason, Workflow
from trust.small_cells import hidden

TOPICS = (
    *("Proportionality", "Informed consent", "Protection", "Purpose", "Accountability", "Sharing"),
    *("Cross-border transfer", "Retention", "Impact assessment", "Accuracy", "Communication"),
    *("Non-discrimination", "Complaints with human intervention"),
)


def came(
    number: int, cohort: str, outcome: Outcome, answer: Answer, basis: Basis | None
) -> Iterator[EventBody]:
    """One person who claimed to be somebody, and what they left with."""
    check_in: CheckIn = replace(
        store_values.check_in(number),
        mode=Mode.VERIFY,
        outcome=outcome,
        entry_id=bytes(16) if outcome is Outcome.MATCH else None,
        confirmed=False,
    )
    yield check_in
    yield Service(
        record_id=(number + 1000).to_bytes(16, "big"),
        workflow=Workflow.CLINIC,
        answer=answer,
        basis=basis,
        check_ins=(check_in.record_id,),
        reason=Reason.WORN_FINGERS if basis is Basis.EXCEPTION else None,
        cohort=cohort,
        operator="amina",
        supervisor="tomas" if basis is Basis.EXCEPTION else "",
    )


def day() -> Iterator[tuple[int, EventBody]]:
    """The wall clock in hours since NOW, and what happened."""
    yield 0, ListLoaded(workflow=Workflow.CLINIC, cycle="2026-01-01", entries=31, digest=b"d" * 32)
    number = 1
    for cohort, people, refused, left in (("60+", 12, 3, 1), ("18-59", 15, 1, 0), ("carried", 4, 2, 0)):
        for place in range(people):
            told = (
                (Outcome.NO_MATCH, Answer.VISIT, Basis.CARD if place else Basis.EXCEPTION)
                if place < refused
                else (Outcome.NO_MATCH, Answer.PERSON, None)
                if place < refused + left
                else (Outcome.MATCH, Answer.VISIT, Basis.BIOMETRIC)
            )
            for body in came(number, cohort, *told):
                yield 1, body
            number += 1
    yield 2, Registration(b"r" * 16, None, Consent.DECLINED, "1", "sw", 0, 0)
    yield 2, work_values.COMPLAINT
    yield 10, ListErased(workflow=Workflow.CLINIC, cycle="2026-01-01", entries=31, digest=b"d" * 32)
    yield 11, ListLoaded(workflow=Workflow.CLINIC, cycle="2026-01-02", entries=9, digest=b"e" * 32)


@pytest.fixture
async def store(tmp_path: Path) -> Path:
    path = tmp_path / "store.db"
    async with running_aggregator(path) as server, dialled(server.target) as channel:
        device = LinkDevice(channel)
        await device.hello()
        events = [
            Event(seq, Moment(EPOCH, 0, NOW_NS + hour * 3_600_000_000_000, ClockQuality.CHECKED), body)
            for seq, (hour, body) in enumerate(day(), 1)
        ]
        await device.report([to_message(event) for event in events])
    with open_writer(path, None) as db, db.atomic():
        administration.append(db, NOW_NS, "operator ana", "device approved", "desk-1 a-b-c")
        administration.append(db, NOW_NS - 40 * DAY_NS, "operator ben", "device revoked", "desk-9")
    return path


def of(store: Path, now_ns: int = NOW_NS + DAY_NS) -> Figures:
    with open_reader(store) as db:
        return figures(db, Period(NOW_NS - DAY_NS, NOW_NS + DAY_NS), now_ns)


def test_probably_wrongful_refusals_are_counted_and_small_groups_hidden(store: Path) -> None:
    found = of(store)
    assert found.refusals == Refusals(attempts=31, refused=6, unsettled=1)
    # Four of "carried" are too few, and with the total the next smallest would give them away.
    shown = {each.cohort: each.refusals for each in found.cohorts}
    assert shown == {"60+": None, "18-59": Refusals(15, 1, 0), "carried": None}
    assert hidden({"a": 9, "b": 9, "c": 40}) == {"a", "b"}
    assert hidden({"a": 9}) == {"a"}
    assert not hidden({"a": 10, "b": 40})
    assert hidden({"a": 1, "b": 1, "c": 40, "d": 90}) == {"a", "b", "c"}


def test_erasures_exceptions_and_administration_are_told(store: Path) -> None:
    found = of(store)
    (erased,), (still_there,) = found.list_erasures, found.open_lists
    assert (erased.cycle, erased.entries, erased.hours) == ("2026-01-01", 31, 10.0)
    assert (still_there.cycle, still_there.entries) == ("2026-01-02", 9)
    assert [(each.operator, each.supervisor, each.count) for each in found.exceptions] == [
        ("amina", "tomas", 3)
    ]
    assert [(each.actor, each.act) for each in found.administration.acts] == [
        ("operator ana", "device approved")
    ]
    assert (found.administration.entries, found.administration.broken_at) == (2, None)
    (site,) = found.sites
    assert site.check_ins == {"match": 24, "no match": 7}
    assert site.registrations == {"declined": 1}
    assert sum(site.complaints.values()) == 1


def test_what_lies_outside_the_days_is_not_in_it(store: Path) -> None:
    with open_reader(store) as db:
        found = figures(db, Period(NOW_NS + DAY_NS, NOW_NS + 2 * DAY_NS), NOW_NS)
    assert (found.sites, found.refusals.attempts, found.exceptions) == ((), 0, ())
    assert {each.kind: each.count for each in found.held}["check_in"] == 31


def test_a_changed_log_of_administration_and_a_silent_device_are_said_aloud(store: Path) -> None:
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("DROP TRIGGER administration_no_update")
        connection.execute("UPDATE administration SET actor = 'nobody' WHERE number = 1")
        connection.commit()
    found = of(store, NOW_NS + 6 * DAY_NS)
    text = said(found)
    assert "ITS LOG BREAKS AT ENTRY 1" in text
    assert "SILENT: it registers nobody any more" in text


def said(found: Figures) -> str:
    parts: list[str] = []
    for section in sections(found):
        parts += [section.title, *section.sentences]
        parts += [text for row in section.rows for text in (row.what, row.value, row.note)]
    return "\n".join(parts)


def test_the_command_writes_both_files_and_neither_names_a_small_group_s_figures(
    store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "annex"
    words = ("report", "data-protection", "--store", str(store), "--from", "2025-12-31", "--to", "2026-01-01")
    answer = CliRunner().invoke(main, [*words, "--out", str(out)], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    content: dict[str, Any] = json.loads((out / "data-protection.json").read_text())
    titles = [section["title"] for section in content["sections"]]
    assert tuple(titles[-len(TOPICS) :]) == TOPICS
    assert {each["cohort"]: each["refusals"] for each in content["figures"]["cohorts"]}["carried"] is None
    document = pypdfium2.PdfDocument(out / "data-protection.pdf")
    try:
        text = "\n".join(page.get_textpage().get_text_bounded() for page in document)
    finally:
        document.close()
    for expected in ("Data-protection report, 2025-12-31 to 2026-01-01", "carried", "not shown", *TOPICS):
        assert expected in text.replace("\r\n", " ")
    assert (out / "data-protection.pdf").stat().st_mode & 0o777 == 0o600
    refused = CliRunner().invoke(main, [*words[:5], "2026-01-02", *words[6:], "--out", str(out)])
    assert "--to is before --from" in refused.output


def test_an_empty_store_gives_a_report_too(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    with open_writer(path, None):
        pass
    text = said(of(path))
    assert "nothing was received yet" in text
