"""Finger minutiae records: ISO/IEC 19794-2:2005 read and written, and the form of 2011 read.

Coordinates in a record are pixels of its image, origin at the upper left and y down, at a resolution in
pixels per centimetre; angles are units of 360/256 = 1.40625 degrees, counter-clockwise from the axis to the
right. `FingerTemplate` has the same axes at 500 ppi, and radians. Both name fingers by the codes of table 3.

A record is written with whole pixels, and a minutia's confidence as its quality of 1 to 100. Extended data
(ridge counts, cores and deltas, vendors' own) is passed over: nothing here uses it.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.errors import RecordRefused
from inference.standards.reader import Reader
from inference.types import FingerPosition, FingerTemplate

Floats: TypeAlias = NDArray[np.float32]

MAGIC = b"FMR\0"
# " 20" is the standard's; "020" is written by implementations that took the other forms' way of numbering.
VERSIONS_2005 = (b" 20\0", b"020\0")
VERSION_2011 = b"030\0"
MAX_BYTES = 1 << 20
"""176 views of 255 minutiae are 275 kB; what more there is would be extended data."""
MAX_VIEWS = 176  # 11 positions of 16 views each
MOST_MINUTIAE = 255  # one byte
MAX_SIDE_PX = 4096  # of the image at 500 ppi, as template_codec
PIXELS_PER_CM = 197  # 500 ppi is 196.85; writers round it up
LEAST_PIXELS_PER_CM = 99  # ISO/IEC 19794-2:2011, 8.4.13: 250 ppi
MOST_PIXELS_PER_CM = 788  # four times: 2,000 ppi
RADIANS_PER_UNIT = math.tau / 256
MOST_QUALITY = 100
"""0 says nothing in the form of 2005, 254 and 255 in that of 2011; others beyond are some writers' own."""
UNREPORTED_CONFIDENCE = 0.5
ENDING, BIFURCATION = 1, 2  # 0: other


@dataclass(frozen=True, slots=True, eq=False)
class FingerView:
    """One view of one finger, at 500 ppi; its arrays as in `FingerTemplate`.

    view: number among those of its position. impression: code of table 2 (0: live-scan plain).
    quality: 0 to 100, None where the record does not report it.
    """

    position: FingerPosition
    view: int
    impression: int
    quality: int | None
    width: int
    height: int
    minutiae: Floats

    def template(self, *, sensor: str, made_by: str) -> FingerTemplate:
        """Return it as a template; both names: what the record cannot tell of its origin."""
        return FingerTemplate(
            self.minutiae, self.width, self.height, self.position, sensor, self.quality or 0, made_by
        )


def decode(data: bytes) -> tuple[FingerView, ...]:
    """Return the views of a record, of 2005 or 2011. Raises RecordRefused."""
    if len(data) > MAX_BYTES:
        raise RecordRefused(f"a finger minutiae record has at most {MAX_BYTES} bytes, not {len(data)}")
    reader = Reader(data, "finger minutiae record")
    magic, version = bytes(reader.take(4)), bytes(reader.take(4))
    if magic != MAGIC:
        raise RecordRefused("this is no finger minutiae record: it does not begin with FMR")
    (length,) = reader.numbers("I")
    if length != len(data):
        raise RecordRefused(f"the record names a length of {length} bytes and has {len(data)}")
    if version in VERSIONS_2005:
        views = _read_2005(reader)
    elif version == VERSION_2011:
        views = _read_2011(reader)
    else:
        raise RecordRefused("the record is of no version that is read here (2005 and 2011 are)")
    if reader.left:
        raise RecordRefused(f"{reader.left} bytes follow the last view of the record")
    if len({(each.position, each.view) for each in views}) != len(views):
        raise RecordRefused("two views of the record have the same finger and number")
    return views


def encode(templates: Sequence[FingerTemplate]) -> bytes:
    """Return a record of 2005, one view a template, in this order.

    All images have to be of one size, as the form has one size for all. Raises RecordRefused.
    """
    sizes = {(template.width, template.height) for template in templates}
    if len(sizes) != 1 or len(templates) > MAX_VIEWS:
        raise RecordRefused(f"one record holds 1 to {MAX_VIEWS} views, all of one image size")
    numbers: dict[FingerPosition, int] = {}
    views = []
    for template in templates:
        number = numbers.get(template.position, 0)
        numbers[template.position] = number + 1
        if number > 15:
            raise RecordRefused("one record holds at most 16 views of one finger")
        views.append(_view_2005(template, number))
    ((width, height),) = sizes
    body = b"".join(views)
    header = struct.pack(
        ">4s4sIHHHHHBB",
        MAGIC,
        VERSIONS_2005[0],
        24 + len(body),
        0,
        width,
        height,
        PIXELS_PER_CM,
        PIXELS_PER_CM,
        len(views),
        0,
    )
    return header + body


def _view_2005(template: FingerTemplate, number: int) -> bytes:
    rows = template.minutiae[:MOST_MINUTIAE]  # the most confident come first
    x = np.rint(rows[:, 0]).clip(0, template.width - 1).astype(np.uint16)
    y = np.rint(rows[:, 1]).clip(0, template.height - 1).astype(np.uint16)
    kind = np.where(rows[:, 3] == 1, BIFURCATION, ENDING).astype(np.uint16)
    packed = np.empty(len(rows), [("x", ">u2"), ("y", ">u2"), ("angle", "u1"), ("quality", "u1")])
    packed["x"] = kind << 14 | x
    packed["y"] = y
    packed["angle"] = np.rint(rows[:, 2].astype(np.float64) / RADIANS_PER_UNIT).astype(np.int64) % 256
    packed["quality"] = np.rint(rows[:, 4] * 100).clip(1, 100)
    begin = bytes((template.position.value, number << 4, template.quality, len(rows)))
    return begin + packed.tobytes() + b"\0\0"


