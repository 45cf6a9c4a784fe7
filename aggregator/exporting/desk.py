"""Makes one export: what the policy allows, into a file that nobody else can open."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from aggregator.exporting import files
from aggregator.exporting.fhir import FHIR_KINDS
from aggregator.exporting.policy import ExportPolicy, ExportRefused, FileForm, in_force
from aggregator.exporting.rows import Pseudonyms, row
from aggregator.store.database import open_reader, translated
from aggregator.store.exporting import read_for_export, sites_of
from aggregator.store.place import Place


@dataclass(frozen=True, slots=True)
class Wanted:
    """What somebody asks for; times: since 1970, of arrival. sites: none for all that is allowed."""

    recipient: str
    form: FileForm
    from_ns: int
    to_ns: int
    sites: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exported:
    """A finished export; file: at its beginning, gone when it is closed. digest: SHA-256, hex."""

    file: BinaryIO
    rows: int
    bytes: int
    digest: str


class ExportDesk:
    """Exports from one store under one policy; key: of the pseudonyms, 32 bytes."""

    def __init__(
        self, store: Place, policy: ExportPolicy | None, key: bytes, wall_ns: Callable[[], int]
    ) -> None:
        self._store = store
        self._policy = policy
        self._key = key
        self._wall_ns = wall_ns

    def export(self, wanted: Wanted) -> Exported:
        """Write what is wanted; a thread of its own may do it. Raises ExportRefused and StoreError."""
        recipient = in_force(self._policy).recipient(wanted.recipient)
        recipient.check(wanted.form, datetime.fromtimestamp(self._wall_ns() / 1e9, UTC).date().isoformat())
        sites = recipient.allowed_sites(wanted.sites)
        if wanted.from_ns >= wanted.to_ns:
            raise ExportRefused("the period ends before it begins: exchange its two ends")
        kinds = _kinds(wanted.form, recipient.kinds)
        names = Pseudonyms(self._key, recipient.name)
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        try:
            with open_reader(self._store) as db, translated(self._store):
                if unknown := sorted(set(wanted.sites) - sites_of(db)):
                    raise ExportRefused(
                        f"no device is at {', '.join(unknown)}: `fleet sites list` shows the sites"
                    )
                found = read_for_export(
                    db, kinds=kinds, sites=sites, from_ns=wanted.from_ns, to_ns=wanted.to_ns
                )
                rows = ((each.event.kind, row(each, recipient.columns, names)) for each in found)
                written = files.write(wanted.form, recipient.columns, rows, file)
            size = file.tell()
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return Exported(file, written, size, digest)


def _kinds(form: FileForm, allowed: Sequence[str]) -> tuple[str, ...]:
    kinds = tuple(kind for kind in allowed if form != "fhir" or kind in FHIR_KINDS)
    if not kinds:
        raise ExportRefused(f"none of {', '.join(allowed)} is a FHIR resource: ask for csv")
    return kinds
