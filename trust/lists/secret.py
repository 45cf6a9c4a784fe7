"""The secret of a cycle or day, and the key that is made from it.

The key hides the numbers of households in what appliances report, and makes visit tokens. It has to be the
same at each appliance and in each later version of the list, so the secret stands in the file itself.
"""

from __future__ import annotations

import hmac
import secrets

from trust.lists.table import Table, delimiter_of


def new_secret() -> str:
    """Return 160 random bits, to stand in a list as the setting "secret"."""
    return secrets.token_hex(20)


def key_of(secret: str | None, site: str, cycle: str) -> bytes:
    """Return the key, 32 bytes, of one site and one cycle or day; empty without a secret."""
    if secret is None:
        return b""
    return hmac.digest(secret.encode(), f"aidpost list key 2\0{site}\0{cycle}".encode(), "sha256")


def has_secret(table: Table) -> bool:
    """Whether a list brings its secret."""
    return any(row and row[0].casefold() == "secret" for row in table.rows)


def with_secret(content: bytes) -> bytes:
    """Return a CSV file, which could be read, with a new secret in its second row."""
    delimiter = delimiter_of(content.decode("utf-8-sig"))
    title, end, rest = content.partition(b"\n")
    if not end:
        return content
    line_end = b"\r\n" if title.endswith(b"\r") else b"\n"
    return title + end + f"secret{delimiter}{new_secret()}".encode() + line_end + rest
