"""See the package."""


class PICAM2DNG:
    """A writer of raw photographs, which cannot be made."""

    def __init__(self, *_arguments: object) -> None:
        raise RuntimeError("this picamera2 writes no DNG files: PiDNG is not installed")
