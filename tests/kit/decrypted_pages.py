"""What a finder of the key sees in the store's files: all pages, free ones and old log frames too.

The layout is SQLCipher 4's: AES-256-CBC, each page of 4,096 bytes ends with its initialisation vector (16)
and HMAC-SHA-512 (64); the first page begins with the salt (16) in the clear.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

PAGE, RESERVED, SALT = 4096, 80, 16
WAL_HEADER, FRAME_HEADER = 32, 24


def decrypted_pages(path: Path, key: bytes) -> Iterator[bytes]:
    whole = path.read_bytes()
    yield _decrypted(whole[SALT:PAGE], key)
    for at in range(PAGE, len(whole), PAGE):
        yield _decrypted(whole[at : at + PAGE], key)
    log = path.with_name(path.name + "-wal")
    frames = log.read_bytes()[WAL_HEADER:] if log.exists() else b""
    for at in range(FRAME_HEADER, len(frames), FRAME_HEADER + PAGE):
        page, number = frames[at : at + PAGE], int.from_bytes(frames[at - FRAME_HEADER : at - 20], "big")
        yield _decrypted(page[SALT:] if number == 1 else page, key)


def _decrypted(page: bytes, key: bytes) -> bytes:
    content, vector = page[:-RESERVED], page[-RESERVED : -RESERVED + 16]
    decryptor = Cipher(AES(key), CBC(vector)).decryptor()
    return decryptor.update(content) + decryptor.finalize()
