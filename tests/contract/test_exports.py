"""Results go out by a signed policy alone: what it names, to whom it names, and who got it is kept."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pyarrow.parquet
import pytest
from click.testing import CliRunner
from fhir.resources.R4B.auditevent import AuditEvent
from fhir.resources.R4B.consent import Consent
from fhir.resources.R4B.encounter import Encounter
from google.protobuf.timestamp_pb2 import Timestamp
from msgspec.structs import replace

from aggregator.authority import Authority
from aggregator.cli import main
from aggregator.exporting import policy as export_policy
from aggregator.exporting.policy import ExportPolicy, ExportRefused
from aggregator.store.place import Place
from aidpost.v1 import export_pb2, fleet_pb2, fleet_pb2_grpc
from firmware.event_message import to_message
from firmware.records import Event
from tests.kit.aggregator_fixture import NOW_NS, Running, running_aggregator
from tests.kit.identities import first_administrator, joined, shown
from tests.kit.link_device import PATIENCE_S, LinkDevice, check_in, registration
from tests.kit.store_values import moment
from tests.kit.work_values import service
from trust.issuer import IssuerKey

POLICY = """
format = "aidpost export 1"
edition = 1
controller = "Harbour Clinic; data protection: room 4"

[[recipients]]
name = "ministry"
why = "monthly figures, by the agreement of 2026"
formats = ["csv", "parquet", "fhir"]
kinds = ["check_in", "registration", "service"]
columns = ["time", "site", "device", "kind", "record", "household", "outcome", "duration_s", "consent",
           "tries"]
until = "2026-12-31"

[[recipients]]
name = "auditor"
why = "a sample"
formats = ["csv"]
kinds = ["service"]
columns = ["time", "household", "record"]
sites = ["south-gate"]
until = "2026-12-31"

