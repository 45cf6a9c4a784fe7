"""The page on the site's network: TLS 1.3 alone, and one certificate for as long as the store is."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from firmware.config import ConfigError
from firmware.config import Page as PageSettings
from firmware.notices import Notices
from firmware.page.browsers import Front
from firmware.page.opening import OperatorPage, PageMisconfigured
from firmware.page.ports import Bar
from firmware.page.store import certificate_of
from firmware.page.viewfinder import LiveView
from firmware.workflow.screen import Screen, Tone, say
from tests.kit.scripted_station import ScriptedStation, ThreeOfStaff
from tests.kit.store_values import open_store
from trust import certificates
from trust.names import DeviceName
from trust.tls.contexts import Shown

NAMED = DeviceName("kit-07", "harbour-clinic")
ANY_PORT = "127.0.0.1:0"


@asynccontextmanager
async def opened(settings: PageSettings, certificate: Shown | None = None) -> AsyncIterator[OperatorPage]:
    page = OperatorPage(
        settings,
        station=ScriptedStation(Screen("waiting", Tone.CALM, "ready", say("Next person"))),
        staff=ThreeOfStaff(),
        bar=lambda: Bar("kit-07"),
        live_view=LiveView(),
        monotonic_s=lambda: 0.0,
        certificate=certificate,
        sounds=False,
        notices=Notices(),
    )
    await page.start()
    try:
        yield page
    finally:
        await page.stop()


def certificate_seen(address: str) -> str:
    url = httpx.URL(address)
    pem = ssl.get_server_certificate((url.host, url.port or 0))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


async def test_a_tablet_sees_the_same_certificate_at_each_start(tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        store = open_store(tmp_path)
        certificate = certificate_of(store, NAMED)
        store.close()
        async with opened(PageSettings(touch=None, tablet=ANY_PORT), certificate) as page:
            seen.append(await asyncio.to_thread(certificate_seen, page.addresses[Front.TABLET]))
            assert page.fingerprint.replace(":", "").lower() == seen[-1]
    assert seen[0] == seen[1]


async def test_nothing_older_than_tls_1_3_is_spoken(tmp_path: Path) -> None:
    key = certificates.new_key()
    shown = Shown((certificates.make_page(key, NAMED),), key)
    async with opened(PageSettings(touch=None, tablet=ANY_PORT), shown) as page:
        url = httpx.URL(page.addresses[Front.TABLET])
        old = ssl.create_default_context()
        old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await asyncio.open_connection(url.host, url.port, ssl=old)
        async with httpx.AsyncClient(verify=False) as client:  # noqa: S501 -- the certificate is nobody's
            assert (await client.get(url)).status_code == 200


async def test_a_site_may_bring_its_own_certificate(tmp_path: Path) -> None:
    key = certificates.new_key()
    own = certificates.make_page(key, NAMED)
    files = tmp_path / "page.pem", tmp_path / "page.key"
    files[0].write_bytes(certificates.to_pem(own))
    files[1].write_bytes(certificates.key_to_pem(key))
    settings = PageSettings(touch=None, tablet=ANY_PORT, certificate=files[0], key=files[1])
    async with opened(settings) as page:
        seen = await asyncio.to_thread(certificate_seen, page.addresses[Front.TABLET])
    assert seen == certificates.fingerprint(own).replace(":", "").lower()
    files[1].write_text("no key")
    with pytest.raises(PageMisconfigured, match="PEM"):
        async with opened(settings):
            pass


@pytest.mark.parametrize("touch", ["0.0.0.0:8080", "192.0.2.7:8080", "8080"])
async def test_without_tls_the_page_stays_on_loopback(touch: str) -> None:
    with pytest.raises(ConfigError):
        async with opened(PageSettings(touch=touch)):
            pass
