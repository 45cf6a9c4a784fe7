"""The signed form of a list: a line that says what it is, a line of JSON, the signature, and the CSV file.

    AIDPOST LIST 1
    {"bytes":5120,"public_key":"…","sha256":"…"}
    signature, hexadecimal
    Aidpost list,distribution
    …

The file is signed as it is, so that both ends read the same bytes with the same rules and nothing has to be
written in one canonical way. It is not encrypted: whoever may read it learns numbers, sizes and rations, and
the secret of the cycle.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field

from trust.issuer import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, IssuerKey, Signs, signature_holds
from trust.lists.table import MAX_FILE_BYTES

MAGIC = b"AIDPOST LIST 1\n"
SUFFIX = ".aidpost-list"
_MAX_HEAD_BYTES = 4096
MAX_SIGNED_BYTES = MAX_FILE_BYTES + _MAX_HEAD_BYTES


class NotWhole(ValueError):
    """The file is cut short or was changed; the message says what to do."""


@dataclass(frozen=True, slots=True)
class SignedList:
    """A list as it was signed; content: the CSV file."""

    public_key: bytes
    content: bytes = field(repr=False)
    statement: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def signed_by(self, trusted: tuple[bytes, ...]) -> bool:
        """Whether one of these keys (32 bytes each) signed it."""
        return self.public_key in trusted and signature_holds(
            self.public_key, Signs.LIST, self.statement, self.signature
        )


def sign(content: bytes, issuer: IssuerKey) -> bytes:
    """Return the signed form of a CSV file."""
    said = {
        "bytes": len(content),
        "public_key": issuer.public.hex(),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    statement = json.dumps(said, separators=(",", ":"), sort_keys=True).encode()
    return b"\n".join((MAGIC[:-1], statement, issuer.sign(Signs.LIST, statement).hex().encode(), content))


def read_signed(file: bytes) -> SignedList:
    """Take a signed list apart; whose signature it is, and whether it holds, is for `signed_by`.

    Raises NotWhole.
    """
    try:
        magic, statement, signature, content = file[: len(MAGIC) + MAX_SIGNED_BYTES].split(b"\n", 3)
        if len(statement) > _MAX_HEAD_BYTES:
            raise NotWhole("its head is too long: copy the file again")
        said = json.loads(statement)
        public_key = bytes.fromhex(said["public_key"])
        digest, length = said["sha256"], said["bytes"]
        signed = bytes.fromhex(signature.decode("ascii"))
    except NotWhole:
        raise
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise NotWhole("its head cannot be read: copy the file again") from error
    sizes = (len(public_key), len(signed))
    if magic + b"\n" != MAGIC or sizes != (PUBLIC_KEY_BYTES, SIGNATURE_BYTES):
        raise NotWhole("its head cannot be read: copy the file again")
    if len(content) != length:
        raise NotWhole(f"it should have {length} bytes and has {len(content)}: copy the file again")
    if hashlib.sha256(content).hexdigest() != digest:
        raise NotWhole("it was changed after it was signed: copy the file again, or have it signed anew")
    return SignedList(public_key, content, statement, signed)
