"""The data policy of a site: which purposes it has, on what basis, and how long anybody is kept for each.

A TOML file that people read and sign, with the signature beside it (`FILE.sig`), by the issuer whom the
appliances know (`[issuer] keys`).
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from trust.consent import Purpose
from trust.issuer import PUBLIC_KEY_BYTES, SIGNATURE_BYTES, IssuerKey, Signs, signature_holds

SUFFIX = ".sig"
MAX_BYTES = 64 * 1024
_FORMAT = "aidpost policy 1"
_Text = Annotated[str, Meta(min_length=1, max_length=400)]
Party = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")]
"""Who gives templates or gets them, by a short name without spaces."""


class PolicyRefused(ValueError):
    """The data policy cannot be used; the message says what to do."""


class PurposeRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One purpose. basis: of GDPR art. 6 or the law that stands for it. retention_days: after so many days an
    entry is erased by itself. imports_from, imports: which registries may hand over what (`aidpost template
    import`). exports_to: who may be given templates; nobody else is."""

    name: Purpose
    basis: Literal["consent", "vital interests", "public interest", "legal obligation", "contract"]
    why: _Text
    retention_days: Annotated[int, Meta(ge=1, le=3660)]
    imports_from: tuple[Party, ...] = ()
    imports: tuple[Literal["finger minutiae", "face images"], ...] = ()
    exports_to: tuple[Party, ...] = ()


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


def schema() -> bytes:
    """Return the JSON schema of the file, for editors."""
    return msgspec.json.format(msgspec.json.encode(msgspec.json.schema(DataPolicy)))


def read(path: Path) -> DataPolicy:
    """Read and check the file, without its signature. Raises PolicyRefused."""
    return _parsed(path, _content(path))


def sign(path: Path, issuer: IssuerKey) -> Path:
    """Sign a file that can be used; returns where the signature was written, in place of a former one.

    Raises PolicyRefused, also where something else lies there.
    """
    content = _content(path)
    _parsed(path, content)
    beside = path.with_name(path.name + SUFFIX)
    if beside.exists():
        _signature(path, beside)
    line = f"{issuer.public.hex()} {issuer.sign(Signs.POLICY, content).hex()}\n"
    try:
        beside.write_text(line, encoding="ascii")
    except OSError as error:
        raise PolicyRefused(f"cannot write {beside}: {error.strerror}") from error
    return beside


def read_signed(path: Path, trusted: tuple[bytes, ...]) -> DataPolicy:
    """Read a file that one of these keys (32 bytes each) signed. Raises PolicyRefused."""
    content = _content(path)
    key, signature = _signature(path, path.with_name(path.name + SUFFIX))
    whole = len(key) == PUBLIC_KEY_BYTES and len(signature) == SIGNATURE_BYTES
    if not whole or not signature_holds(key, Signs.POLICY, content, signature):
        raise PolicyRefused(
            f"{path} was changed after it was signed: sign it again, or put back what was signed"
        )
    if key not in trusted:
        raise PolicyRefused(f"{path} is signed by {key.hex()}, which is not among `[issuer] keys`")
    return _parsed(path, content)


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


def _signature(path: Path, beside: Path) -> tuple[bytes, bytes]:
    """Return public key and signature, which nobody has checked yet. Raises PolicyRefused."""
    try:
        key, signature = (bytes.fromhex(part) for part in beside.read_text(encoding="ascii").split())
    except OSError as error:
        raise PolicyRefused(f"{path} is not signed: `aidpost policy sign` makes {beside.name}") from error
    except ValueError as error:
        raise PolicyRefused(f"{beside} is no signature: move it away, and sign {path} again") from error
    return key, signature


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PolicyRefused(f"cannot read the data policy {path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise PolicyRefused(f"{path} is longer than any data policy")
    return content


def _parsed(path: Path, content: bytes) -> DataPolicy:
    try:
        raw = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError too
        raise PolicyRefused(f"{path} is no data policy, which is TOML text in UTF-8: {error}") from error
    if raw.get("format") != _FORMAT:
        raise PolicyRefused(
            f"{path} is {'no data policy' if raw else 'empty, and no data policy'}: one says "
            f'format = "{_FORMAT}" (docs/data-policy.md has an example)'
        )
    try:
        policy = msgspec.convert(raw, DataPolicy, strict=True)
    except ValueError as error:
        raise PolicyRefused(f"{path}: {str(error).replace('`$.', '`').replace('`$`', 'the file')}") from error
    names = [each.name for each in policy.purposes]
    if len(set(names)) < len(names):
        raise PolicyRefused(f"{path}: a purpose stands there twice")
    return policy
