"""What page and console ask of the first boot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from firmware.first_boot.terms import Situation
from trust.network import Wifi


class Boot(Protocol):
    """What is shown and what is done (`firmware.first_boot.boot.FirstBoot`)."""

    situation: Situation

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` with each new situation; returns what takes it off again."""

    def again(self) -> None:
        """Try at once what is waited for."""

    def go_on(self) -> None:
        """Go on although a part is not well."""

    def take_wifi(self, wifi: Wifi) -> None:
        """Use another Wi-Fi network from now on."""

    def name_supervisor(self, name: str, pin: bytearray) -> None:
        """Let this person be the first who signs in."""
