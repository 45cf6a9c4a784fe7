"""Finds out whether this machine was started from an image, and what replaces its software then."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from firmware.host import Ending, Host
from firmware.slots.backend import Machine
from firmware.slots.forward import IMAGE_VERSION
from firmware.updating.image_updater import ImageUpdater
from firmware.updating.installer import Rauc


def host_here(start_anew: Callable[[Ending], None], data: Path) -> Host:
    """Return what the appliance runs on. data: the appliance's folder."""
    machine = Machine()
    if not IMAGE_VERSION.exists() or not machine.running.exists():
        return Host(start_anew)
    running = IMAGE_VERSION.read_text("ascii").strip()
    return Host(start_anew, updater=ImageUpdater(Rauc(), running, data, machine), version=running)
