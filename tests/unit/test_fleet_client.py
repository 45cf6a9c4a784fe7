"""The Python client of FleetService: pages, errors, repeated calls, and the examples of its page."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo, RetryInfo

from aidpost import client as api
from aidpost.client import Credential, CredentialUnusable, FleetClient
from aidpost.client.credential import SERVER_NAME
from aidpost.v1 import event_pb2, fleet_pb2, inventory_pb2
from tests.kit.answering_fleet import SERVICE, AnsweringFleet, Refuses, answering_fleet
from trust import certificates

EXAMPLES = re.findall(r"```python\n(.*?)```", Path("docs/fleet-client.md").read_text(), re.S)


@pytest.fixture
def served(tmp_path: Path) -> Iterator[AnsweringFleet]:
    with answering_fleet(tmp_path) as fleet:
        yield fleet


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def fleet(served: AnsweringFleet, waits: list[float]) -> Iterator[FleetClient]:
    with served.shown().channel(served.target) as channel:
        yield FleetClient(channel, sleep=waits.append)


def test_every_call_has_a_method_of_its_name() -> None:
    named = {re.sub(r"(?<!^)([A-Z])", r"_\1", method.name).lower() for method in SERVICE.methods}
    assert named == {name for name in dir(FleetClient) if not name.startswith("_")}


def test_all_pages_are_one_iterator(fleet: FleetClient, served: AnsweringFleet) -> None:
    served.answers["ListDevices"] = [
        inventory_pb2.ListDevicesResponse(
            devices=[inventory_pb2.Device(device_id="a")], next_page_token="next", total=2
        ),
        inventory_pb2.ListDevicesResponse(devices=[inventory_pb2.Device(device_id="b")], total=2),
    ]
    found = fleet.list_devices("connected")
    assert served.asked == []  # nothing is asked before it is wanted
    assert [device.device_id for device in found] == ["a", "b"]
    assert [(asked.filter, asked.page_token) for _, asked in served.asked] == [
        ("connected", ""),
        ("connected", "next"),
    ]


def test_what_only_reads_is_asked_again(
    fleet: FleetClient, served: AnsweringFleet, waits: list[float]
) -> None:
    wait = RetryInfo(retry_delay=Duration(seconds=3))
    served.answers["GetDevice"] = [
        Refuses(grpc.StatusCode.UNAVAILABLE),
        Refuses(grpc.StatusCode.RESOURCE_EXHAUSTED, details=(wait,)),
        inventory_pb2.GetDeviceResponse(device=inventory_pb2.Device(device_id="desk-1")),
    ]
    assert fleet.get_device("desk-1").device_id == "desk-1"
    assert waits == [0.25, 3.0]


def test_a_change_is_repeated_under_one_request_id(fleet: FleetClient, served: AnsweringFleet) -> None:
    served.answers["SendCommand"] = [
        Refuses(grpc.StatusCode.UNAVAILABLE),
        fleet_pb2.SendCommandResponse(),
    ]
    sent = fleet.send_command("desk-1", event_pb2.COMMAND_KIND_REBOOT)
    assert [asked.command_id for _, asked in served.asked] == [sent.command_id] * 2


def test_what_would_be_done_twice_is_not_repeated(fleet: FleetClient, served: AnsweringFleet) -> None:
    served.answers["CreateClaim"] = [Refuses(grpc.StatusCode.UNAVAILABLE, "the store is full")]
    with pytest.raises(api.Unreachable, match="the store is full"):
        fleet.create_claim("north", timedelta(hours=1))
    assert served.names() == ["CreateClaim"]


def test_details_of_a_refusal_are_fields(fleet: FleetClient, served: AnsweringFleet) -> None:
    violation = PreconditionFailure.Violation(type="STATE", subject="r1", description="it has ended")
    fault = BadRequest.FieldViolation(field="group.filter", description="unknown field")
    served.answers["UpdateGroup"] = [
        Refuses(
            grpc.StatusCode.ABORTED,
            "somebody else changed it",
            (
                ErrorInfo(reason="ETAG_MISMATCH", metadata={"etag": "4"}),
                ResourceInfo(resource_type="group", resource_name="early"),
                PreconditionFailure(violations=[violation]),
                BadRequest(field_violations=[fault]),
            ),
        )
    ]
    with pytest.raises(api.Changed, match="somebody else changed it") as caught:
        fleet.update_group(inventory_pb2.Group(name="early", etag="3"), ["rank"])
    error = caught.value
    assert (error.reason, dict(error.metadata)) == ("ETAG_MISMATCH", {"etag": "4"})
    assert (error.resource_kind, error.resource) == ("group", "early")
    assert error.violations == (api.Violation("STATE", "r1", "it has ended"),)
    assert error.fields == (api.FieldFault("group.filter", "unknown field"),)
    assert error.retry_after_s is None


def test_a_server_of_another_authority_is_no_server(served: AnsweringFleet, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with answering_fleet(tmp_path / "other") as other, served.shown().channel(other.target) as channel:
        with pytest.raises(api.Unreachable):
            FleetClient(channel, api.Patience(tries=1)).list_hooks()
        assert other.asked == []


def test_a_credential_that_others_can_read_is_refused(served: AnsweringFleet) -> None:
    served.credential.chmod(0o640)
    with pytest.raises(CredentialUnusable, match="chmod 600"):
        Credential.read(served.credential)
    served.credential.chmod(0o600)
    served.credential.write_bytes(b"-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(CredentialUnusable, match="no credential"):
        Credential.read(served.credential)


def test_the_server_is_named_as_its_authority_names_it() -> None:
    assert SERVER_NAME == certificates.SERVER_NAME


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_of_the_page_run(
    served: AnsweringFleet, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    desired = inventory_pb2.GetDesireResponse(desire=inventory_pb2.Desire(etag="3"))
    served.answers["GetDesire"] = [desired]
    served.answers["ListDevices"] = [
        inventory_pb2.ListDevicesResponse(devices=[inventory_pb2.Device(device_id="desk-1")], total=1)
    ]
    code = EXAMPLES[number].replace("aggregator.example.org:50051", served.target)
    with contextlib.chdir(served.credential.parent):
        exec(compile(code, f"docs/fleet-client.md, example {number + 1}", "exec"), {})  # noqa: S102
    assert served.asked
