"""A decision is explained from the audit log and its record, and the chain is checked on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from firmware.commands.audit import audit
from firmware.commands.decision import decision
from firmware.explaining import NotInLog, explain, find
from firmware.records import Mode, Outcome, Use
from firmware.store.store import Store
from firmware.store.trail import Trail
from firmware.workflow.kept import Conclusion
from tests.kit.store_values import check_in, fault, moment, open_store
from trust.checking import public_key_der
from trust.service import Answer, Basis, Workflow

KEY = ec.generate_private_key(ec.SECP256R1())
USE = Use(moment(), b"g" * 32, ("sface-1/litert",), "ana", b"i" * 32, strength="strong", failed_in_a_row=None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = open_store(tmp_path)
    store.commit_fault(moment(), fault())
    store.commit_check_in(moment(0.001), check_in(0xABCDEF0123 << 80), use=USE)
    verified = msgspec.structs.replace(
        check_in(7), mode=Mode.VERIFY, outcome=Outcome.NO_MATCH, confirmed=False
    )
    use = msgspec.structs.replace(USE, strength="weak", failed_in_a_row=3, input_digest=None)
    store.commit_check_in(moment(30), verified, use=use)
    yield store
    store.close()


def said(trail: Trail, wanted: str) -> dict[str, str]:
    return {line.about: line.said for line in explain(trail, wanted)}


def test_a_suggestion_is_explained_with_who_confirmed_it(store: Store) -> None:
    lines = said(store.trail(), "2")
    assert lines["Decision"] == "check-in, row 2 of the log, event 2"
    assert lines["Compared with"].startswith("500 entries (1:few)")
    assert lines["Gallery digest"].startswith((b"g" * 32).hex())
    assert lines["Threshold"].startswith("4.25")
    assert lines["Score in words"] == "strong: at most 1 in 10,000 other people would score this high"
    assert lines["Who decided"] == "a person confirmed the suggestion by sight: ana"
    assert "it took 3.6 s" in lines["When"]
    assert (lines["Score"], lines["Samples"]) == ("5.50", "finger and face, in 2 tries")
    assert lines["Proof"].startswith("all 3 rows hold")
    assert lines["Signed for"] == "not yet"


def test_a_service_names_the_decisions_that_it_rests_on(store: Store) -> None:
    kept, gone = check_in(0xABCDEF0123 << 80).record_id, b"\x99" * 16
    ended = Conclusion(
        session_id=b"s" * 16,
        workflow=Workflow.CLINIC,
        answer=Answer.VISIT,
        basis=Basis.CONFIRMED,
        check_ins=(kept, gone),
    )
    store.work.conclude(moment(31), ended)
    lines = said(store.trail(), "4")
    assert lines["Rests on"] == f"decision 2, record {gone.hex()}, no longer kept here"


def test_a_claim_without_a_match_names_the_rule_of_attempts(store: Store) -> None:
    lines = said(store.trail(), "3")
    assert lines["Attempts"].startswith("3 failed in a row after this one; after 5 failures")
    assert lines["Who decided"] == "staff, without finger and face (at the desk: ana)"
    assert "Input" not in lines


def test_a_decision_is_found_by_its_number_its_record_and_its_row(store: Store) -> None:
    trail = store.trail()
    record_id = check_in(0xABCDEF0123 << 80).record_id.hex()
    assert find(trail, "2") == find(trail, "#2") == find(trail, record_id[:12])
    for wanted in ("4", "#4", "f" * 32, "ana", ""):
        with pytest.raises(NotInLog):
            find(trail, wanted)


def test_what_left_with_the_record_is_named_and_why(store: Store) -> None:
    store.outbox.acknowledge(3, moment(40))
    store.outbox.purge_acknowledged(moment(100))
    lines = said(store.trail(), "2")
    assert "Score" not in lines
    assert lines["Can no longer be shown"].startswith("the score as a number")
    assert "event 2 of post-1" in lines["Why not"]
    assert lines["Score in words"].startswith("strong")


def test_a_broken_log_proves_nothing_after_its_break(store: Store) -> None:
    trail = store.trail()
    first, (number, data, chain), last = trail.rows
    forged = replace(trail, rows=[first, (number, data.replace(b"ana", b"bob"), chain), last])
    assert "THIS ROW IS NOT PROVEN" in said(forged, "2")["Proof"]
    assert "rows up to this one still hold" in said(forged, "1")["Proof"]


def test_the_commands_show_and_explain_an_exported_log(store: Store, tmp_path: Path) -> None:
    exported = tmp_path / "audit.log"
    sign = lambda data: KEY.sign(data, ec.ECDSA(hashes.SHA256()))  # noqa: E731
    lines = store.trail().lines(public_key_der(KEY.public_key()), sign)
    exported.write_text("".join(line + "\n" for line in lines))

    shown = CliRunner().invoke(audit, ["show", "--file", str(exported), "--from", "2027-01-16"])
    assert shown.exit_code == 0, shown.output
    assert "#3" in shown.output
    assert "#2" not in shown.output
    assert "All 3 rows hold" in shown.output

    for words in (["2"], ["record", "2"], ["record 2"], ["decision 2"]):
        explained = CliRunner().invoke(decision, ["explain", "--file", str(exported), *words])
        assert explained.exit_code == 0, explained.output
    assert "strong: at most 1 in 10,000" in explained.output
    assert "Can no longer be shown" in explained.output  # an exported log has no records
