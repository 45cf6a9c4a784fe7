"""How an appliance that serves stands, on the console of its own screen: of people it says nothing, ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from firmware.console.display import AGAIN_S, NAME, ConsoleDisplay, View
from firmware.first_boot.sentences import NO_NETWORK
from firmware.first_boot.words import READY, for_whoever_helps, this_is
from firmware.page.words import NO_UPLINK, TABLETS, UPLINK
from firmware.workflow.screen import Screen, Text, Tone, say

_ON_TABLETS = say("A tablet in the same network shows the page at the address above.")
_NAMES_AN_ENTRY = "gallery"
"""The part whose sentence is not for whoever passes by."""


@dataclass(frozen=True, slots=True)
class Standing:
    """connected: to the aggregator, None without an uplink.

    tablets: addresses of the page in the network, as a browser writes them, None without tablets.
    certificate: its SHA-256, empty for the site's own.
    notices: what staff must know, by the part that it is about, as `NoticeBoard` has it.
    remarks: of the image's services.
    """

    device: str
    site: str
    connected: bool | None = None
    tablets: tuple[str, ...] | None = None
    certificate: str = ""
    notices: tuple[tuple[str, str], ...] = ()
    remarks: tuple[str, ...] = ()


def view_of(standing: Standing) -> View:
    """Return what is drawn."""
    screen = Screen("console-ready", Tone.GOOD, "tick", READY, tuple(_lines(standing)))
    return View(NAME, screen, standing.tablets or ())


def _lines(standing: Standing) -> Iterator[Text]:
    yield this_is(standing.device, standing.site)
    if standing.tablets is not None:
        yield _ON_TABLETS if standing.tablets else NO_NETWORK
        if standing.tablets and standing.certificate:
            yield say("{label}: {digest}", label=TABLETS, digest=in_groups(standing.certificate))
    if standing.connected is not None:
        yield UPLINK if standing.connected else NO_UPLINK
    for part, sentence in standing.notices:
        if part != _NAMES_AN_ENTRY:
            yield for_whoever_helps(sentence)
    yield from map(for_whoever_helps, standing.remarks)


def in_groups(fingerprint: str) -> str:
    """Return it so that it breaks into lines between its pairs."""
    return fingerprint.replace(":", " ")


async def keep_status(display: ConsoleDisplay, standing: Callable[[], Standing], tag: str) -> None:
    """Draw how it stands, again and again until cancelled."""
    while True:
        display.show(view_of(standing()), tag)
        await asyncio.sleep(AGAIN_S)
