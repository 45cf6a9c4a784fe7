"""The operating-point file: what is stored, and how it is read and checked (docs/operating-points.md)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from inference.errors import OperatingPointRefused
from inference.types import Modality

VERSION = 1
NO_EVIDENCE_LLR = 0.0
"""Where the same person and another are equally likely; no threshold lies below it."""

REMEDY = (
    "make another file with: aidpost evaluate face --images DIR --pairs PAIRS --operating-point FILE; then: "
    "aidpost evaluate finger --images DIR --sensor MODEL --operating-point FILE; and name it in the "
    'configuration, under [inference]: operating_point = "FILE"'
)
"""What to do about a file that cannot serve. Another one: the packaged one is not to be written over."""


class DataSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What was measured on. identities: people (face) or fingers; samples: images that gave a template."""

    name: str
    identities: int
    samples: int
    genuine: int
    impostor: int


class Calibration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Raw score to LLR: slope * raw + intercept, clipped to what the data can support.

    margin_nats: how much was taken off the intercept, so that the mean likelihood ratio of impostors is at
    most 1 in each data set. lower_llr, upper_llr: -ln(genuine comparisons / 3) and
    ln(impostor comparisons / 3), after the rule of three.
    """

    slope: float
    intercept: float
    margin_nats: float
    lower_llr: float
    upper_llr: float

    def llr(self, raw: float) -> float:
        """Return the LLR of a raw comparison score."""
        return min(max(self.slope * raw + self.intercept, self.lower_llr), self.upper_llr)

    def llrs(self, raw: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the LLRs of many raw comparison scores."""
        return np.clip(self.slope * raw + self.intercept, self.lower_llr, self.upper_llr)


class Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one threshold gave on the data; intervals are two-sided 95 %, the FMR bound is one-sided 95 %.

    fmr_held_out_worst: calibration and threshold made anew without one data set, FMR on that one; the worst
    of all sets, None where there is only one. Far above `fmr`, it says that the threshold does not carry.
    """

    fmr: float
    threshold_llr: float
    fmr_measured: float
    fmr_upper_bound_95: float
    fnmr: float
    fnmr_interval_95: tuple[float, float]
    fmr_held_out_worst: float | None


class ImpostorTail(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Upper 95 % bounds of P(LLR >= first_llr + k * step_nats | impostor), falling with k."""

    first_llr: float
    step_nats: float
    fmr_upper_bounds_95: tuple[float, ...]


class SourcePoint(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Calibration and thresholds of one source of scores, such as ``face`` or ``finger/R503``.

    made_by: what made the templates (`FaceTemplate.made_by`). comparator: what compared them
    (`inference.comparators`). note: what else a reader must know.
    best_of_nats: what each natural logarithm of the number of samples of one instance costs when the best of
    them counts (see `inference.fusion`).
    unsupported_fmr: asked for, but the impostor comparisons are fewer than 3 / FMR (rule of three).
    """

    made_by: str
    comparator: str
    protocol: str
    note: str
    data_sets: tuple[DataSet, ...]
    genuine: int
    impostor: int
    calibration: Calibration
    rows: tuple[Row, ...]
    unsupported_fmr: tuple[float, ...]
    best_of_nats: float
    impostor_tail: ImpostorTail


class OperatingPointFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file as it is stored; digest is the SHA-256 of the rest in canonical JSON."""

    version: int
    name: str
    created: str
    sources: dict[str, SourcePoint]
    digest: str

    def computed_digest(self) -> str:
        """Return the digest that the content calls for."""
        content = msgspec.json.encode(msgspec.structs.replace(self, digest=""), order="deterministic")
        return f"sha256:{hashlib.sha256(content).hexdigest()}"


class _Version(msgspec.Struct):
    version: int


def read(path: Path) -> OperatingPointFile:
    """Read a file and check that it is whole, whatever models it belongs to. Raises OperatingPointRefused."""
    try:
        text = path.read_bytes()
        version = msgspec.json.decode(text, type=_Version).version
        if version != VERSION:
            raise OperatingPointRefused(
                f"{path} has version {version}, this release reads version {VERSION}; {REMEDY}"
            )
        content = msgspec.json.decode(text, type=OperatingPointFile)
    except OSError as fault:
        raise OperatingPointRefused(f"{path} cannot be read ({fault.strerror}); {REMEDY}") from fault
    except msgspec.MsgspecError as fault:
        raise OperatingPointRefused(f"{path} is not an operating point ({fault}); {REMEDY}") from fault
    if content.digest != content.computed_digest():
        raise OperatingPointRefused(f"{path} was changed after it was made; {REMEDY}")
    for name in content.sources:
        modality_of(name)
    return content


def modality_of(source: str) -> Modality:
    """Return the modality that a source name begins with."""
    try:
        return Modality(source.partition("/")[0])
    except ValueError:
        known = ", ".join(modality.value for modality in Modality)
        raise OperatingPointRefused(f"{source} is no source of scores; one begins with {known}") from None
