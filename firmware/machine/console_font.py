"""Loads a font into a console of the kernel, as `setfont` does, which the image does not have.

Fonts are PSF files, version 2 (kbd's `psf.h` describes them): glyphs, and for each the letters that it draws.
"""

from __future__ import annotations

import ctypes
import fcntl
import gzip
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

FONTS = ("console-32x16.psf.gz", "console-24x12.psf.gz")
"""The largest first."""
LEAST_COLUMNS, LEAST_LINES = 64, 20
"""What the longest screen of the first boot needs."""
_MAGIC = 0x864AB572
_HEADER = struct.Struct("<8I")
_KDFONTOP, _PIO_UNIMAPCLR, _PIO_UNIMAP = 0x4B72, 0x4B68, 0x4B67
_SET = 0
_ROWS_OF_THE_KERNEL = 32
_NEXT_GLYPH, _SEQUENCE = 0xFF, 0xFE


class FontDamaged(OSError):
    """The file is no font that can be loaded."""


@dataclass(frozen=True, slots=True)
class Font:
    """glyphs: row by row from the top, each row in whole bytes. letters: (letter, number of its glyph)."""

    width: int
    height: int
    glyphs: tuple[bytes, ...]
    letters: tuple[tuple[int, int], ...]


class _FontOp(ctypes.Structure):
    """struct console_font_op of linux/kd.h."""

    _fields_ = (
        ("op", ctypes.c_uint),
        ("flags", ctypes.c_uint),
        ("width", ctypes.c_uint),
        ("height", ctypes.c_uint),
        ("charcount", ctypes.c_uint),
        ("data", ctypes.c_char_p),
    )


class _Pair(ctypes.Structure):
    """struct unipair."""

    _fields_ = (("letter", ctypes.c_ushort), ("glyph", ctypes.c_ushort))


class _Map(ctypes.Structure):
    """struct unimapdesc."""

    _fields_ = (("count", ctypes.c_ushort), ("entries", ctypes.POINTER(_Pair)))


def read_font(path: Path) -> Font:
    """Read a packed PSF file. Raises OSError, FontDamaged."""
    content = gzip.decompress(path.read_bytes())
    magic, _version, begins, _flags, count, size, height, width = _HEADER.unpack_from(content)
    if magic != _MAGIC or size != height * -(-width // 8) or len(content) < begins + count * size:
        raise FontDamaged(0, f"{path.name} is no PSF font")
    glyphs = tuple(content[begins + place * size :][:size] for place in range(count))
    return Font(width, height, glyphs, tuple(_letters(content[begins + count * size :])))


def _letters(table: bytes) -> Iterator[tuple[int, int]]:
    """Yield each letter with its glyph, without sequences, which a console cannot put together."""
    for glyph, entry in enumerate(table.split(bytes([_NEXT_GLYPH]))[:-1]):
        for letter in entry.split(bytes([_SEQUENCE]))[0].decode():
            yield ord(letter), glyph


def fitting(fonts: tuple[Font, ...], width: int, height: int) -> Font:
    """Return the largest font with which a screen of so many pixels has room; the smallest where none has."""
    for font in fonts:
        if width // font.width >= LEAST_COLUMNS and height // font.height >= LEAST_LINES:
            return font
    return fonts[-1]


def load(folder: Path, console: Path, screens: Path = Path("/sys/class/graphics")) -> str:
    """Load the font that fits; returns its size. Raises OSError where there is no screen."""
    fonts = tuple(read_font(folder / name) for name in FONTS)
    pixels = (screens / "fb0" / "virtual_size").read_text().split(",")
    font = fitting(fonts, int(pixels[0]), int(pixels[1]))
    fd = os.open(console, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        _set(fd, font)
    finally:
        os.close(fd)
    return f"{font.height}x{font.width} pixels"


def _set(fd: int, font: Font) -> None:
    room = _ROWS_OF_THE_KERNEL * -(-font.width // 8)
    data = b"".join(glyph.ljust(room, b"\0") for glyph in font.glyphs)
    fcntl.ioctl(fd, _KDFONTOP, _FontOp(_SET, 0, font.width, font.height, len(font.glyphs), data))
    fcntl.ioctl(fd, _PIO_UNIMAPCLR, bytes(6))
    pairs = (_Pair * len(font.letters))(*(_Pair(letter, glyph) for letter, glyph in font.letters))
    fcntl.ioctl(fd, _PIO_UNIMAP, _Map(len(pairs), pairs))
