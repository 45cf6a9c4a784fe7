"""Pages of lists: how many at once, and tokens that say after which one to go on."""

from __future__ import annotations

import base64
import binascii
import hashlib

from aggregator.link.refusing import bad_field

DEFAULT_SIZE = 100
MAX_SIZE = 1000
_BINDING_BYTES = 8


def page_size(asked: int) -> int:
    """Return how many to show: 100 where nobody asked, and 1000 at most."""
    return min(asked or DEFAULT_SIZE, MAX_SIZE)


def token(after: str, *binding: str) -> str:
    """Return a token that goes on after an item of this list; binding: the list's name and its filter."""
    return base64.urlsafe_b64encode(_digest(binding) + after.encode()).decode().rstrip("=")


def after(page_token: str, *binding: str) -> str:
    """Return the item after which to go on, empty for the beginning; raises Refused."""
    if not page_token:
        return ""
    try:
        content = base64.urlsafe_b64decode(page_token + "=" * (-len(page_token) % 4))
        item = content[_BINDING_BYTES:].decode()
    except (binascii.Error, ValueError) as error:
        raise bad_field("page_token", "take it from the answer before, or leave it empty") from error
    if content[:_BINDING_BYTES] != _digest(binding):
        raise bad_field("page_token", "it belongs to another list or filter: begin again with an empty one")
    return item


def _digest(binding: tuple[str, ...]) -> bytes:
    return hashlib.sha256("\0".join(binding).encode()).digest()[:_BINDING_BYTES]
