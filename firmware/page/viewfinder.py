"""What the camera sees of a person while the face is taken: small pictures in memory, never on the disk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import cv2
import numpy as np

from inference.face.detect import DetectedFace
from sensors.frames import ColourFrame, Pixels, Retry, RetryReason

WIDTH_PX = 320
"""Half of the usual camera width: enough to see how one stands, and 8 kB a picture instead of 30."""
JPEG_QUALITY = 60
PAUSE_S = 0.08
"""At most 12 pictures a second, so that the Pi's time goes to the recognition."""
MOST_WATCHERS = 4

BOUNDARY = "picture"
_HEAD = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\n\r\n".encode()
MEDIA_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"


class LiveView:
    """The latest small picture, and what the person should do (`firmware.session.acquire.Viewfinder`).

    Nothing is copied while nobody watches. Used from the event loop.
    """

    def __init__(self) -> None:
        self._picture: Pixels | None = None
        self._taken_at_s = -1.0
        self._watchers: set[asyncio.Event] = set()
        self._listeners: list[Callable[[], None]] = []
        self.advice: RetryReason | None = None
        """What keeps the last frame from being good enough; None where nothing does, or none was seen."""

    @property
    def full(self) -> bool:
        """Whether nobody else may watch."""
        return len(self._watchers) >= MOST_WATCHERS

    def saw(self, frame: ColourFrame, found: DetectedFace | Retry) -> None:
        """Keep a small picture of the frame for whoever watches."""
        self._advise(found.reason if isinstance(found, Retry) else None)
        if not self._watchers or 0 <= frame.taken_at_s - self._taken_at_s < PAUSE_S:
            return
        self._taken_at_s = frame.taken_at_s
        self._wipe()
        self._picture = encoded(frame)
        self._wake()

    def forget(self) -> None:
        """Overwrite the last picture; those who watch get no more until the next face is taken."""
        self._wipe()
        self._advise(None)

    def subscribe(self, changed: Callable[[], None]) -> Callable[[], None]:
        """Call `changed` when the advice is another; returns what takes it off again."""
        self._listeners.append(changed)
        return lambda: self._listeners.remove(changed)

    async def pictures(self, wanted: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield the parts of a multipart answer, one for each new picture, while `wanted` says so.

        `stir` makes it ask again. Chromium shows a picture once the head of the next one has come.
        """
        waker = asyncio.Event()
        self._watchers.add(waker)
        try:
            yield _HEAD
            while wanted():
                if self._picture is not None:
                    yield self._picture.tobytes() + b"\r\n" + _HEAD
                await waker.wait()
                waker.clear()
        finally:
            self._watchers.discard(waker)
            if not self._watchers:
                self._wipe()

    def stir(self) -> None:
        """Let those who watch look whether they still may."""
        self._wake()

    def _advise(self, advice: RetryReason | None) -> None:
        if advice is not self.advice:
            self.advice = advice
            for listener in tuple(self._listeners):
                listener()

    def _wake(self) -> None:
        for waker in self._watchers:
            waker.set()

    def _wipe(self) -> None:
        if self._picture is not None:
            self._picture[...] = 0
            self._picture = None


def encoded(frame: ColourFrame) -> Pixels:
    """Return a small JPEG of the frame, shape (bytes,), uint8; takes 1.2 ms for 640x480 on x86."""
    height, width = frame.pixels.shape[:2]
    small = cv2.resize(
        frame.pixels, (WIDTH_PX, round(height * WIDTH_PX / width)), interpolation=cv2.INTER_AREA
    )
    _, coded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    small[...] = 0
    return np.asarray(coded, np.uint8)
