"""What `aidpost doctor` says of a site: appliances over mutual TLS, one that is off, another list."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from firmware.commands.doctor_site import examine_site
from firmware.commands.finding import Finding
from firmware.config import Config, Device, Keys, Site
from firmware.mesh.book import SiteCycle
from firmware.uplink.identity_file import read_identity, write_identity
from tests.kit.site_rig import ROSTER, Post, site_of_three
from tests.kit.store_values import SITE
from trust.consent import Purpose
from trust.keys.guard import GuardKind


async def examined(post: Post, cycle: SiteCycle | None, *without: str) -> dict[str, Finding]:
    """Ask as the doctor does, in a thread: it runs a loop of its own."""
    peers = {other: str(cable.target) for other, cable in post.cables.items() if other not in without}
    config = Config(
        device=Device(id=post.device, site=SITE, purpose=Purpose.DISTRIBUTION, data=post.folder),
        keys=Keys(guard=GuardKind.FILE),
        site=Site(listen="127.0.0.1:7443", peers=peers),
    )
    found = await asyncio.to_thread(lambda: list(examine_site(config, post.guard, cycle)))
    return {one.part: one for one in found}


async def test_each_appliance_of_the_site_is_asked(tmp_path: Path) -> None:
    async with site_of_three(tmp_path) as rig:
        here = rig.posts[ROSTER[0]]
        cycle = here.site.cycle
        assert cycle is not None
        found = await examined(here, cycle)
        assert [one.well for one in found.values()] == [True, True, True]
        assert "serves the same list" in found["site dev-2"].found

        other = await examined(here, replace(cycle, cycle="another"))
        assert other["site dev-2"].well is False
        assert "load the same list" in other["site dev-2"].advice

        await rig.part("dev-3")
        found = await examined(here, cycle)
        assert [found[f"site {device}"].well for device in ROSTER[1:]] == [True, False]
        assert "no connection" in found["site dev-3"].found
        assert "inside the loss cap" in found["site dev-3"].advice

        assert "no address for dev-3" in (await examined(here, cycle, "dev-3"))["site"].advice
        assert "not on the roster" in (await examined(here, replace(cycle, roster=("dev-2",))))["site"].advice
        assert "answers" in (await examined(here, None))["site dev-2"].found


def for_clients_alone(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    """Return the certificate as it was issued before appliances heard each other."""
    builder = (
        x509.CertificateBuilder()
        .subject_name(certificate.subject)
        .issuer_name(certificate.issuer)
        .public_key(certificate.public_key())
        .serial_number(certificate.serial_number)
        .not_valid_before(certificate.not_valid_before_utc)
        .not_valid_after(certificate.not_valid_after_utc)
    )
    for extension in certificate.extensions:
        value = extension.value
        if isinstance(value, x509.ExtendedKeyUsage):
            value = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        builder = builder.add_extension(value, extension.critical)
    return builder.sign(key, hashes.SHA256())


async def test_a_certificate_for_clients_alone_has_to_be_renewed(tmp_path: Path) -> None:
    async with site_of_three(tmp_path) as rig:
        here = rig.posts[ROSTER[0]]
        identity = read_identity(here.folder)
        assert identity is not None
        write_identity(
            here.folder, replace(identity, certificate=for_clients_alone(identity.certificate, rig.key))
        )
        found = await examined(here, here.site.cycle)
        assert "run `aidpost join`" in found["site"].advice
        assert found["site dev-2"].well is True
        (here.folder / "identity.pem").unlink()
        assert "it stands alone" in (await examined(here, here.site.cycle))["site"].advice
