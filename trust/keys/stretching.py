"""Keys out of passwords: Argon2id, at a cost that is kept beside the salt."""

from __future__ import annotations

from typing import Annotated

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from msgspec import Meta, Struct

from trust.keys.secret import SecretKey

SALT_BYTES = 32
STRETCHED_BYTES = 32


class Argon2Cost(Struct, frozen=True):
    """What a password costs to try: memory in KiB, passes over it, lanes (threads).

    As it stands, RFC 9106 §4, the second recommended setting, for devices short of memory.
    """

    # As high as a file may ask for: whoever can write one could else stop the machine with it.
    memory_kib: Annotated[int, Meta(ge=8, le=1 << 20)] = 64 * 1024
    passes: Annotated[int, Meta(ge=1, le=64)] = 3
    lanes: Annotated[int, Meta(ge=1, le=16)] = 4


SIGN_IN_COST = Argon2Cost(memory_kib=19 * 1024, passes=2, lanes=1)
"""Of what people sign in with while others wait: OWASP Password Storage Cheat Sheet, m=19 MiB, t=2, p=1."""


def stretched(password: bytearray, salt: bytes, cost: Argon2Cost) -> SecretKey:
    """Return the key of a password by Argon2id (RFC 9106), and overwrite the password."""
    key = SecretKey(STRETCHED_BYTES)
    try:
        with key.view() as out:
            Argon2id(
                salt=salt,
                length=STRETCHED_BYTES,
                iterations=cost.passes,
                lanes=cost.lanes,
                memory_cost=cost.memory_kib,
            ).derive_into(password, out)  # type: ignore[arg-type]  # any buffer, says its documentation
    finally:
        password[:] = bytes(len(password))
    return key
