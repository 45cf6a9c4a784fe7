"""What the appliance may ask of the machine that it runs on, where units of root wait for it.

A wish is an empty file in a folder that is this service's own; path units of the image watch it. So nothing
that talks to everybody stands between the two, and a wish can say no more than its name.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

FOLDER = Path("/run/aidpost-wishes")
REBOOT = "reboot"
SUPPORT = "support"


class NobodyListens(Exception):
    """This machine has no such units; the message says what to install."""


def wish(name: str, folder: Path = FOLDER) -> None:
    """Ask for it; returns before it happens. Raises NobodyListens."""
    try:
        # Opened for writing and closed: that is what the path units notice.
        with (folder / name).open("wb"):
            pass
    except OSError as error:
        raise NobodyListens(
            f"nothing on this machine waits for it at {folder} ({error.strerror}): the image has the units "
            f"aidpost-{name}.path and .service (image-build/overlay)"
        ) from error


def take_back(name: str, folder: Path = FOLDER) -> None:
    """Ask for it no more. Never raises."""
    with suppress(OSError):  # a folder that cannot be written has no wishes
        (folder / name).unlink(missing_ok=True)
