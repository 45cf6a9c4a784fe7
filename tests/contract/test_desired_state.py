"""A whole appliance takes up what its desk desires over a real link: whole, or not at all."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import grpc
import msgspec
import pytest
from click.testing import CliRunner

from aidpost.v1 import state_pb2
from firmware import policy
from firmware.clock import Clock
from firmware.commands.configuration import config
from firmware.config import Issuer
from firmware.desired.shelf import FOLDER
from firmware.host import Ending
from firmware.records import ClockQuality
from inference import operating_point
from tests.kit.aggregator_stub import DownloadFault
from tests.kit.desired_rig import DEADLINE_S, Rig, Slots, artifact, rig, wanted
from tests.kit.operating_points import drawn_operating_point
from tests.kit.store_values import DEVICE, SITE
from trust.issuer import IssuerKey
from trust.state import ArtifactKind, ServiceWindow

APPLIED, REFUSED = state_pb2.DESIRED_RESULT_APPLIED, state_pb2.DESIRED_RESULT_REFUSED
POINT = operating_point.DEFAULT.read_bytes()
FILE = f"""
[device]
id = "{DEVICE}"
site = "{SITE}"
purpose = "clinic check-in"
data = "state"
[keys]
guard = "file"
[camera]
driver = "replay"
[session]
tries = 4
face_frames = 1
"""
POLICY = f"""
format = "aidpost policy 1"
edition = 2
site = "{SITE}"
controller = "the clinic"
[[purposes]]
name = "clinic check-in"
basis = "consent"
why = "to know returning patients"
retention_days = 30
most_fmr = 1e-3
"""


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rig(tmp_path) as made:
        yield made


def settings_of(reported: state_pb2.ReportedState) -> dict[str, str]:
    return {each.name: each.value for each in reported.settings}


async def take_up(post: Rig, desired: state_pb2.DesiredState) -> state_pb2.ReportedState:
    """Have it taken up by an appliance that is started anew once, and decided."""
    post.aggregator.desired = desired
    async with post.started():
        await post.until_asked_to_start_anew()
    async with post.started():
        return await post.result_of(desired.generation)


async def test_settings_are_in_use_after_a_start_anew_and_reported(post: Rig) -> None:
    async with post.started() as appliance:
        first = await post.until_reported(lambda each: each.generation == 0)
        assert appliance.config.session.tries == 4
        assert settings_of(first)["session.tries"] == "4"
        assert "session.tries" in first.known_settings
        assert [each.kind for each in first.artifacts] == [
            state_pb2.ARTIFACT_KIND_MODELS,
            state_pb2.ARTIFACT_KIND_OPERATING_POINT,
        ]
    desired = wanted(3, {"session.tries": "2", "attack.active": "true"})
    reported = await take_up(post, desired)
    assert (reported.result, reported.digest) == (APPLIED, desired.digest)
    assert settings_of(reported)["session.tries"] == "2"
    assert post.endings == [Ending.ANEW]
    async with post.started() as appliance:
        assert (appliance.config.session.tries, appliance.config.attack.active) == (2, True)
    # What is not desired any more is again as the file has it.
    reported = await take_up(post, wanted(4, {"attack.active": "true"}))
    assert (reported.result, settings_of(reported)["session.tries"]) == (APPLIED, "4")


async def test_people_see_what_is_in_use_and_where_it_comes_from(post: Rig) -> None:
    file = post.folder / "aidpost.toml"
    file.write_text(FILE)
    await take_up(post, wanted(1, {"session.tries": "2"}))
    async with post.started():  # it runs meanwhile
        shown = CliRunner().invoke(config, ["show", "--config", str(file), "--json"])
        assert shown.exit_code == 0, shown.output
        settings = json.loads(shown.stdout)["settings"]
        assert settings["session.tries"] == {"value": 2, "from": "fleet"}
        assert settings["session.face_frames"] == {"value": 1, "from": "file"}
        assert settings["session.impressions"] == {"value": 2, "from": "default"}
        assert (
            "Desired state 1: applied." in CliRunner().invoke(config, ["show", "--config", str(file)]).stdout
        )


async def test_one_bad_field_refuses_the_whole_and_is_named(post: Rig) -> None:
    post.aggregator.desired = wanted(1, {"session.tries": "2", "session.trys": "2", "keys.guard": '"pin"'})
    async with post.started() as appliance:
        reported = await post.result_of(1)
        assert reported.result == REFUSED
        assert {each.field for each in reported.refusals} == {"settings.session.trys", "settings.keys.guard"}
        assert all(len(each.reason) <= 200 for each in reported.refusals)
        assert appliance.config.session.tries == 4
    assert post.endings == []


async def test_a_digest_that_does_not_fit_and_a_window_without_a_zone_are_refused(post: Rig) -> None:
    post.aggregator.desired = wanted(1, {"session.tries": "2"})
    post.aggregator.desired.settings[0].value = "3"
    async with post.started():
        assert [each.field for each in (await post.result_of(1)).refusals] == ["digest"]
        post.aggregator.desired = wanted(
            2, {"session.tries": "2"}, window=ServiceWindow("Mars/Olympus", 0, 3600)
        )
    async with post.started():
        assert [each.field for each in (await post.result_of(2)).refusals] == ["window.time_zone"]


async def test_what_does_not_pass_its_self_test_is_rolled_back(post: Rig) -> None:
    post.aggregator.desired = wanted(1, {"session.tries": "2"})
    async with post.started():
        await post.until_asked_to_start_anew()
    post.camera_is_there = False
    async with post.started() as appliance:
        reported = await post.result_of(1)
        assert reported.result == state_pb2.DESIRED_RESULT_ROLLED_BACK
        assert [each.field for each in reported.refusals] == ["self_test"]
        assert "camera was well before" in reported.refusals[0].reason
        assert appliance.config.session.tries == 4
        assert settings_of(reported)["session.tries"] == "4"


async def test_a_file_comes_over_a_link_that_breaks_and_is_in_use_whole(post: Rig) -> None:
    content = POINT + b"\n"  # the same thresholds in another file
    point = artifact(ArtifactKind.OPERATING_POINT, content, "field")
    post.aggregator.files[bytes.fromhex(point.digest)] = content
    post.aggregator.download_faults += [
        DownloadFault(4096),
        DownloadFault(4096, grpc.StatusCode.RESOURCE_EXHAUSTED, retry_s=0.2),
    ]
    reported = await take_up(post, wanted(1, None, point))
    assert reported.result == APPLIED
    assert post.aggregator.downloads == [0, 4096, 4096]  # nothing came twice
    assert bytes.fromhex(point.digest) in [each.digest for each in reported.artifacts]
    held = post.folder / "state" / FOLDER / point.digest
    assert held.read_bytes() == content
    held.unlink()  # another card: the store has it too
    async with post.started() as appliance:
        assert appliance.config.inference.operating_point == held
        assert held.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "sent", "says"),
    [
        (POINT, b"x" * len(POINT), "not the file of this digest"),
        (POINT, POINT * 3, "not the file of this digest"),
        (POINT, None, "no such file"),
        (POINT.replace(b"sface-", b"other-"), ..., "changed after it was made"),
        (msgspec.json.encode(drawn_operating_point()), ..., "measured for face with other models"),
    ],
)
async def test_a_file_that_is_not_what_it_should_be_changes_nothing(
    post: Rig, content: bytes, sent: object, says: str
) -> None:
    point = artifact(ArtifactKind.OPERATING_POINT, content)
    offered = content if sent is ... else sent
    if isinstance(offered, bytes):
        post.aggregator.files[bytes.fromhex(point.digest)] = offered
    post.aggregator.desired = wanted(1, {"session.tries": "2"}, point)
    async with post.started():
        reported = await post.result_of(1)
        (refusal,) = reported.refusals
        assert (reported.result, refusal.field) == (REFUSED, "artifacts.operating_point")
        assert says in refusal.reason
        assert str(post.folder) not in refusal.reason
    assert list((post.folder / "state" / FOLDER).iterdir()) == []


async def test_a_signed_policy_is_in_force_and_lets_a_laxer_rate_be_set(post: Rig, tmp_path: Path) -> None:
    key, file = IssuerKey.new(), tmp_path / "policy.toml"
    file.write_text(POLICY)
    packed = POLICY.encode() + policy.sign(file, key).read_bytes()
    signed = artifact(ArtifactKind.POLICY, packed, "2")
    post.aggregator.files[bytes.fromhex(signed.digest)] = packed
    lax = {"policy.fmr": "0.001"}
    post.aggregator.desired = wanted(1, None, signed)
    async with post.started():  # it knows no issuer
        assert "not among" in (await post.result_of(1)).refusals[0].reason
    post.issuer = Issuer(keys=(key.public.hex(),))
    post.aggregator.desired = wanted(2, lax)
    async with post.started():
        assert "laxer than 0.0001" in (await post.result_of(2)).refusals[0].reason
    assert (await take_up(post, wanted(3, lax, signed))).result == APPLIED
    async with post.started() as appliance:
        assert appliance.config.policy.fmr == 1e-3
        assert await appliance.store.run(lambda store: store.ages.policy_edition()) == 2


async def test_nobody_is_kept_waiting_for_it(post: Rig) -> None:
    post.aggregator.desired = wanted(1, {"session.tries": "2"})
    async with post.started() as appliance:
        appliance.day.queue.say(3)  # staff see people waiting
        served = False
        appliance.occupancy.watch(lambda: served)
        reported = await post.until_reported(lambda each: each.generation == 1)
        assert reported.result == state_pb2.DESIRED_RESULT_WAITING
        assert appliance.occupancy.busy
        served = True
        appliance.day.queue.say(0)
        assert appliance.occupancy.busy
        assert not post.endings
        served = False
        await post.until_asked_to_start_anew()


async def test_it_waits_until_the_window_of_its_site_opens(post: Rig) -> None:
    now = datetime(2026, 3, 2, 12, 0, tzinfo=ZoneInfo("Africa/Nairobi"))
    post.clock = Clock(
        wall_ns=lambda: int(now.timestamp()) * 1_000_000_000, quality=lambda: ClockQuality.SYNCHRONISED
    )
    night = ServiceWindow("Africa/Nairobi", 20 * 3600, 4 * 3600)
    post.aggregator.desired = wanted(1, {"session.tries": "2"}, window=night)
    async with post.started():
        reported = await post.until_reported(lambda each: each.generation == 1)
        assert reported.result == state_pb2.DESIRED_RESULT_WAITING
        assert not post.endings
        now += timedelta(hours=9)
        await post.until_asked_to_start_anew()


async def test_a_rate_at_which_nobody_could_be_matched_is_refused(post: Rig) -> None:
    post.aggregator.desired = wanted(1, {"policy.fmr": "1e-12"})
    async with post.started():
        (refusal,) = (await post.result_of(1)).refusals
        assert refusal.field == "settings.policy.fmr"
        assert "nobody could be matched" in refusal.reason


async def test_software_and_other_models_are_refused_in_plain_words(post: Rig) -> None:
    bundle = artifact(ArtifactKind.SOFTWARE, b"bundle", "9.9")
    models = artifact(ArtifactKind.MODELS, b"models", "others")
    post.aggregator.desired = wanted(1, None, bundle, models)
    async with post.started():
        said = {each.field: each.reason for each in (await post.result_of(1)).refusals}
        assert "not installed from an image" in said["artifacts.software"]
        assert "came with this software" in said["artifacts.models"]


async def test_software_is_staged_over_the_link_and_started_from_and_what_did_not_start_is_told(
    post: Rig,
) -> None:
    bundle, slots = artifact(ArtifactKind.SOFTWARE, b"bundle" * 100_000, "9.9"), Slots()
    post.updater = slots
    post.aggregator.files[bytes.fromhex(bundle.digest)] = b"bundle" * 100_000
    post.aggregator.desired = wanted(1, None, bundle)
    async with post.started(), asyncio.timeout(DEADLINE_S):
        await post.power.asked.wait()
        assert slots.asked == ["stage 9.9", "activate 9.9"]
        assert slots.staged == b"bundle" * 100_000
    async with post.started():  # the machine came up with the former
        reported = await post.result_of(1)
        assert reported.result == state_pb2.DESIRED_RESULT_ROLLED_BACK
        assert "and not with 9.9" in reported.refusals[0].reason
        assert slots.asked == ["stage 9.9", "activate 9.9", "take back"]


async def test_a_newer_one_replaces_one_that_waits(post: Rig) -> None:
    post.aggregator.desired = wanted(1, {"session.tries": "2"})
    async with post.started() as appliance:
        served = True
        appliance.occupancy.watch(lambda: served)
        await post.until_reported(lambda each: each.generation == 1)
        post.aggregator.desired = wanted(2, {"session.tries": "1"})
        appliance.link.report()
        await post.until_reported(lambda each: each.generation == 2)
        served = False
        await post.until_asked_to_start_anew()
    async with post.started() as appliance:
        assert (await post.result_of(2)).result == APPLIED
        assert appliance.config.session.tries == 1
