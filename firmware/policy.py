"""The data policy of a site: which purposes it has, on what basis, and how long anybody is kept for each.

A file signed by the issuer whom the appliances know (`[issuer] keys`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from trust.consent import Purpose
from trust.issuer import IssuerKey, Signs
from trust.signed_file import SignedFile

_Text = Annotated[str, Meta(min_length=1, max_length=400)]
Party = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""Who gives templates or gets them, by a short name without spaces."""


class PolicyRefused(ValueError):
    """The data policy cannot be used; the message says what to do."""


class PurposeRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One purpose. basis: of GDPR art. 6 or the law that stands for it. retention_days: after so many days an
    entry is erased by itself. imports_from, imports: which registries may hand over what (`aidpost template
    import`). exports_to: who may be given templates; nobody else is. most_fmr, most_fpir: how lax these rates
    may be set at most; without them the desk sets none that is laxer than the appliance's own file."""

    name: Purpose
    basis: Literal["consent", "vital interests", "public interest", "legal obligation", "contract"]
    why: _Text
    retention_days: Annotated[int, Meta(ge=1, le=3660)]
    imports_from: tuple[Party, ...] = ()
    imports: tuple[Literal["finger minutiae", "face images"], ...] = ()
    exports_to: tuple[Party, ...] = ()
    most_fmr: Annotated[float, Meta(gt=0, le=0.01)] | None = None
    most_fpir: Annotated[float, Meta(gt=0, le=0.05)] | None = None


class DataPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole file. controller: who answers for the data, and where. edition: rises with each one."""

    format: Literal["aidpost policy 1"]
    edition: Annotated[int, Meta(ge=1)]
    site: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
    controller: _Text
    purposes: Annotated[tuple[PurposeRule, ...], Meta(min_length=1)]

    def rule(self, purpose: Purpose) -> PurposeRule | None:
        """Return the rule of a purpose, None where the site has no such purpose."""
        return next((each for each in self.purposes if each.name is purpose), None)


_FILE = SignedFile(
    signs=Signs.POLICY,
    content=DataPolicy,
    marker="aidpost policy 1",
    name="data policy",
    signed_by="aidpost policy sign",
    keys_in="`[issuer] keys`",
    document="docs/data-policy.md",
    refused=PolicyRefused,
)


def schema() -> bytes:
    """Return the JSON schema of the file, for editors."""
    return _FILE.schema()


def read(path: Path) -> DataPolicy:
    """Read and check the file, without its signature. Raises PolicyRefused."""
    return _checked(path, _FILE.read(path))


def sign(path: Path, issuer: IssuerKey) -> Path:
    """Sign a file that can be used; returns where the signature was written, in place of a former one.

    Raises PolicyRefused, also where something else lies there.
    """
    read(path)
    return _FILE.sign(path, issuer)


def read_signed(path: Path, trusted: tuple[bytes, ...]) -> DataPolicy:
    """Read a file that one of these keys (32 bytes each) signed. Raises PolicyRefused."""
    return _checked(path, _FILE.read_signed(path, trusted))


def rule_for(policy: DataPolicy, site: str, purpose: Purpose) -> PurposeRule:
    """Return what holds at a site for a purpose. Raises PolicyRefused where the policy does not allow it."""
    if policy.site != site:
        raise PolicyRefused(f"the data policy is of the site {policy.site}, and this appliance is at {site}")
    rule = policy.rule(purpose)
    if rule is None:
        raise PolicyRefused(
            f"the data policy of {site} has no purpose {purpose.value!r}: this appliance serves nobody for it"
        )
    return rule


def _checked(path: Path, policy: DataPolicy) -> DataPolicy:
    names = [each.name for each in policy.purposes]
    if len(set(names)) < len(names):
        raise PolicyRefused(f"{path}: a purpose stands there twice")
    return policy
