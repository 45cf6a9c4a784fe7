"""From a file to a list: CSV, XLSX, or the signed form that the aggregator's tool makes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from firmware.lists import xlsx
from trust.lists import envelope
from trust.lists.faults import Fault, Form, ListRefused
from trust.lists.parsing import parse
from trust.lists.table import MAX_FILE_BYTES, read_csv, too_large
from trust.lists.terms import PlannedList

MOST_BYTES = envelope.MAX_SIGNED_BYTES + 1
"""What is read of a file: one byte more than any list has, so that a larger one is noticed."""


@dataclass(frozen=True, slots=True)
class ReadList:
    """A list without faults of its own.

    signed_by: the public key of the issuer whose signature holds, 32 bytes; None: nobody signed it, and two
    supervisors answer for it.
    """

    planned: PlannedList
    signed_by: bytes | None = None


@dataclass(frozen=True, slots=True)
class FaultsFound:
    """All that has to be corrected before the file can be a list, and how its cells are named."""

    faults: tuple[Fault, ...]
    form: Form

    def lines(self, file: str) -> list[str]:
        """Return one line for each fault."""
        return [fault.line(file, self.form) for fault in self.faults]


def read_list(path: Path, trusted: tuple[bytes, ...] | None = None) -> ReadList | FaultsFound:
    """Read a file and check all that can be told from it alone.

    trusted: the public keys of issuers, 32 bytes each. A signed list is taken only with one of theirs; None:
    with anybody's, where no appliance is asked. Raises OSError.
    """
    with path.open("rb") as file:
        return read_content(file.read(MOST_BYTES), trusted)


def read_content(content: bytes, trusted: tuple[bytes, ...] | None = None) -> ReadList | FaultsFound:
    """Read what a file holds, as `read_list` does; of a larger file the first `MOST_BYTES` are enough."""
    form = Form.XLSX if content.startswith(xlsx.MAGIC) else Form.CSV
    try:
        return _read(content, trusted)
    except ListRefused as refused:
        return FaultsFound(refused.faults, form)


def _read(content: bytes, trusted: tuple[bytes, ...] | None) -> ReadList:
    if content.startswith(envelope.MAGIC[: len(content)]) and content:
        return _read_signed(content, trusted)
    if len(content) > MAX_FILE_BYTES:
        raise ListRefused([too_large()])
    if content.startswith(xlsx.OLD_OR_LOCKED_MAGIC):
        raise ListRefused([Fault("an old Excel file, or one with a password: save it as XLSX without one")])
    if not content.strip():
        raise ListRefused([Fault("the file is empty: copy it again")])
    table = xlsx.read_xlsx(content) if content.startswith(xlsx.MAGIC) else read_csv(content)
    return ReadList(parse(table))


def _read_signed(content: bytes, trusted: tuple[bytes, ...] | None) -> ReadList:
    try:
        signed = envelope.read_signed(content)
    except envelope.NotWhole as error:
        raise ListRefused([Fault(f"a signed list, but {error}")]) from error
    if trusted is None:
        trusted = (signed.public_key,)
    if signed.public_key not in trusted:
        what = "its signer is not known to this appliance: ask who made it, or add the key to [issuer] keys"
        raise ListRefused([Fault(what)])
    if not signed.signed_by(trusted):
        raise ListRefused([Fault("its signature does not hold: get the file anew from who made it")])
    return ReadList(parse(read_csv(signed.content)), signed.public_key)
