"""`aidpost-aggregator fleet` over a FleetService that answers as told: calls, commands, three forms."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import grpc
import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner, Result
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest

from aggregator.cli import main
from aggregator.fleet.rollout import WHOLE_RING
from aggregator.fleet_commands import fleet as fleet_group
from aidpost.v1 import (
    alert_pb2,
    event_pb2,
    export_pb2,
    fleet_pb2,
    inventory_pb2,
    rollout_pb2,
    state_pb2,
)
from tests.kit.answering_fleet import SERVICE, AnsweringFleet, Refuses, answering_fleet

PAGE = Path("docs/fleet-commands.md").read_text()
ID = bytes(range(16))
ROLLOUT = """
name = "tries-3"
filter = 'labels.ring = "early"'
artifacts = ["2cf2"]

[settings.session]
tries = 3

[[rings]]
name = "canary"
percent = 5
soak = "24h"

[[rings]]
name = "rest"

[thresholds]
error_percent = 7
"""
SHIFT = rollout_pb2.OutcomeShift(
    rate="no match",
    before_count=4,
    before_of=200,
    after_count=8,
    after_of=200,
    low=-1.5,
    high=5.7,
    excess=1.8,
    excess_low=-2.0,
    excess_high=5.6,
    verdict=rollout_pb2.SHIFT_VERDICT_NOT_WORSE,
)
BUNDLE = b"a redacted bundle"
ARTIFACT = state_pb2.Artifact(
    kind=state_pb2.ARTIFACT_KIND_POLICY, version="7", digest=hashlib.sha256(b"hello").digest(), bytes=5
)

# Every call of FleetService, and a command that makes it.
COMMANDS = {
    "CreateClaim": "claim create --site north",
    "ListEnrolments": "devices pending",
    "ApproveDevice": "devices approve kit-1 word-word-word",
    "RevokeDevice": "devices revoke kit-1",
    "AddPerson": "user add amina --role operator --out amina.pem",
    "RemovePerson": "user remove amina",
    "ListAudit": "audit show",
    "SendCommand": "fleet commands send kit-1 reboot",
    "SendCommands": "fleet commands send self-test --filter connected --expect 2",
    "ListCommands": "fleet commands list",
    "CancelCommand": f"fleet commands cancel {ID.hex()}",
    "ListDevices": "fleet devices list",
    "GetDevice": "fleet devices show kit-1",
    "UpdateDevice": "fleet devices label kit-1 ring=early old-",
    "ListTelemetry": "fleet telemetry show kit-1",
    "ListSites": "fleet sites list",
    "UpdateSite": "fleet sites set north --window 18:00 06:00 --time-zone Africa/Nairobi --create",
    "ListGroups": "fleet groups list",
    "UpdateGroup": "fleet groups set early --rank 3",
    "DeleteGroup": "fleet groups delete early --yes",
    "GetDesire": "fleet desire show --fleet",
    "UpdateDesire": "fleet desire set session.tries=3 --group early --artifact 2cf2",
    "AddArtifact": "fleet artifacts add policy.toml --kind policy --version 7",
    "ListArtifacts": "fleet artifacts list",
    "PlanRollout": "fleet rollouts plan rollout.toml",
    "CreateRollout": "fleet rollouts start rollout.toml --yes",
    "GetRollout": "fleet rollouts show tries-3",
    "ListRollouts": "fleet rollouts list",
    "PauseRollout": "fleet rollouts pause tries-3",
    "ResumeRollout": "fleet rollouts resume tries-3",
    "CancelRollout": "fleet rollouts cancel tries-3 --yes",
    "ListAlerts": "fleet alerts list",
    "AcknowledgeAlert": "fleet alerts acknowledge 4",
    "ListHooks": "fleet hooks list",
    "UpdateHook": "fleet hooks set desk --url https://desk.example/alerts",
    "DeleteHook": "fleet hooks delete desk --yes",
    "ListDiagnostics": "fleet diagnostics list",
    "FetchDiagnostics": f"fleet diagnostics fetch {ID.hex()}",
    "FollowLog": "fleet logs follow kit-1",
    "ExportResults": "fleet export results --recipient ministry --from 7d --out results.csv",
}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[AnsweringFleet]:
    with answering_fleet(tmp_path) as fleet:
        device = inventory_pb2.Device(
            device_id="kit-1",
            site="north",
            health=inventory_pb2.DEVICE_HEALTH_SILENT,
            labels={"ring": "early"},
        )
        bundle = export_pb2.DiagnosticBundle(
            command_id=ID, device_id="kit-1", bytes=len(BUNDLE), digest=hashlib.sha256(BUNDLE).digest()
        )
        fleet.answers |= {
            "ListDevices": [inventory_pb2.ListDevicesResponse(devices=[device], total=1)],
            "ListArtifacts": [
                inventory_pb2.ListArtifactsResponse(
                    artifacts=[inventory_pb2.StoredArtifact(artifact=ARTIFACT, title="May")]
                )
            ],
            "ListDiagnostics": [export_pb2.ListDiagnosticsResponse(bundles=[bundle])],
            "FetchDiagnostics": [export_pb2.FetchDiagnosticsResponse(data=BUNDLE)],
            "FollowLog": [export_pb2.FollowLogResponse(lines=['{"event": "ready"}'])],
        }
        yield fleet


def run(served: AnsweringFleet, command: str, *more: str) -> Result:
    runner = CliRunner(env={"AIDPOST_SERVER": served.target, "AIDPOST_CREDENTIAL": str(served.credential)})
    with contextlib.chdir(served.credential.parent):
        Path("policy.toml").write_bytes(b"hello")
        Path("rollout.toml").write_text(ROLLOUT)
        return runner.invoke(main, [*command.split(), *more])


def commands_of(group: click.Group, name: str) -> Iterator[str]:
    for sub, command in sorted(group.commands.items()):
        if isinstance(command, click.Group):
            yield from commands_of(command, f"{name} {sub}")
        else:
            yield f"{name} {sub}"


def test_every_call_of_the_service_has_a_command() -> None:
    assert {method.name for method in SERVICE.methods} == set(COMMANDS)


@pytest.mark.parametrize("call", [call for call in COMMANDS if call != "AddPerson"])
def test_the_command_makes_its_call(served: AnsweringFleet, call: str) -> None:
    done = run(served, COMMANDS[call])
    assert done.exit_code == 0, done.output
    assert call in served.names()


@pytest.mark.parametrize("command", list(commands_of(fleet_group, "fleet")))
def test_every_command_is_in_the_documents(command: str) -> None:
    assert f"`{command}" in PAGE


def test_a_list_is_written_in_three_forms(served: AnsweringFleet) -> None:
    table = run(served, "fleet devices list").output
    assert re.search(r"kit-1\s+north\s+silent", table)
    (read,) = json.loads(run(served, "fleet devices list --format json").output)
    assert (read["device_id"], read["labels"]) == ("kit-1", {"ring": "early"})
    (row,) = csv.DictReader(io.StringIO(run(served, "fleet devices list --format csv").output))
    assert (row["device_id"], row["health"]) == ("kit-1", "silent")


def test_a_refusal_names_the_fields_that_are_wrong(served: AnsweringFleet) -> None:
    fault = BadRequest.FieldViolation(field="filter", description="there is no field colour")
    served.answers["ListDevices"] = [
        Refuses(
            grpc.StatusCode.INVALID_ARGUMENT, "the filter is wrong", (BadRequest(field_violations=[fault]),)
        )
    ]
    done = run(served, "fleet devices list --filter", "colour = 1")
    assert done.exit_code == 1
    assert "the filter is wrong" in done.output
    assert "filter: there is no field colour" in done.output


def test_desires_are_json_and_name_what_they_change(served: AnsweringFleet) -> None:
    done = run(served, "fleet desire set session.tries=three --fleet")
    assert done.exit_code == 2
    assert "needs quotes" in done.output
    run(served, "fleet desire set session.tries=3 --device kit-1 --artifact 2cf2 --etag 4")
    _, asked = served.asked[-1]
    assert (asked.desire.scope.device_id, asked.desire.etag) == ("kit-1", "4")
    assert list(asked.update_mask.paths) == ["settings.session.tries", "artifacts.policy"]
    assert asked.desire.artifacts[0].digest == ARTIFACT.digest
    run(served, "fleet desire unset session.tries policy --device kit-1 --dry-run")
    _, asked = served.asked[-1]
    assert list(asked.update_mask.paths) == ["settings.session.tries", "artifacts.policy"]
    assert (asked.validate_only, len(asked.desire.settings)) == (True, 0)


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"\x84\xff", "no rollout, which is TOML text"), (b"", "it lacks `name`")],
)
def test_a_file_that_is_no_rollout_says_where_an_example_is(
    served: AnsweringFleet, content: bytes, says: str
) -> None:
    (served.credential.parent / "other.toml").write_bytes(content)
    done = run(served, "fleet rollouts plan other.toml")
    assert done.exit_code == 1
    assert says in done.output
    assert "docs/fleet-commands.md has an example" in done.output


def test_a_rollout_is_read_from_its_file(served: AnsweringFleet) -> None:
    run(served, "fleet rollouts start rollout.toml --yes")
    rollout = next(asked for name, asked in served.asked if name == "CreateRollout").rollout
    assert [(setting.name, setting.value) for setting in rollout.settings] == [("session.tries", "3")]
    assert [(ring.name, ring.percent, ring.soak.seconds) for ring in rollout.rings] == [
        ("canary", 5, 24 * 3600),
        ("rest", 100, 0),
    ]
    assert rollout.thresholds == rollout_pb2.Thresholds(
        min_devices=WHOLE_RING,
        success_percent=95,
        error_percent=7,
        min_check_ins=200,
        failure_to_acquire_points=3,
        no_match_points=3,
    )
    assert rollout.artifacts[0].version == "7"


def test_the_progress_of_a_rollout_is_followed_to_its_end(served: AnsweringFleet) -> None:
    rings = [rollout_pb2.Ring(name="canary")]
    ended = rollout_pb2.Rollout(
        name="tries-3",
        rings=rings,
        state=rollout_pb2.ROLLOUT_STATE_STOPPED,
        reason="too many refused",
        progress=[
            rollout_pb2.RingProgress(devices=20, told=20, applied=17, refused=3, shifts=[SHIFT]),
        ],
    )
    served.answers["GetRollout"] = [rollout_pb2.GetRolloutResponse(rollout=ended)]
    output = run(served, "fleet rollouts show tries-3 --follow").output
    assert re.search(r"canary.*20/20", output)
    assert "too many refused" in output
    assert (
        "no match: 4 of 200 before, 8 of 200 after (-1.5 to +5.7 points), +1.8 points beyond the unchanged "
        "(-2.0 to +5.6): not-worse"
    ) in " ".join(output.split())


def test_what_destroys_is_asked_about_first(served: AnsweringFleet) -> None:
    done = run(served, "fleet commands send kit-1 wipe")
    assert "erase all data" in done.output
    assert done.exit_code == 1
    assert "SendCommand" not in served.names()


def test_many_devices_are_counted_before_they_are_asked(served: AnsweringFleet) -> None:
    run(served, "fleet commands send self-test --filter connected --yes")
    _, asked = served.asked[-1]
    assert (asked.filter, asked.expected_devices) == ("connected", 1)


def test_what_waits_for_the_devices_of_a_filter_is_taken_back(served: AnsweringFleet) -> None:
    later = Timestamp(seconds=4_000_000_000)
    waits, delivered, other = (
        fleet_pb2.CommandState(command_id=bytes([n]) * 16, device_id=device, expires_at=later)
        for n, device in enumerate(("kit-1", "kit-1", "kit-2"))
    )
    delivered.delivered_at.seconds = 1
    served.answers["ListCommands"] = [fleet_pb2.ListCommandsResponse(commands=[waits, delivered, other])]
    assert "Taken back: 1" in run(served, "fleet commands cancel --filter connected").output
    assert served.asked[-1][1].command_id == bytes(16)


def test_a_fetch_that_was_cut_off_goes_on(served: AnsweringFleet, tmp_path: Path) -> None:
    out = tmp_path / "kit.zip"
    (tmp_path / "kit.zip.partial").write_bytes(BUNDLE[:5])
    served.answers["FetchDiagnostics"] = [export_pb2.FetchDiagnosticsResponse(data=BUNDLE[5:])]
    done = run(served, f"fleet diagnostics fetch {ID.hex()} --out {out}")
    assert done.exit_code == 0, done.output
    assert out.read_bytes() == BUNDLE
    assert served.asked[-1][1].offset == 5


def test_a_log_that_goes_on_is_followed_and_not_asked_for_again(served: AnsweringFleet) -> None:
    tail = fleet_pb2.CommandState(
        command_id=ID, device_id="kit-1", kind=event_pb2.COMMAND_KIND_TAIL_LOG,
        expires_at=Timestamp(seconds=4_000_000_000), delivered_at=Timestamp(seconds=1),
    )  # fmt: skip
    served.answers["ListCommands"] = [fleet_pb2.ListCommandsResponse(commands=[tail])]
    assert '{"event": "ready"}' in run(served, "fleet logs follow kit-1").output
    assert "SendCommand" not in served.names()


def test_a_new_hook_shows_its_key_once(served: AnsweringFleet) -> None:
    served.answers["UpdateHook"] = [alert_pb2.UpdateHookResponse(signing_key=b"k" * 32)]
    done = run(served, "fleet hooks set desk --email desk@example.org --from urgent")
    assert (b"k" * 32).hex() in done.output
    assert served.asked[-1][1].hook.from_severity == alert_pb2.ALERT_SEVERITY_URGENT


def test_the_shell_completes_names_from_the_aggregator(served: AnsweringFleet) -> None:
    shell = ShellComplete(main, {}, "aidpost-aggregator", "_AIDPOST_AGGREGATOR_COMPLETE")
    options = ["--server", served.target, "--credential", str(served.credential)]
    found = shell.get_completions(["fleet", "devices", "show", *options], "ki")
    assert [item.value for item in found] == ["kit-1"]
    nowhere = ["--server", "127.0.0.1:1", "--credential", str(served.credential)]
    assert shell.get_completions(["fleet", "devices", "show", *nowhere], "ki") == []
