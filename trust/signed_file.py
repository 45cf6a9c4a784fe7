"""Policies: TOML files that people read and sign, with the signature beside them (`FILE.sig`).

The signature is over the bytes of the file, so what was read is what was signed, comments too.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from trust.issuer import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, IssuerKey, Signs, signature_holds

SUFFIX = ".sig"
_SIGNATURE_FILE_BYTES = 2 * (PUBLIC_KEY_BYTES + SIGNATURE_BYTES) + 2
"""Public key and signature in hex, a space between and a line's end."""
MAX_BYTES = 64 * 1024

ContentT = TypeVar("ContentT", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True)
class SignedFile(Generic[ContentT]):
    """One kind of signed file.

    content: what it holds; its key `format` says `marker`. name, signed_by, keys_in, document: for messages:
    what it is called, the command that signs it, where trusted keys stand, where an example stands.
    refused: what is raised, always with what to do next.
    """

    signs: Signs
    content: type[ContentT]
    marker: str
    name: str
    signed_by: str
    keys_in: str
    document: str
    refused: type[ValueError]

    def schema(self) -> bytes:
        """Return the JSON schema of the file, for editors."""
        return msgspec.json.format(msgspec.json.encode(msgspec.json.schema(self.content)))

    def read(self, path: Path) -> ContentT:
        """Read the file, without its signature."""
        return self._parsed(path, self._bytes(path))

    def sign(self, path: Path, issuer: IssuerKey) -> Path:
        """Sign a file; returns where the signature was written, in place of a former one.

        Refused where something else lies there.
        """
        content = self._bytes(path)
        self._parsed(path, content)
        beside = path.with_name(path.name + SUFFIX)
        if beside.exists():
            self._signature(path, beside)
        line = f"{issuer.public.hex()} {issuer.sign(self.signs, content).hex()}\n"
        try:
            beside.write_text(line, encoding="ascii")
        except OSError as error:
            raise self.refused(f"cannot write {beside}: {error.strerror}") from error
        return beside

    def read_signed(self, path: Path, trusted: tuple[bytes, ...]) -> ContentT:
        """Read a file that one of these keys (32 bytes each) signed."""
        content = self._bytes(path)
        key, signature = self._signature(path, path.with_name(path.name + SUFFIX))
        whole = len(key) == PUBLIC_KEY_BYTES and len(signature) == SIGNATURE_BYTES
        if not whole or not signature_holds(key, self.signs, content, signature):
            raise self.refused(
                f"{path} was changed after it was signed: sign it again, or put back what was signed"
            )
        if key not in trusted:
            raise self.refused(f"{path} is signed by {key.hex()}, which is not among {self.keys_in}")
        return self._parsed(path, content)

    def _signature(self, path: Path, beside: Path) -> tuple[bytes, bytes]:
        """Return public key and signature, which nobody has checked yet."""
        try:
            key, signature = (bytes.fromhex(part) for part in beside.read_text(encoding="ascii").split())
        except OSError as error:
            raise self.refused(f"{path} is not signed: `{self.signed_by}` makes {beside.name}") from error
        except ValueError as error:
            raise self.refused(f"{beside} is no signature: move it away, and sign {path} again") from error
        return key, signature

    def _bytes(self, path: Path) -> bytes:
        try:
            with path.open("rb") as file:
                content = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise self.refused(f"cannot read the {self.name} {path}: {error.strerror}") from error
        if len(content) > MAX_BYTES:
            raise self.refused(f"{path} is longer than any {self.name}")
        return content

    def _parsed(self, path: Path, content: bytes) -> ContentT:
        try:
            raw = tomllib.loads(content.decode("utf-8"))
        except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError too
            raise self.refused(f"{path} is no {self.name}, which is TOML text in UTF-8: {error}") from error
        if raw.get("format") != self.marker:
            raise self.refused(
                f"{path} is {f'no {self.name}' if raw else f'empty, and no {self.name}'}: one says "
                f'format = "{self.marker}" ({self.document} has an example)'
            )
        try:
            return msgspec.convert(raw, self.content, strict=True)
        except ValueError as error:
            raise self.refused(f"{path}: {plain(error)}") from error


def unpack(content: bytes, path: Path) -> None:
    """Write a file that came in one piece with its signature after it, as `cat FILE FILE.sig` makes it.

    Nothing is checked: `read_signed` does that. Raises OSError.
    """
    path.write_bytes(content[:-_SIGNATURE_FILE_BYTES])
    path.with_name(path.name + SUFFIX).write_bytes(content[-_SIGNATURE_FILE_BYTES:])


def plain(error: ValueError) -> str:
    """Return what msgspec says of a file in words for whoever wrote it."""
    text = str(error).replace("`$.", "`").replace("`$`", "the file")
    return text.replace("Object missing required field", "it lacks")