[[recipients]]
name = "former-partner"
why = "it is over"
formats = ["csv"]
kinds = ["service"]
columns = ["time"]
until = "2025-12-31"
"""
CSV, PARQUET, FHIR = (
    export_pb2.EXPORT_FORMAT_CSV,
    export_pb2.EXPORT_FORMAT_PARQUET,
    export_pb2.EXPORT_FORMAT_FHIR,
)


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    file = tmp_path / "export.toml"
    file.write_text(POLICY)
    return file


@dataclass
class Desk:
    fleet: fleet_pb2_grpc.FleetServiceAsyncStub
    server: Running

    async def export(
        self,
        form: export_pb2.ExportFormat.ValueType,
        recipient: str = "ministry",
        sites: tuple[str, ...] = (),
        hours: tuple[int, int] = (-1, 1),
    ) -> bytes:
        begins, ends = Timestamp(), Timestamp()
        begins.FromNanoseconds(NOW_NS + hours[0] * 3_600_000_000_000)
        ends.FromNanoseconds(NOW_NS + hours[1] * 3_600_000_000_000)
        request = export_pb2.ExportResultsRequest(format=form, to=ends, recipient=recipient, sites=sites)
        getattr(request, "from").CopyFrom(begins)
        return b"".join([part.data async for part in self.fleet.ExportResults(request, timeout=PATIENCE_S)])

    async def refusal(self, *asked: object, **more: object) -> str:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await self.export(*asked, **more)  # type: ignore[arg-type]
        assert refused.value.code() is grpc.StatusCode.FAILED_PRECONDITION
        return refused.value.details() or ""


@asynccontextmanager
async def desk(folder: Path, store: Place, policy: ExportPolicy | None) -> AsyncIterator[Desk]:
    """An aggregator that holds a check-in, a registration and a service of one device."""
    authority = Authority.create(folder / "identity")
    administrator = first_administrator(authority, store)
    async with (
        running_aggregator(
            store, files=folder / "files", authority=authority, export_policy=policy
        ) as server,
        shown(server.target, authority.certificate, administrator) as channel,
    ):
        fleet: fleet_pb2_grpc.FleetServiceAsyncStub = fleet_pb2_grpc.FleetServiceStub(channel)
        identity = await joined(fleet, server.target, authority.certificate, "desk-1")
        async with shown(server.target, authority.certificate, identity.held()) as own:
            device = LinkDevice(own)
            await device.hello()
            served = to_message(Event(3, moment(), service(7)))
            await device.report([check_in(1), registration(2), served])
        yield Desk(fleet, server)


async def test_what_the_policy_names_goes_out_and_nothing_else(
    tmp_path: Path, store: Place, policy_file: Path
) -> None:
    async with desk(tmp_path, store, export_policy.read(policy_file)) as at:
        text = (await at.export(CSV)).decode()
        rows = list(csv.DictReader(io.StringIO(text)))
        assert [row["kind"] for row in rows] == ["check_in", "registration", "service"]
        assert rows[2]["duration_s"] == "19.25"
        assert rows[1]["consent"] == "accepted"
        held = at.server.events()
        for secret in (held[0].record_id, held[2].record_id, held[0].entry_id, b"h" * 16):
            assert secret is not None
            assert secret.hex() not in text
        assert "amina" not in text  # no member of staff can be a column

        table = pyarrow.parquet.read_table(io.BytesIO(await at.export(PARQUET)))
        assert table.column_names == list(rows[0])
        assert table["record"].to_pylist() == [row["record"] for row in rows]
        assert str(table.schema.field("time").type) == "timestamp[ms, tz=UTC]"

        resources = [json.loads(line) for line in (await at.export(FHIR)).splitlines()]
        assert [each["resourceType"] for each in resources] == ["AuditEvent", "Consent", "Encounter"]
        AuditEvent.model_validate(resources[0])
        Consent.model_validate(resources[1])
        encounter = Encounter.model_validate(resources[2])
        assert encounter.period is not None
        assert encounter.period.start is not None
        assert encounter.period.end is not None
        assert (encounter.period.end - encounter.period.start).total_seconds() == 19.25

        acts = (await at.fleet.ListAudit(fleet_pb2.ListAuditRequest())).entries
        exports = [each.subject for each in acts if each.act == "export"]
        assert [subject.partition(",")[0] for subject in exports] == [
            "ministry: 3 rows as csv", "ministry: 3 rows as parquet", "ministry: 3 rows as fhir",
        ]  # fmt: skip


async def test_two_recipients_cannot_compare_what_they_got(
    tmp_path: Path, store: Place, policy_file: Path
) -> None:
    policy = export_policy.read(policy_file)
    ministry, auditor, _former = policy.recipients
    async with desk(
        tmp_path, store, replace(policy, recipients=(ministry, replace(auditor, sites=())))
    ) as at:
        theirs, ours = [
            list(csv.DictReader(io.StringIO((await at.export(CSV, recipient)).decode())))[-1]
            for recipient in ("ministry", "auditor")
        ]
        assert len(theirs["household"]) == len(ours["household"]) == 32
        assert theirs["household"] != ours["household"]
        assert theirs["record"] != ours["record"]


async def test_what_the_policy_does_not_name_stays(tmp_path: Path, store: Place, policy_file: Path) -> None:
    async with desk(tmp_path, store, export_policy.read(policy_file)) as at:
        assert "names nobody 'newspaper'" in await at.refusal(CSV, "newspaper")
        assert "may not have fhir" in await at.refusal(FHIR, "auditor")
        assert "may not have results of north-gate" in await at.refusal(CSV, "auditor", ("north-gate",))
        assert "up to 2025-12-31" in await at.refusal(CSV, "former-partner")
        assert "no device is at =cmd" in await at.refusal(CSV, "ministry", ("north-gate", "=cmd"))
        assert "ends before it begins" in await at.refusal(CSV, hours=(1, -1))
        # The auditor's own site has no device: a header, and no row of another site.
        assert (await at.export(CSV, "auditor")).decode() == "time,household,record\r\n"


async def test_without_a_policy_nothing_goes_out(tmp_path: Path, store: Place) -> None:
    async with desk(tmp_path, store, None) as at:
        assert "no export policy" in await at.refusal(CSV)


def test_a_policy_counts_only_as_it_was_signed(policy_file: Path, tmp_path: Path) -> None:
    key = tmp_path / "officer.pem"
    run = CliRunner().invoke
    public = run(main, ["export", "key", str(key)]).output.strip()
    assert run(main, ["export", "sign", str(policy_file), "--key", str(key)]).exit_code == 0
    trusted = (bytes.fromhex(public),)
    assert export_policy.read_signed(policy_file, trusted).recipients[0].name == "ministry"
    with pytest.raises(ExportRefused, match="not among"):
        export_policy.read_signed(policy_file, (IssuerKey.new().public,))
    policy_file.write_text(POLICY.replace('["south-gate"]', "[]"))
    with pytest.raises(ExportRefused, match="changed after it was signed"):
        export_policy.read_signed(policy_file, trusted)


@pytest.mark.parametrize(
    ("was", "becomes", "says"),
    [
        ('"tries"]', '"entry_id"]', "Invalid enum value 'entry_id'"),
        ('"tries"]', '"operator"]', "Invalid enum value 'operator'"),
        ('name = "auditor"', 'name = "ministry"', "stands there twice"),
        ('"time", "site", "device", "kind",', '"site", "device", "kind",', "needs the columns time"),
        ('format = "aidpost export 1"', 'format = "aidpost policy 1"', "no export policy"),
    ],
)
def test_a_policy_that_names_what_never_goes_out_is_refused(
    policy_file: Path, was: str, becomes: str, says: str
) -> None:
    policy_file.write_text(POLICY.replace(was, becomes))
    result = CliRunner().invoke(main, ["export", "check", str(policy_file)])
    assert result.exit_code == 1
    assert says in result.output
