"""Finds codes in the camera's pictures; what is seen is wiped at once, and only a code's text goes on."""

from __future__ import annotations

import asyncio
from functools import partial

import cv2
import numpy as np

from firmware.cards.payload import NOT_OURS, PREFIX, UNREADABLE
from firmware.session.acquire import InThread
from sensors.camera.port import Camera
from sensors.frames import Pixels
from sensors.worker import DeviceWorker

CAPTURE_TIMEOUT_S = (
    2.0  # a frame takes 0.1 s; longer means that the camera hangs, and its worker opens it anew
)
PAUSE_S = 0.1
"""Between two looks: a look takes 10 to 30 ms of a core, and the camera looks for cards all day."""
PAUSES_OF_A_LOOK = 3
"""On a board that takes longer over it, so many times as long: it is people that the processor is for."""
SURE_AFTER_FRAMES = 12
"""A moving card is unreadable for a moment, and another code may be beside it: only what stays so is said."""
_SHARPEN_PX, _SHARPEN_BY = 1.5, 4.0


class CameraScanner:
    """Looks for a card in front of the camera until one is there."""

    def __init__(
        self,
        camera: DeviceWorker[Camera],
        in_thread: InThread,
        *,
        prefix: str | tuple[str, ...] = PREFIX,
        pause_s: float = PAUSE_S,
    ) -> None:
        """in_thread: where pictures are looked at, off the event loop. pause_s: between two looks.

        prefix: how the codes begin that are looked for, or each of several ways.
        """
        self._prefix = prefix
        self._camera = camera
        self._in_thread = in_thread
        self._pause_s = pause_s

    async def scan(self) -> str:
        """Return the text of the first code that begins so, wherever it is in the picture.

        After `SURE_AFTER_FRAMES` pictures in a row with nothing better, it returns `NOT_OURS` for another
        code, whatever it holds, and `UNREADABLE` for one that does not decode; `CardReader` knows both.
        May be cancelled. Raises SensorUnavailable while the camera is away.
        """
        await self._camera.tried()
        doubtful, in_a_row = "", 0
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            frame = await self._camera.call(lambda camera: camera.capture(CAPTURE_TIMEOUT_S))
            try:
                found = await self._in_thread(partial(find_code, frame.pixels, self._prefix))
            finally:
                frame.wipe()
            if found not in ("", NOT_OURS, UNREADABLE):
                return found
            in_a_row = in_a_row + 1 if found and found == doubtful else int(bool(found))
            doubtful = found
            if in_a_row >= SURE_AFTER_FRAMES:
                return doubtful
            await asyncio.sleep(max(self._pause_s, PAUSES_OF_A_LOOK * (loop.time() - began_s)))


def find_code(pixels: Pixels, prefix: str | tuple[str, ...] = PREFIX) -> str:
    """Return the text of the code in a picture, shape (height, width, 3), uint8, BGR; "" where there is none.

    Where two cards are in the picture nobody can say which is meant: then there is none.
    """
    grey = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
    found = _look(grey, prefix)
    if found == UNREADABLE:
        found = _look(_sharpened(grey), prefix)
    return found


def _look(grey: Pixels, prefix: str | tuple[str, ...]) -> str:
    # Imported here: the appliance starts without it.
    import zxingcpp

    formats = zxingcpp.BarcodeFormats([zxingcpp.BarcodeFormat.QRCode])
    codes = zxingcpp.read_barcodes(grey, formats=formats, return_errors=True)
    ours = {code.text for code in codes if code.valid and code.text.startswith(prefix)}
    if ours:
        return ours.pop() if len(ours) == 1 else ""
    if any(code.valid for code in codes):
        return NOT_OURS
    return UNREADABLE if codes else ""


def _sharpened(grey: Pixels) -> Pixels:
    """Return the picture with its blur undone in part.

    Of cards blurred by half a module (modules of 2 to 6 pixels) 14 of 80 were read without it, 52 with it.
    """
    blurred = cv2.GaussianBlur(grey, (0, 0), _SHARPEN_PX)
    return np.asarray(cv2.addWeighted(grey, 1 + _SHARPEN_BY, blurred, -_SHARPEN_BY, 0), np.uint8)
