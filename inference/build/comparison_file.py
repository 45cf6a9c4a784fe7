"""The committed comparisons that the finger score is trained on: eight numbers each, as int8."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).with_name("finger_comparisons.npz")
SYNTHETIC = "synthetic"
CUT = "cut"
STEPS = 127
"""A feature of 1 is stored as 127, as the network's own int8 input stores it."""

Numbers: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Origin:
    """data: name of a data set, or SYNTHETIC. form: a model of reader, or CUT."""

    data: str
    form: str


@dataclass(frozen=True, slots=True, eq=False)
class Comparisons:
    """Comparisons of one origin; features: shape (n, 8), genuine: shape (n,)."""

    origin: Origin
    features: Numbers
    genuine: NDArray[np.bool_]


def save(parts: Sequence[Comparisons], path: Path) -> None:
    """Write all comparisons."""
    arrays: dict[str, NDArray[np.generic]] = {}
    for part in parts:
        name = f"{part.origin.data}|{part.origin.form}"
        stored = np.clip(np.rint(part.features * STEPS), -STEPS, STEPS).astype(np.int8)
        arrays[f"{name}|genuine"], arrays[f"{name}|impostor"] = stored[part.genuine], stored[~part.genuine]
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def load(path: Path = FILE) -> list[Comparisons]:
    """Read all comparisons, in the order in which they were written."""
    parts = []
    with np.load(path) as arrays:
        for name in arrays.files:
            data, form, kind = name.split("|")
            if kind == "genuine":
                genuine, impostor = arrays[name], arrays[f"{data}|{form}|impostor"]
                features = np.concatenate([genuine, impostor]).astype(np.float64) / STEPS
                labels = np.arange(len(features)) < len(genuine)
                parts.append(Comparisons(Origin(data, form), features, labels))
    return parts
