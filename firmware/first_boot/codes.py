"""Codes that are held before the camera: a claim, or the Wi-Fi network of a phone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from firmware.cards.claim_code import from_code
from firmware.cards.payload import NOT_OURS, UNREADABLE, NotWhole
from firmware.cards.wifi_code import WIFI_PREFIXES
from firmware.first_boot.terms import Trouble
from sensors.errors import SensorUnavailable
from trust.claim_file import ClaimFile, ClaimFileRefused

STILL_THERE_S = 1.0
"""A code that was read stays before the camera for a while."""
CAMERA_S = 5.0


class Codes(Protocol):
    """Finds codes before the camera (`firmware.cards.scanner.CameraScanner`)."""

    async def scan(self) -> str:
        """Return the text of the first code that is seen. Raises SensorUnavailable without a camera."""


class ShownCodes:
    """codes: None without a camera. take: each claim once. wifi: the text of a Wi-Fi code, at each look.

    amiss: told why a code is none of these, with what a program said.
    """

    def __init__(
        self,
        codes: Codes | None,
        take: Callable[[ClaimFile], object],
        wifi: Callable[[str], object],
        amiss: Callable[[Trouble, str], object],
    ) -> None:
        self._codes = codes
        self._take = take
        self._wifi = wifi
        self._amiss = amiss
        self._seen: set[str] = set()

    def known(self, claim: ClaimFile) -> None:
        """Take this claim no more."""
        self._seen.add(claim.to_text())

    async def look(self) -> None:
        """Look until cancelled."""
        while self._codes is not None:
            try:
                code = await self._codes.scan()
            except SensorUnavailable:
                await asyncio.sleep(CAMERA_S)
                continue
            if code.startswith(WIFI_PREFIXES):
                self._wifi(code)
            else:
                self._read(code)
            await asyncio.sleep(STILL_THERE_S)

    def _read(self, code: str) -> None:
        if code == NOT_OURS:
            self._amiss(Trouble.CODE_FOREIGN, "")
            return
        try:
            claim = ClaimFile.parse(from_code("" if code == UNREADABLE else code))
        except NotWhole:
            self._amiss(Trouble.CODE_UNREADABLE, "")
        except ClaimFileRefused as error:
            self._amiss(Trouble.CODE_UNREADABLE, str(error))
        else:
            if claim.to_text() not in self._seen:
                self.known(claim)
                self._take(claim)
