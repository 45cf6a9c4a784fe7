"""Stands for Blinka's micropython, of which the fingerprint library takes `const`."""


def const(value: int) -> int:
    """Return the value: in CPython a constant is as quick as any other name."""
    return value