def _read_2005(reader: Reader) -> tuple[FingerView, ...]:
    _device, width, height, across, down, count, _reserved = reader.numbers("HHHHHBB")
    image = _Image.of(width, height, across, down)
    views = []
    for _ in range(_counted(count)):
        position, number, quality, minutiae = reader.numbers("BBBB")
        rows = np.frombuffer(reader.take(6 * minutiae), np.uint8).reshape(minutiae, 6)
        (extended,) = reader.numbers("H")
        reader.skip(extended)
        views.append(image.view(position, number >> 4, number & 15, quality, rows, with_quality=True))
    return tuple(views)


def _read_2011(reader: Reader) -> tuple[FingerView, ...]:
    count, certified = reader.numbers("HB")
    views = []
    for _ in range(_counted(count)):
        (length,) = reader.numbers("I")
        if length < 4:
            raise RecordRefused("a view of the record names a length that is too short for one")
        one = reader.within(length - 4)
        one.skip(14)  # when, by which kind of sensor, of which vendor
        (qualities,) = one.numbers("B")
        first = bytes(one.take(5 * qualities))
        if certified:
            (certificates,) = one.numbers("B")
            one.skip(3 * certificates)
        position, number, across, down, impression, width, height, form, minutiae = one.numbers("BBHHBHHBB")
        size = form >> 4
        if size not in (5, 6):
            raise RecordRefused("a minutia of the record has 5 or 6 bytes")
        rows = np.frombuffer(one.take(size * minutiae), np.uint8).reshape(minutiae, size)
        (extended,) = one.numbers("H")
        one.skip(extended)
        if one.left:
            raise RecordRefused(f"{one.left} bytes follow the last block of a view")
        image = _Image.of(width, height, across, down)
        quality = first[0] if qualities else 0
        views.append(image.view(position, number, impression, quality, rows, with_quality=size == 6))
    return tuple(views)


def _counted(count: int) -> int:
    if not 1 <= count <= MAX_VIEWS:
        raise RecordRefused(f"a record has 1 to {MAX_VIEWS} views, not {count}")
    return count


@dataclass(frozen=True, slots=True)
class _Image:
    """Size in pixels as the record has it, and the factors to 500 ppi."""

    width: int
    height: int
    scale_x: float
    scale_y: float

    @classmethod
    def of(cls, width: int, height: int, across: int, down: int) -> _Image:
        if not width or not height:
            raise RecordRefused("the record's image has no size")
        if not all(LEAST_PIXELS_PER_CM <= each <= MOST_PIXELS_PER_CM for each in (across, down)):
            raise RecordRefused(
                f"the record's resolution is {across} by {down} pixels per cm: {LEAST_PIXELS_PER_CM} to "
                f"{MOST_PIXELS_PER_CM} are read (197 is 500 ppi)"
            )
        image = cls(width, height, PIXELS_PER_CM / across, PIXELS_PER_CM / down)
        if max(image.size) > MAX_SIDE_PX:
            raise RecordRefused(f"the record's image is larger than {MAX_SIDE_PX} pixels at 500 ppi")
        return image

    @property
    def size(self) -> tuple[int, int]:
        """Width and height at 500 ppi."""
        return max(1, round(self.width * self.scale_x)), max(1, round(self.height * self.scale_y))

    def view(
        self,
        position: int,
        number: int,
        impression: int,
        quality: int,
        rows: NDArray[np.uint8],
        *,
        with_quality: bool,
    ) -> FingerView:
        """rows: shape (n, 5 or 6), the bytes of the minutiae."""
        if position > FingerPosition.LEFT_LITTLE.value:
            raise RecordRefused(f"a view of the record is of no single finger (position {position})")
        words = rows.astype(np.uint16)
        x, kind = (words[:, 0] & 0x3F) << 8 | words[:, 1], words[:, 0] >> 6
        y = words[:, 2] << 8 | words[:, 3]  # its two reserved bits are 0, or it lies outside
        if (x >= self.width).any() or (y >= self.height).any():
            raise RecordRefused("a minutia of the record lies outside its image")
        if (kind == 3).any():
            raise RecordRefused("a minutia of the record is of an unknown kind")
        reported = words[:, 5] if with_quality else np.zeros(len(words), np.uint16)
        unknown = (reported == 0) | (reported > MOST_QUALITY)
        width, height = self.size
        minutiae = np.empty((len(words), 5), np.float32)
        minutiae[:, 0] = np.minimum(x * self.scale_x, width)
        minutiae[:, 1] = np.minimum(y * self.scale_y, height)
        minutiae[:, 2] = words[:, 4] * RADIANS_PER_UNIT
        minutiae[:, 3] = kind == BIFURCATION
        minutiae[:, 4] = np.where(unknown, UNREPORTED_CONFIDENCE, reported / 100)
        minutiae = minutiae[np.argsort(-minutiae[:, 4], kind="stable")]
        known = quality if 1 <= quality <= MOST_QUALITY else None
        return FingerView(FingerPosition(position), number, impression, known, width, height, minutiae)
