"""See the package."""


class Picamera2Camera:
    """A description of the camera for a raw photograph, which cannot be made."""

    def __init__(self, *_arguments: object) -> None:
        raise RuntimeError("this picamera2 writes no DNG files: PiDNG is not installed")
