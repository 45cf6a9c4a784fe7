"""Face image records of ISO/IEC 19794-5:2005: header, feature points, and one JPEG an image.

Nothing of an image is decoded here but its size, so that a small file cannot ask for much memory. Images of
JPEG 2000 are refused: nothing in this release decodes them safely.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from inference.errors import RecordRefused
from inference.standards.reader import Reader

MAGIC = b"FAC\0"
VERSION = b"010\0"
MAX_BYTES = 8 << 20
MAX_IMAGES = 16
MAX_PIXELS = 12_000_000
"""36 MB as colour; a registry's full frontal image has 0.1 to 2 million."""
MAX_SCANS = 20
"""libjpeg's own progressive script has 10, and one of thousands keeps a processor for minutes."""
LEAST_SIDE_PX = 90  # of the image; a face of fewer pixels gives no template
JPEG, JPEG_2000 = 0, 1
FULL_FRONTAL = 1
COLOURS_UNSPECIFIED = 0
_SCAN = b"\xff\xda"
_HEADER = struct.Struct(">4s4sIH")
_INFORMATION_BYTES, _FEATURE_BYTES, _IMAGE_BYTES = 20, 8, 12
_SIZES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})
"""JPEG markers (ITU-T T.81, table B.1) of the frames that name a size."""


@dataclass(frozen=True, slots=True)
class FaceImage:
    """One image as the record has it.

    quality: 0 to 100, None where it is not reported.
    """

    jpeg: bytes
    width: int
    height: int
    quality: int | None = None

    def __repr__(self) -> str:
        # The image stays out of logs and trace backs.
        return f"FaceImage({self.width} by {self.height})"


def decode(data: bytes) -> tuple[FaceImage, ...]:
    """Return the images of a record. Raises RecordRefused."""
    if len(data) > MAX_BYTES:
        raise RecordRefused(f"a face image record has at most {MAX_BYTES} bytes, not {len(data)}")
    reader = Reader(data, "face image record")
    magic, version = bytes(reader.take(4)), bytes(reader.take(4))
    if magic != MAGIC:
        raise RecordRefused("this is no face image record: it does not begin with FAC")
    if version != VERSION:
        raise RecordRefused("the face image record is of no version that is read here (2005 is)")
    length, count = reader.numbers("IH")
    if length != len(data):
        raise RecordRefused(f"the record names a length of {length} bytes and has {len(data)}")
    if not 1 <= count <= MAX_IMAGES:
        raise RecordRefused(f"a face image record has 1 to {MAX_IMAGES} images here, not {count}")
    images = tuple(_read(reader) for _ in range(count))
    if reader.left:
        raise RecordRefused(f"{reader.left} bytes follow the last image of the record")
    return images


def encode(image: FaceImage) -> bytes:
    """Return a record of one full frontal image; nothing is said of the person. Raises RecordRefused."""
    checked = _checked(image.jpeg, image.width, image.height, image.quality)
    length = _INFORMATION_BYTES + _IMAGE_BYTES + len(checked.jpeg)
    information = struct.pack(">IH14x", length, 0)  # no feature points; sex, eyes, hair, pose: unspecified
    about = struct.pack(
        ">BBHHBBHH",
        FULL_FRONTAL,
        JPEG,
        checked.width,
        checked.height,
        COLOURS_UNSPECIFIED,
        0,
        0,
        checked.quality or 0,
    )
    head = _HEADER.pack(MAGIC, VERSION, _HEADER.size + length, 1)
    return head + information + about + checked.jpeg


def _read(reader: Reader) -> FaceImage:
    (length,) = reader.numbers("I")
    if length < _INFORMATION_BYTES + _IMAGE_BYTES:
        raise RecordRefused("an image of the record names a length that is too short for one")
    one = reader.within(length - 4)
    (points,) = one.numbers("H")
    one.skip(_INFORMATION_BYTES - 6)
    one.skip(_FEATURE_BYTES * points)
    _type, coding, width, height, _colours, _source, _device, quality = one.numbers("BBHHBBHH")
    if coding != JPEG:
        raise RecordRefused("the record's image is no JPEG: have it written as JPEG")
    return _checked(bytes(one.take(one.left)), width, height, quality if 1 <= quality <= 100 else None)


def _checked(jpeg: bytes, width: int, height: int, quality: int | None) -> FaceImage:
    found = jpeg_size(jpeg)
    # Wherever the two bytes stand: inside coded data they cannot, so this is never fewer than there are.
    if jpeg.count(_SCAN) > MAX_SCANS:
        raise RecordRefused(
            f"the record's image is a JPEG of more than {MAX_SCANS} scans: have it written again, baseline"
        )
    if found != (width, height):
        raise RecordRefused(
            f"the record's image is {found[0]} by {found[1]} pixels, and it says {width} by {height}"
        )
    if min(found) < LEAST_SIDE_PX or width * height > MAX_PIXELS:
        raise RecordRefused(
            f"the record's image is {width} by {height} pixels: at least {LEAST_SIDE_PX} a side and at most "
            f"{MAX_PIXELS} in all are read"
        )
    return FaceImage(jpeg, width, height, quality)


def jpeg_size(jpeg: bytes) -> tuple[int, int]:
    """Return width and height as the JPEG's first frame header says; nothing is decoded.

    Raises RecordRefused.
    """
    reader = Reader(jpeg, "image of the record")
    if bytes(reader.take(2)) != b"\xff\xd8":
        raise RecordRefused("the record's image is no JPEG")
    while True:
        lead, marker = reader.numbers("BB")
        while marker == 0xFF:  # fill bytes
            (marker,) = reader.numbers("B")
        if lead != 0xFF or marker in (0xD8, 0xD9, 0xDA):
            raise RecordRefused("the record's image is no JPEG: it names no size before its data")
        (length,) = reader.numbers("H")
        if length < 2:
            raise RecordRefused("the record's image is no JPEG: a segment names a length of nothing")
        segment = reader.within(length - 2)
        if marker in _SIZES:
            _precision, height, width = segment.numbers("BHH")
            if not width or not height:
                raise RecordRefused("the record's image has no size")
            return width, height
