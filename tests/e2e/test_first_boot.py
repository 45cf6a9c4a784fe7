"""A fresh card becomes an appliance of its site: the real commands, a real aggregator, one folder."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import httpx

from firmware import demo
from firmware.demo.server import Server
from firmware.first_boot.mark import MARK
from firmware.machine.claim_file import take_claim_file
from tests.kit.pseudo_screen import PseudoScreen, pseudo_screen
from trust.claim_file import NAME

DEADLINE_S = 60.0
FACES = Path(demo.__file__).parent / "assets" / "faces"


async def started(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("aidpost")),
        *words,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def line_with(process: asyncio.subprocess.Process, words: str) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        while words not in (line := (await process.stdout.readline()).decode()):
            assert line, (await process.communicate())[1].decode()
    return line.split()[-1]


async def test_a_claim_file_becomes_an_appliance_that_serves(tmp_path: Path) -> None:
    server = await Server.start(tmp_path)
    with pseudo_screen() as screen:
        try:
            await becomes_one(server, screen, tmp_path)
        finally:
            await server.stop()


async def becomes_one(server: Server, screen: PseudoScreen, tmp_path: Path) -> None:
    common, made, card = tmp_path / "common.toml", tmp_path / "claims", tmp_path / "selector"
    common.write_text(f"""
        [hardware]
        fingerprint = "none"
        camera = "replay"
        camera_device = "{FACES}"
        board = "none"
        [network.wifi]
        name = "Harbour Clinic"
        passphrase = "a long passphrase"
    """)
    await server.administer(
        *("image", "personalise", "--site", "harbour-clinic", "--purpose", "clinic check-in"),
        *("--target", server.target, "--guard", "file", "--language", "sw", "--supervisor", "ana"),
        *("--count", "2", "--common", str(common), "--out", str(made)),
    )
    assert (made / "claims.pdf").read_bytes().startswith(b"%PDF")
    card.mkdir()
    (made / "kit-02" / NAME).rename(card / NAME)
    (tmp_path / "data").mkdir(0o700)
    take_claim_file(card, tmp_path / "data", set_up=False)  # as the image does before
    config, network = tmp_path / "etc" / "aidpost.toml", tmp_path / "network"
    base = tmp_path / "base.toml"
    base.write_text(f'[page]\ntouch = "127.0.0.1:0"\n[console]\ndevice = "{screen.device}"\n')
    places = ("--config", str(config), "--data", str(tmp_path / "data"), "--network", str(network))
    booting = await started("first-boot", *places, "--base", str(base))
    page = await line_with(booting, "The page of the first boot")
    async with httpx.AsyncClient(follow_redirects=True, timeout=DEADLINE_S) as browser:
        words = ""
        async with browser.stream("GET", f"{page}first-boot/events") as events:
            async for line in events.aiter_lines():
                if found := re.search(r'class="key-words".*?<bdi>([0-9a-f-]+)</bdi>', line):
                    words = found[1]
                    break
        waiting = await server.administer("devices", "pending")
        assert "kit-02" in waiting
        assert words in waiting
        assert words in screen.read().split("\n")
        await server.administer("devices", "approve", "kit-02", words)
        async with (
            asyncio.timeout(DEADLINE_S),
            browser.stream("GET", f"{page}first-boot/events") as events,
        ):
            said = "".join([line async for line in events.aiter_lines()])
    assert "first-boot-ready" in said
    assert said.endswith("event: readydata: now")
    _, err = await asyncio.wait_for(booting.communicate(), DEADLINE_S)
    assert booting.returncode == 0, err.decode()
    assert "a long passphrase" in (network / "network.toml").read_text()
    assert not {NAME, MARK} & {path.name for path in (tmp_path / "data").iterdir()}
    serving = await started("run", "--config", str(config))
    try:
        address = await line_with(serving, "The operator page")
        async with httpx.AsyncClient() as browser:
            assert "ana" in (await browser.get(address)).text
        told = screen.read()
        assert "kit-02" in told
    finally:
        if serving.returncode is None:
            serving.terminate()
        await serving.communicate()
