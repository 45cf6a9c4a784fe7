"""An appliance with a [site] table: it stands alone where it must, says why, and serves its people."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware.appliance import Appliance
from firmware.clock import Clock
from firmware.config import Camera, Config, Device, Keys, Site
from firmware.guard.opening import open_guard
from firmware.guard.settings import GuardSettings
from firmware.opening import Hardware
from firmware.uplink.errors import UplinkMisconfigured
from firmware.uplink.identity_file import Identity, write_identity
from firmware.workflow.outcomes import Granted, OwnerSilent
from tests.kit.site_rig import device_certificate
from tests.kit.store_values import SITE
from tests.kit.work_lists import distribution_list
from trust import certificates
from trust.consent import Purpose
from trust.keys.guard import GuardKind

NOTHING = Hardware(reader=None, camera=None, board=None)


def config(folder: Path, site: Site) -> Config:
    return Config(
        device=Device(id="post-1", site=SITE, purpose=Purpose.DISTRIBUTION, data=folder),
        keys=Keys(guard=GuardKind.FILE),
        camera=Camera(driver="replay"),
        site=site,
    )


async def test_without_a_certificate_it_stands_alone_and_says_so(tmp_path: Path) -> None:
    settings = config(tmp_path, Site(listen="127.0.0.1:0", peers={"post-2": "127.0.0.1:1"}))
    async with Appliance(settings, NOTHING) as appliance:
        assert "stands alone" in appliance.notices["site"]
        assert "aidpost join" in appliance.notices["site"]


async def test_it_is_heard_and_serves_its_own_households_while_the_other_is_off(tmp_path: Path) -> None:
    with open_guard(GuardSettings(GuardKind.FILE), tmp_path, store_exists=False) as guard:
        key = certificates.new_key()
        authority = certificates.make_authority(key)
        certificate = device_certificate(authority, key, "post-1", guard)
        write_identity(tmp_path, Identity(certificate, authority))
    settings = config(tmp_path, Site(listen="127.0.0.1:0", peers={"post-2": "127.0.0.1:1"}))
    async with Appliance(settings, NOTHING) as appliance:
        assert "site" not in appliance.notices
        assert appliance.mesh.address is not None
        planned, now = distribution_list(20), Clock().now()
        await appliance.store.run(lambda store: store.lists.load(now, planned))
        site = appliance.mesh.site
        await site.take_up()
        standings = [await site.claim(each.number, 60) for each in planned.households]
        assert {type(standing) for standing in standings} == {Granted, OwnerSilent}
        assert not site.connected().site


@pytest.mark.parametrize(
    ("site", "sentence"),
    [
        (Site(peers={"post-2": "nowhere"}), "`site.peers.post-2` is 'nowhere'"),
        (Site(listen="post-1", peers={}), "`site.listen`: 'post-1' is no address"),
    ],
)
async def test_an_address_that_cannot_be_is_told_at_the_start(
    tmp_path: Path, site: Site, sentence: str
) -> None:
    with pytest.raises(UplinkMisconfigured, match=sentence):
        async with Appliance(config(tmp_path, site), NOTHING):
            pass
