"""The comparators of this release. An operating point holds for the one that it was measured with."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from inference.face import compare as face
from inference.finger import score as finger
from inference.types import Modality

COMPARATORS: Mapping[Modality, str] = MappingProxyType(
    {Modality.FACE: face.COMPARATOR, Modality.FINGER: finger.COMPARATOR}
)
