"""Presentation-attack detection: the gate between an assessed sample and a template.

No detector here was measured on real attacks, so no resistance to presentation attacks is claimed
(ISO/IEC 30107-3); docs/presentation-attacks.md says what is in place and how a site measures it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from inference.types import Assessed, Live, Suspect

SampleT = TypeVar("SampleT")


class AttackDetector(ABC, Generic[SampleT]):
    """Decides whether a sample may become a template."""

    @abstractmethod
    def check(self, assessed: Assessed[SampleT]) -> Live[SampleT] | Suspect:
        """Let the sample pass, or hold it back."""


class Unchecked(AttackDetector[Any]):
    """Not fitted: lets every sample pass and says so, for the attack score of what it passes is None."""

    def check(self, assessed: Assessed[SampleT]) -> Live[SampleT]:
        """Pass the sample on without a score."""
        return Live(assessed.sample, assessed.quality, attack_score=None)
