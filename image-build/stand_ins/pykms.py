"""Stands for pykms, which picamera2 imports for previews on a screen; neither Debian nor PyPI has it.

The appliance draws no previews. The kms on PyPI that picamera2 looks for first is another project's.
"""


class _Absent(type):
    def __getattr__(cls, name: str) -> str:
        return name


class PixelFormat(metaclass=_Absent):
    """Its formats are their names; picamera2 makes a table of them when it is imported."""


class Card:
    """A card that cannot be opened."""

    def __init__(self, *_arguments: object) -> None:
        raise RuntimeError("this picamera2 shows no previews: pykms is not installed")
