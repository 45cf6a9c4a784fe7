"""Stands for Blinka's busio, of which the fingerprint library names the UART as the type of an argument."""


class UART:
    """What the library is given is a pyserial port; it never makes one of these."""
