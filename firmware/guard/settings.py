"""What opens a guard."""

from __future__ import annotations

from dataclasses import dataclass

from trust.keys.guard import GuardKind


@dataclass(frozen=True, slots=True)
class GuardSettings:
    """Which guard, and what it needs: `tpm` and `pcrs` for a TPM, `burn` for the customer OTP rows."""

    kind: GuardKind
    tpm: str = "device:/dev/tpmrm0"
    pcrs: tuple[int, ...] = ()
    burn: bool = False
