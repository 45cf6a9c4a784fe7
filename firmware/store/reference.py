"""What the gallery holds of one person."""

from __future__ import annotations

from dataclasses import dataclass

from inference.types import ProtectedTemplate
from trust.consent import Purpose


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """One entry of the gallery (ISO/IEC 2382-37: biometric reference).

    entry_id: 16 random bytes, the only name by which other parts know it.
    subject: what staff hand in to claim it: a card or case number of this site, never a person's name.
    """

    entry_id: bytes
    subject: str
    templates: tuple[ProtectedTemplate, ...]
    purpose: Purpose
    site: str

    def __repr__(self) -> str:
        # The subject and the templates stay out of logs and trace backs.
        return f"Reference(entry_id={self.entry_id.hex()}, {len(self.templates)} templates)"
