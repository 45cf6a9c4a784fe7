"""The export policy: who may have which columns of which events, of which sites, and why.

Nothing else goes out. The data-protection officer signs the file (`aidpost-aggregator export sign`), and
`serve` is told the key.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

from trust.issuer import IssuerKey, Signs
from trust.signed_file import SignedFile

Kind: TypeAlias = Literal["check_in", "registration", "service", "complaint", "day_closed"]
FileForm: TypeAlias = Literal["csv", "parquet", "fhir"]
Form: TypeAlias = Literal["csv", "parquet", "fhir", "webhook"]
"""How results go out: as a file that is fetched, or told by a hook of the recipient's name."""
Column: TypeAlias = Literal[
    "received_at", "time", "clock_quality", "site", "device", "kind", "record", "household", "outcome",
    "mode", "tries", "confirmed", "modalities", "reason", "score_llr", "threshold_llr", "operating_point",
    "gallery_size", "workflow", "cycle", "basis", "duration_s", "declined", "cohort", "consent",
    "notice_version", "notice_language", "face_templates", "finger_templates", "concern", "planned", "served",
    "exceptions",
]  # fmt: skip
"""What can go out at all: no entry of a gallery, no member of staff, nothing biometric. record and household
go as pseudonyms that are others for each recipient."""

_Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
_Text = Annotated[str, Meta(min_length=1, max_length=400)]
FHIR_COLUMNS: tuple[Column, ...] = ("time", "site", "device", "record")


class ExportRefused(ValueError):
    """The export policy does not allow it or cannot be used; the message says what to do."""


class Recipient(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One who may have results. why: what for, on what basis. sites: none for all. until: last day (UTC)."""

    name: _Name
    why: _Text
    formats: Annotated[tuple[Form, ...], Meta(min_length=1)]
    kinds: Annotated[tuple[Kind, ...], Meta(min_length=1)]
    columns: Annotated[tuple[Column, ...], Meta(min_length=1)]
    sites: tuple[_Name, ...] = ()
    until: Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$")]

    def allowed_sites(self, asked: Sequence[str]) -> tuple[str, ...]:
        """Return the sites that are exported, none for all. Raises ExportRefused for one not allowed."""
        if self.sites and (other := sorted(set(asked) - set(self.sites))):
            raise ExportRefused(
                f"{self.name} may not have results of {', '.join(other)}: the export policy names "
                f"{', '.join(self.sites)}"
            )
        return tuple(asked) or self.sites

    def check(self, form: Form, today: str) -> None:
        """Raise ExportRefused unless this form may go to this recipient on this day, as 2026-01-31."""
        if form not in self.formats:
            raise ExportRefused(
                f"{self.name} may not have {form}: the export policy allows {', '.join(self.formats)}"
            )
        if today > self.until:
            raise ExportRefused(
                f"{self.name} may have results up to {self.until}: ask for a new export policy"
            )


class ExportPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. controller: who answers for the data."""

    format: Literal["aidpost export 1"]
    edition: Annotated[int, Meta(ge=1)]
    controller: _Text
    recipients: Annotated[tuple[Recipient, ...], Meta(min_length=1)]

    def recipient(self, name: str) -> Recipient:
        """Return the rules of one who gets results. Raises ExportRefused for anybody else."""
        for each in self.recipients:
            if each.name == name:
                return each
        raise ExportRefused(
            f"the export policy names nobody {name!r}: it names "
            f"{', '.join(each.name for each in self.recipients)}"
        )


_FILE = SignedFile(
    signs=Signs.EXPORT,
    content=ExportPolicy,
    marker="aidpost export 1",
    name="export policy",
    signed_by="aidpost-aggregator export sign",
    keys_in="the keys of `serve --export-signer`",
    document="docs/exports.md",
    refused=ExportRefused,
)


def in_force(policy: ExportPolicy | None) -> ExportPolicy:
    """Return the policy. Raises ExportRefused where there is none."""
    if policy is None:
        raise ExportRefused(
            "this aggregator has no export policy, and without one nothing goes out: name a signed one "
            "with `serve --export-policy` (docs/exports.md)"
        )
    return policy


def read(path: Path) -> ExportPolicy:
    """Read and check the file, without its signature. Raises ExportRefused."""
    return _checked(path, _FILE.read(path))


def sign(path: Path, key: IssuerKey) -> Path:
    """Sign a file that can be used; returns where the signature was written. Raises ExportRefused."""
    read(path)
    return _FILE.sign(path, key)


def read_signed(path: Path, trusted: tuple[bytes, ...]) -> ExportPolicy:
    """Read a file that one of these keys (32 bytes each) signed. Raises ExportRefused."""
    return _checked(path, _FILE.read_signed(path, trusted))


def _checked(path: Path, policy: ExportPolicy) -> ExportPolicy:
    names = [each.name for each in policy.recipients]
    if len(set(names)) < len(names):
        raise ExportRefused(f"{path}: a recipient stands there twice")
    for each in policy.recipients:
        lacking = [column for column in FHIR_COLUMNS if column not in each.columns]
        if "fhir" in each.formats and lacking:
            raise ExportRefused(f"{path}: for fhir {each.name} needs the columns {', '.join(lacking)} too")
    return policy
