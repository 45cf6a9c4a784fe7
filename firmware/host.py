"""What the appliance runs on: what starts it anew, starts the machine anew, and replaces its software."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, unique
from importlib.metadata import version

from firmware.occupancy import QUIET_S
from firmware.power import Power, Systemd
from firmware.updater import NotFromImage, Updater


@unique
class Ending(Enum):
    """How an appliance ends that is to go on.

    ANEW: with other settings. RESTART: at the desk's word. Either way all parts are closed and opened again.
    """

    ANEW = "anew"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class Host:
    """start_anew: asks whoever opened the appliance to end it like this and to go on; None where nobody
    would, as in a command that serves one person. quiet_s: so long nobody was served before a start anew.
    version: of the software that runs, of the whole image where there is one.
    """

    start_anew: Callable[[Ending], None] | None = None
    power: Power = field(default_factory=Systemd)
    updater: Updater = field(default_factory=NotFromImage)
    quiet_s: float = QUIET_S
    version: str = field(default_factory=lambda: version("aidpost"))
