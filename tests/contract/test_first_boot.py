"""The first boot against a real aggregator: what each claim comes to, and power cuts at every step."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pytest
import segno

from firmware.cards.claim_code import to_code
from firmware.cards.payload import NOT_OURS
from firmware.first_boot.boot import FirstBoot
from firmware.first_boot.front import Front
from firmware.first_boot.supervising import Supervising
from firmware.first_boot.terms import Step, Trouble, WifiEnd
from firmware.first_boot.wifi import WifiTrial
from firmware.machine.claim_file import take_claim_file
from firmware.opening import open_keys, open_store
from firmware.page.store import certificate_of, new_certificate
from firmware.store.staff import Staff
from firmware.workflow.terms import Role
from tests.kit.aggregator_fixture import NOW_NS
from tests.kit.first_boot_cuts import CUT, WHOLE
from tests.kit.first_boot_post import SITE, Post, ends_with, running_post, until
from tests.kit.identities import claim_code
from tests.kit.link_device import PATIENCE_S
from tests.kit.pseudo_screen import pseudo_screen
from trust.claim import Claim
from trust.claim_file import NAME
from trust.names import DeviceName
from trust.network import Wifi

NOW = datetime.fromtimestamp(NOW_NS / 1e9, UTC)
MOST_STEPS = 60


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with running_post(tmp_path) as running:
        yield running


async def test_a_claim_makes_an_appliance_with_its_supervisor_and_networks(post: Post) -> None:
    wifi = {"name": "Harbour", "passphrase": "long enough"}
    post.put(await post.claim(supervisor={"name": "ana", "pin": "482913"}, network={"wifi": wifi}))
    told: list[tuple[Step, str]] = []
    boot = post.boot()
    boot.subscribe(lambda: told.append((boot.situation.step, boot.situation.key_words)))
    await asyncio.wait_for(boot.run(), PATIENCE_S)
    assert [step for step, _ in told] == [Step.AGGREGATOR, Step.APPROVAL, Step.SELF_TEST]
    assert boot.situation.ready
    assert boot.situation.languages == ("sw",)
    config = post.places.joined()
    assert config is not None
    assert (config.device.id, config.device.site) == ("kit-1", SITE)
    assert post.places.over()
    assert "long enough" in (post.places.network / "network.toml").read_text()
    assert not list(post.folder.rglob(NAME))
    with open_keys(config) as guard:
        store = open_store(config, guard)
        assert store.staff.members() == [Staff("ana", Role.SUPERVISOR)]
        store.close()


async def test_a_code_that_is_shown_replaces_one_that_is_good_for_nothing(post: Post) -> None:
    other = await claim_code(post.fleet, "north-gate")
    unknown = Claim.new(Claim.parse(other).pin + bytes(16)).text()
    boot = post.boot()
    post.put(await post.claim(code=unknown))
    running = asyncio.create_task(boot.run())
    for trouble, code in (
        (Trouble.CLAIM_UNKNOWN, other),
        (Trouble.CLAIM_OF_OTHER_SITE, ""),
    ):
        told = await until(boot, lambda situation, wanted=trouble: situation.trouble is wanted)  # type: ignore[misc]
        assert told.step is Step.CLAIM
        assert not (post.places.data / NAME).exists()
        post.codes.codes.put_nowait(to_code((await post.claim(code=code)).to_text()))
    await asyncio.wait_for(running, PATIENCE_S)
    assert post.places.joined() is not None


async def test_a_code_that_was_used_or_has_expired_is_told(post: Post) -> None:
    claim = await post.claim()
    post.put(claim)
    await asyncio.wait_for(post.boot().run(), PATIENCE_S)
    shutil.rmtree(post.places.data)  # another board, or the same one after its card was written anew
    post.places.data.mkdir()
    post.places.config.unlink()
    post.put(claim)
    told = await ends_with(post.boot(), Trouble.CLAIM_USED)
    assert told.device == "kit-1"
    post.put(await post.claim())
    post.clock[0] += 2 * 3600 * 1_000_000_000
    await ends_with(post.boot(), Trouble.CLAIM_EXPIRED)


async def test_a_code_before_the_camera_is_read_and_the_screen_tells_each_step(
    post: Post, tmp_path: Path
) -> None:
    claim = await post.claim()
    shown_to = tmp_path / "pictures"
    shown_to.mkdir()
    segno.make_qr(to_code(claim.to_text()), error="m").save(str(shown_to / "code.png"), scale=6, border=4)
    with pseudo_screen() as screen:
        base = {
            "camera": {"driver": "replay", "device": str(shown_to)},
            "page": {"touch": "127.0.0.1:0"},
            "console": {"device": str(screen.device)},
        }
        async with Front(base) as front:
            boot = FirstBoot(post.places, replace(post.means(), codes=front.codes, release=front.release))
            await front.show(boot)
            assert "Show this appliance its claim code" in screen.read()
            await asyncio.wait_for(boot.run(), PATIENCE_S)
            assert front.codes is None
        screen.read()
    assert post.places.joined() is not None
    assert re.search(r"[0-9a-f]{4}(-[0-9a-f]{4}){3}", screen.received)


async def test_what_is_no_claim_code_is_told(post: Post) -> None:
    boot = post.boot()
    running = asyncio.create_task(boot.run())
    for code, trouble in ((NOT_OURS, Trouble.CODE_FOREIGN), ("AIDC:ABC", Trouble.CODE_UNREADABLE)):
        post.codes.codes.put_nowait(code)
        await until(boot, lambda situation, wanted=trouble: situation.trouble is wanted)  # type: ignore[misc]
    running.cancel()
    await asyncio.wait({running})


async def test_a_file_that_cannot_be_read_stays_on_the_card(post: Post) -> None:
    on_card = post.folder / "selector" / NAME
    on_card.write_text((await post.claim()).to_text().replace("kit-1", "kit 1"))
    take_claim_file(on_card.parent, post.places.data, set_up=False)
    told = await ends_with(post.boot(), Trouble.FILE_UNREADABLE)
    assert "'kit 1' is no name" in told.detail
    on_card.write_text(on_card.read_text().replace("kit 1", "kit-1"))
    take_claim_file(on_card.parent, post.places.data, set_up=False)
    assert not on_card.exists()
    await asyncio.wait_for(post.boot().run(), PATIENCE_S)


async def test_without_a_network_it_says_so_and_goes_on_with_the_wifi_that_is_shown_or_entered(
    post: Post,
) -> None:
    claim = await post.claim()
    post.put(post.pointed_elsewhere(claim))
    before = NOW_NS - 86_400 * 1_000_000_000
    boot = post.boot(before)
    running = asyncio.create_task(boot.run())
    told = await until(boot, lambda situation: situation.trouble is Trouble.NO_NETWORK)
    assert (told.target, told.clock) == ("127.0.0.1:9", date(2025, 12, 31))
    written = post.places.network / "network.toml"
    before_it = written.read_text()
    refused = "WIFI:T:WPA;S:Elsewhere;P:not this one;;"
    for code, end in (("WIFI:T:WEP;S:Old;P:abcde;;", WifiEnd.UNSUPPORTED), (refused, WifiEnd.NOT_JOINED)):
        post.codes.codes.put_nowait(code)
        await until(boot, lambda told, end=end: told.news is not None and told.news.end is end)  # type: ignore[misc]
    assert written.read_text() == before_it
    post.has("wlan0", radio=True)
    post.codes.codes.put_nowait(r"WIFI:S:Harbour;T:WPA;P:long\;enough;H:true;;")
    told = await until(boot, lambda situation: situation.wifi == "Harbour")
    assert told.news is None
    await until(boot, lambda situation: situation.trouble is Trouble.NO_ANSWER)
    assert 'passphrase = "long;enough"' in written.read_text()
    assert post.places.staged() is not None
    assert "long;enough" in post.places.claim.read_text()
    boot.take_wifi(Wifi(name="Office", passphrase="entered here"))  # as on the page
    await until(boot, lambda situation: situation.wifi == "Office")
    await until(boot, lambda situation: situation.trouble is Trouble.NO_ANSWER)
    post.codes.codes.put_nowait(
        to_code(claim.to_text())
    )  # the address was wrong: another code, while it tries
    await asyncio.wait_for(running, PATIENCE_S)


async def test_a_claim_that_is_shown_while_a_wifi_is_tried_is_taken_after_it(post: Post) -> None:
    claim, ends = await post.claim(), asyncio.Event()
    post.put(post.pointed_elsewhere(claim))

    async def pause(_s: float) -> None:
        await ends.wait()

    boot = FirstBoot(post.places, replace(post.means(), pause=pause))
    running = asyncio.create_task(boot.run())
    await until(boot, lambda told: told.trouble is Trouble.NO_NETWORK)
    post.codes.codes.put_nowait("WIFI:T:WPA;S:Elsewhere;P:not this one;;")
    await until(boot, lambda told: told.joins == "Elsewhere")
    post.codes.codes.put_nowait(to_code(claim.to_text()))
    async with asyncio.timeout(PATIENCE_S):
        await post.codes.codes.join()
    ends.set()
    await asyncio.wait_for(running, PATIENCE_S)
    assert post.places.joined() is not None


async def test_a_wifi_that_is_shown_before_the_claim_is_tried_first(post: Post) -> None:
    boot = post.boot()
    running = asyncio.create_task(boot.run())
    post.codes.codes.put_nowait("WIFI:T:WPA;S:Harbour;P:long enough;;")
    await until(boot, lambda told: told.news is not None and told.news.end is WifiEnd.WAITS)
    post.has("wlan0", radio=True)
    joins: list[str] = []
    boot.subscribe(lambda: joins.append(boot.situation.joins))
    post.codes.codes.put_nowait(to_code((await post.claim()).to_text()))
    await asyncio.wait_for(running, PATIENCE_S)
    assert "Harbour" in joins
    assert "long enough" in (post.places.network / "network.toml").read_text()


async def test_another_aggregator_is_told_nothing(post: Post) -> None:
    post.put(await post.claim(code=Claim.new(bytes(32)).text()))
    await ends_with(post.boot(), Trouble.OTHER_AGGREGATOR)
    assert (post.places.data / NAME).exists()  # the code may be right, and the network wrong


async def test_the_first_supervisor_is_entered_where_the_claim_names_none(post: Post) -> None:
    post.put(await post.claim())
    boot = post.boot(asks=True)
    running = asyncio.create_task(boot.run())
    await until(boot, lambda situation: situation.step is Step.SUPERVISOR)
    boot.name_supervisor("ben", bytearray(b"111111"))
    await until(boot, lambda situation: situation.trouble is Trouble.PIN)
    boot.name_supervisor("ben", bytearray(b"739150"))
    await asyncio.wait_for(running, PATIENCE_S)


async def test_a_claim_that_is_shown_later_names_the_supervisor(post: Post) -> None:
    post.put(await post.claim())
    means = post.means()
    seen = new_certificate(DeviceName("kit-1", SITE))
    supervising = Supervising(means.clock, asks=True, certificate=lambda: seen)
    boot = FirstBoot(post.places, replace(means, supervising=supervising))
    running = asyncio.create_task(boot.run())
    await until(boot, lambda situation: situation.step is Step.SUPERVISOR)
    ana = {"name": "ana", "pin": "482913"}
    other = msgspec.structs.replace(
        (named := await post.claim(supervisor=ana)),
        device=msgspec.structs.replace(named.device, id="kit-2"),
    )
    for claim in (await post.claim(), other):
        post.codes.codes.put_nowait(to_code(claim.to_text()))
        await until(boot, lambda situation: situation.trouble is Trouble.NAMES_NOBODY)
        boot.name_supervisor("ben", bytearray(b"111111"))
        await until(boot, lambda situation: situation.trouble is Trouble.PIN)
    post.codes.codes.put_nowait(to_code(named.to_text()))
    await asyncio.wait_for(running, PATIENCE_S)
    assert await post.in_store(lambda store: store.staff.members()) == [Staff("ana", Role.SUPERVISOR)]
    kept = await post.in_store(lambda store: certificate_of(store, DeviceName("kit-1", SITE)))
    assert kept.chain == seen.chain  # a tablet is not told of another one afterwards


async def test_a_claim_file_of_another_appliance_names_nobody_here(post: Post) -> None:
    post.put(await post.claim())
    first = post.boot(asks=True)
    running = asyncio.create_task(first.run())
    await until(first, lambda situation: situation.step is Step.SUPERVISOR)
    running.cancel()
    await asyncio.wait({running})
    ana = await post.claim(supervisor={"name": "ana", "pin": "482913"})
    for device in ("kit-2", "kit-1"):
        post.put(msgspec.structs.replace(ana, device=msgspec.structs.replace(ana.device, id=device)))
        again = post.boot(asks=True)
        running = asyncio.create_task(again.run())
        await until(again, lambda told: told.ready or told.step is Step.SUPERVISOR)
        assert again.situation.ready is (device == "kit-1")
        running.cancel()
        await asyncio.wait({running})


async def test_a_power_cut_at_any_step_is_made_good_by_the_next_boot(post: Post, tmp_path: Path) -> None:
    for step in range(1, MOST_STEPS):
        selector = tmp_path / "cards" / str(step) / "selector"
        selector.mkdir(parents=True)
        hardware = {"fingerprint": "none", "camera": "replay", "board": "console", "screen": False}
        (selector / NAME).write_text((await post.claim(hardware=hardware)).to_text())

    async def approve_all() -> None:
        while True:
            await post.approve()
            await asyncio.sleep(0.02)

    approving = asyncio.create_task(approve_all())
    program = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kit.first_boot_cuts", str(tmp_path / "cards")),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(program.communicate(), 10 * PATIENCE_S)
    approving.cancel()
    assert program.returncode == 0, (out + err).decode()
    *cuts, last = [line.split()[1:] for line in out.decode().splitlines() if line.startswith("step ")]
    for number, ended, joined, claims, again in cuts:
        assert (int(ended), int(again)) == (CUT, WHOLE), number
        assert joined == "joined=True" or claims != "claims=0", number
        left = {path.name for path in (tmp_path / "cards" / number).rglob("*") if path.is_file()}
        assert left >= {"aidpost.toml", "network.toml", "identity.pem", "keys.json"}, number
        assert not left & {NAME, "first-boot"}, number
    assert int(last[1]) == WHOLE
    assert len(cuts) > 12


async def test_a_radio_that_is_still_up_by_the_network_before_proves_nothing(post: Post) -> None:
    claim, wifi = await post.claim(), Wifi(name="Harbour", passphrase="long enough")
    post.put(claim)
    post.has("wlan0", radio=True)

    async def loses_it(_s: float) -> None:
        (post.folder / "interfaces/wlan0/operstate").write_text("down\n")

    async def has_it(_s: float) -> None:
        (post.folder / "interfaces/wlan0/operstate").write_text("up\n")

    assert not await WifiTrial(post.places, post.folder / "interfaces", loses_it).joined(claim, wifi)
    assert await WifiTrial(post.places, post.folder / "interfaces", has_it).joined(claim, wifi)
