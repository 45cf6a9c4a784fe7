"""Presentation-attack detection: the gate between an assessed sample and a template.

No detector with measured error rates is fitted yet, so `Unchecked` is the only one here, and with it no
resistance to presentation attacks is claimed (ISO/IEC 30107-3).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

from inference.types import Assessed, Live, Suspect

SampleT = TypeVar("SampleT")


class AttackDetector(ABC):
    """Decides whether a sample may become a template."""

    @abstractmethod
    def check(self, assessed: Assessed[SampleT]) -> Live[SampleT] | Suspect:
        """Let the sample pass, or hold it back."""


class Unchecked(AttackDetector):
    """Lets every sample pass and says so: the attack score of what it passes is None."""

    def check(self, assessed: Assessed[SampleT]) -> Live[SampleT]:
        """Pass the sample on without a score."""
        return Live(assessed.sample, assessed.quality, attack_score=None)
