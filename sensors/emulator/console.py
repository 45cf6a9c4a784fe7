"""The emulator's console: put fingers on a virtual sensor, and break it, by typing."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from sensors.board.signals import RingLight, RingMode
from sensors.emulator.faults import Fault, FaultKind
from sensors.emulator.images import Moisture
from sensors.emulator.virtual import VirtualSensor
from sensors.frames import Pixels

SUFFIXES: Final = frozenset({".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg"})
HELP: Final = f"""\
show N|NAME  put a finger on the sensor, by its number or name in the list
lift         take the finger away
dry, wet     put the last finger on again, too dry or too wet
fault KIND   the next answer goes wrong: {", ".join(kind.value for kind in FaultKind)}
unplug, plug pull the plug, and put it in again
list         the images
help         this text
quit         end"""


class ConsoleError(Exception):
    """What was typed, or a file that was named, cannot be used; the message says what can."""


class Console:
    """Takes typed lines and answers each in words."""

    def __init__(self, sensor: VirtualSensor, images: list[Path]) -> None:
        self._sensor = sensor
        self._images = images
        self._last: Path | None = None

    def run(self, line: str) -> str:
        """Do what `line` says and return the answer; raises `ConsoleError`."""
        word, _, rest = line.strip().partition(" ")
        rest = rest.strip()
        if rest and word not in {"show", "fault"}:
            raise ConsoleError(f"{word!r} takes nothing after it; type help")
        match word:
            case "show":
                return self._show(self._find(rest), Moisture.NORMAL)
            case "dry":
                return self._show(self._shown(), Moisture.DRY)
            case "wet":
                return self._show(self._shown(), Moisture.WET)
            case "lift":
                self._sensor.lift()
                return "no finger on the sensor"
            case "fault":
                return self._arm(rest)
            case "unplug":
                self._sensor.unplug()
                return f"unplugged: {self._sensor.port} is gone"
            case "plug":
                self._sensor.plug()
                return f"plugged in: {self._sensor.port}"
            case "list":
                return "\n".join(f"{number:4}  {path.name}" for number, path in enumerate(self._images, 1))
            case "help":
                return HELP
            case _:
                raise ConsoleError(f"there is no command {word!r}; type help")

    def _find(self, wanted: str) -> Path:
        if not wanted:
            raise ConsoleError("show which finger? Give a number or a name from the list")
        if wanted.isdecimal() and 1 <= int(wanted) <= len(self._images):
            return self._images[int(wanted) - 1]
        for path in self._images:
            if wanted in {path.name, path.stem}:
                return path
        raise ConsoleError(
            f"there is no image {wanted!r}; type list to see the {len(self._images)} there are"
        )

    def _shown(self) -> Path:
        if self._last is None:
            raise ConsoleError("no finger has been shown yet; type show 1")
        return self._last

    def _show(self, path: Path, moisture: Moisture) -> str:
        self._sensor.place(load_image(path), moisture)
        self._last = path
        return f"on the sensor: {path.name}" + ("" if moisture is Moisture.NORMAL else f", {moisture.value}")

    def _arm(self, name: str) -> str:
        try:
            kind = FaultKind(name)
        except ValueError:
            kinds = ", ".join(kind.value for kind in FaultKind)
            raise ConsoleError(f"there is no fault {name!r}; one of {kinds}") from None
        self._sensor.arm(Fault(kind))
        return f"armed: {kind.value}, once"


def find_images(folder: Path) -> list[Path]:
    """Return the images in `folder`, by name; raises `ConsoleError` when there are none."""
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES)
    if not found:
        raise ConsoleError(
            f"{folder} holds no fingerprint images; put {', '.join(sorted(SUFFIXES))} files there"
        )
    return found


def load_image(path: Path) -> Pixels:
    """Return (height, width) uint8 grey pixels of an image file; raises `ConsoleError`."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise ConsoleError(f"{path.name} cannot be read: {error.strerror}") from error
    try:
        image = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    except cv2.error:  # an empty file, or a header that names more pixels than OpenCV takes
        image = None
    if image is None:
        raise ConsoleError(f"{path.name} is not an image that can be read; show another")
    return image.astype(np.uint8)


def describe_ring(light: RingLight | None) -> str:
    """Return what the ring shows, in words."""
    if light is None or light.mode is RingMode.OFF:
        return "ring: off"
    return f"ring: {light.colour.name.lower()}, {light.mode.name.lower()}"


def run_console(
    sensor: VirtualSensor, images: Path, lines: Iterable[str], say: Callable[[str], object]
) -> None:
    """Serve typed `lines` until ``quit`` or their end; `sensor` is plugged in already."""
    console = Console(sensor, find_images(images))
    say(f"port: {sensor.port}")
    say("type help for the commands")
    for line in lines:
        if not line.strip():
            continue
        if line.strip() == "quit":
            break
        try:
            say(console.run(line))
        except ConsoleError as error:
            say(f"error: {error}")
