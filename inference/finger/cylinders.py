"""Minutia cylinder codes: what lies around each minutia, as bits that do not change when the finger turns.

Cappelli, Ferrara, Maltoni, "Minutia Cylinder-Code", IEEE TPAMI 32(12), 2010: section 3 (cylinders) and 3.2
(bits). Constants carry the paper's symbols; where a value differs from its table 3, the comment says so.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from inference.types import FingerTemplate

Floats: TypeAlias = NDArray[np.float32]
Words: TypeAlias = NDArray[np.uint64]
Flags: TypeAlias = NDArray[np.bool_]

RADIUS_PX = 70.0  # R, at 500 ppi
CELLS_ACROSS = 16  # N_S
SECTIONS = 6  # N_D
SPATIAL_SIGMA_PX = 28 / 3  # sigma_S
ANGULAR_SIGMA_RAD = 2 * np.pi / 9  # sigma_D
BIT_THRESHOLD = 0.005  # mu_psi is 0.01; prints of small sensors are sparser
HULL_MARGIN_PX = 50.0  # Omega
LEAST_VALID_SHARE = 0.5  # min_VC is 0.75; a 192x192 image has few cylinders that are whole
LEAST_NEIGHBOURS = 2  # min_M
MOST_MINUTIAE = 80
"""The most confident ones; a whole finger shows 40 to 60."""

_CUT_OFF_PX = 3 * SPATIAL_SIGMA_PX


def _cell_offsets() -> tuple[Floats, Floats]:
    step = 2 * RADIUS_PX / CELLS_ACROSS
    index = np.arange(CELLS_ACROSS)
    along, across = np.meshgrid(*[(index - (CELLS_ACROSS - 1) / 2) * step] * 2, indexing="ij")
    inside = along**2 + across**2 <= RADIUS_PX**2
    return along[inside].astype(np.float32), across[inside].astype(np.float32)


_ALONG_PX, _ACROSS_PX = _cell_offsets()
CELLS = len(_ALONG_PX)
BITS = CELLS * SECTIONS
WORDS = -(-BITS // 64)
_SECTION_RAD = (-np.pi + (np.arange(SECTIONS) + 0.5) * 2 * np.pi / SECTIONS).astype(np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class PreparedFinger:
    """A template made ready for comparison; callers may keep it as long as they may keep the template.

    x, y, direction, confidence: shape (n,), float32; pixels at 500 ppi with y up, and radians.
    kind: shape (n,), float32; 0 ending, 1 bifurcation.
    bits: shape (n, WORDS), uint64; set bits, all in cells that lie in the print.
    cells: shape (2 * n, CELLS), uint8; set bits of each cell, then whether the cell is in the print.
    usable: shape (n,), whether the cylinder has enough of the print around it.
    distance, bearing: shape (n, n), float32; from minutia to minutia.
    """

    x: Floats
    y: Floats
    direction: Floats
    confidence: Floats
    kind: Floats
    bits: Words
    cells: NDArray[np.uint8]
    usable: Flags
    distance: Floats
    bearing: Floats
    sensor: str
    made_by: str

    def __len__(self) -> int:
        return len(self.x)

    def wipe(self) -> None:
        """Overwrite all that was made of the template with zeros."""
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value[...] = 0


def prepare(template: FingerTemplate) -> PreparedFinger:
    """Make the cylinders of a template."""
    minutiae = template.minutiae[:MOST_MINUTIAE]
    x, y, direction = minutiae[:, 0].copy(), -minutiae[:, 1], minutiae[:, 2].copy()
    confidence = minutiae[:, 4].copy()
    along, across = x[None, :] - x[:, None], y[None, :] - y[:, None]
    distance = np.hypot(along, across)
    cell_x, cell_y = _cells(x, y, direction)
    squared = (cell_x[:, :, None] - x) ** 2 + (cell_y[:, :, None] - y) ** 2
    in_print = _in_print(squared)
    set_bits = _contributions(direction, squared) > BIT_THRESHOLD
    set_bits &= in_print[:, :, None]
    neighbours = (distance <= RADIUS_PX + _CUT_OFF_PX).sum(1) - 1
    return PreparedFinger(
        x=x,
        y=y,
        direction=direction,
        confidence=confidence,
        kind=minutiae[:, 3].copy(),
        bits=_pack(set_bits),
        cells=np.concatenate([set_bits.sum(2, dtype=np.uint8), in_print.astype(np.uint8)]),
        usable=(in_print.mean(1) > LEAST_VALID_SHARE) & (neighbours >= LEAST_NEIGHBOURS)
        if len(x)
        else np.zeros(0, np.bool_),
        distance=distance,
        bearing=np.arctan2(across, along),
        sensor=template.sensor,
        made_by=template.made_by,
    )


def wrap(angle: Floats) -> Floats:
    """Bring angles into -pi to pi; any number of turns."""
    turns = np.rint(angle * np.float32(1 / (2 * np.pi)))
    return np.asarray(angle - np.float32(2 * np.pi) * turns, np.float32)


def _cells(x: Floats, y: Floats, direction: Floats) -> tuple[Floats, Floats]:
    cosine, sine = np.cos(direction)[:, None], np.sin(direction)[:, None]
    cell_x = x[:, None] + cosine * _ALONG_PX - sine * _ACROSS_PX
    cell_y = y[:, None] + sine * _ALONG_PX + cosine * _ACROSS_PX
    return np.asarray(cell_x, np.float32), np.asarray(cell_y, np.float32)


def _contributions(direction: Floats, squared: Floats) -> Floats:
    """Equation 4: what the other minutiae put into each cell, shape (n, CELLS, SECTIONS).

    squared: distances from the cells to all minutiae, shape (n, CELLS, n).
    """
    near = np.flatnonzero(squared <= _CUT_OFF_PX**2)  # one in twenty, and exponentials take the time
    spatial = np.zeros_like(squared)
    spatial.ravel()[near] = np.exp(squared.ravel()[near] * np.float32(-0.5 / SPATIAL_SIGMA_PX**2))
    spatial *= np.float32(1 / (SPATIAL_SIGMA_PX * np.sqrt(2 * np.pi)))
    own = np.arange(len(direction))
    spatial[own, :, own] = 0
    turned = wrap(direction[:, None] - direction[None, :])
    away = wrap(turned[:, :, None] - _SECTION_RAD)
    half = np.pi / SECTIONS
    directional = _normal_below((away + half) / ANGULAR_SIGMA_RAD) - _normal_below(
        (away - half) / ANGULAR_SIGMA_RAD
    )
    return np.asarray(np.matmul(spatial, directional), np.float32)


def _normal_below(z: Floats) -> Floats:
    """Normal distribution function; Abramowitz and Stegun 26.2.17 by way of 7.1.26, error below 2e-7."""
    scaled = np.abs(z) / np.sqrt(2)
    t = 1 / (1 + 0.3275911 * scaled)
    series = (((((1.061405429 * t - 1.453152027) * t) + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t
    tail = 0.5 * series * np.exp(-scaled * scaled)
    return np.asarray(np.where(z < 0, tail, 1 - tail), np.float32)


def _in_print(squared: Floats) -> Flags:
    """Whether a cell lies near any minutia: kinder to concave prints than the paper's convex hull."""
    if not len(squared):
        return np.zeros((0, CELLS), np.bool_)
    return np.asarray((squared <= HULL_MARGIN_PX**2).any(2))


def _pack(flags: Flags) -> Words:
    rows = flags.reshape(len(flags), BITS)
    padded = np.zeros((len(flags), WORDS * 64), np.bool_)
    padded[:, :BITS] = rows
    return np.packbits(padded, axis=1).view(np.uint64)
