"""How often finger and face fail the right person, from the operating point that is in use.

The rates at the thresholds come from the operating-point file. How they spread over good and poor samples
comes from `docs/recognition.md` (FNMR when the worst samples are left out), and what several sources do
together from `docs/operating-points.md`; both are measured on data sets, not in a camp.
"""

from __future__ import annotations

from dataclasses import dataclass

from inference.operating_point_file import OperatingPointFile

FACE_FMR, FINGER_FMR = 1e-4, 1e-3
"""1:1 asks for 1e-4, which one finger alone does not support; its rate is that at 1e-3."""

FACE_WORST_SHARE, FINGER_WORST_SHARE = 0.05, 0.20
# "2.00 % with all, 1.05 % without 5 %": the worst 5 % have (2.00 - 0.95 x 1.05) / 0.05 = 20 %.
_FACE_WORST, _FACE_REST = 20.05 / 2.00, 1.05 / 2.00
# 192x192: "4.04 with all, 1.34 without 20 %": the worst 20 % have (4.04 - 0.8 x 1.34) / 0.2 = 14.8 %.
_FINGER_WORST, _FINGER_REST = 14.84 / 4.04, 1.34 / 4.04
# Face and one finger at FMR 1e-4, 192x192: 0.85 % where the face alone has 1.97 %.
_FACE_AND_FINGER = 0.85 / 1.97
# Two fingers at FMR 1e-4, 192x192, without a face: 4.79 % where one finger at 1e-3 has 3.34 %.
_TWO_FINGERS = 4.79 / 3.34
FTA_FACE, FTA_FINGER = 0.0005, 0.0
"""Failures to acquire over the images of the data sets (`docs/operating-points.md`): 0.05 % and none."""


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """FNMR over all samples. face: at FMR 1e-4; finger: one, at 1e-3; name: of the operating point."""

    name: str
    face: float
    finger: float

    @classmethod
    def of(cls, point: OperatingPointFile, finger: str = "finger/R503") -> ErrorRates:
        """Read them. finger: the source, by the model of the reader."""
        return cls(point.name, _fnmr(point, "face", FACE_FMR), _fnmr(point, finger, FINGER_FMR))

    def face_fails(self, *, poor: bool) -> float:
        """Return the chance that the face alone does not match. poor: of the worst 5 %."""
        return min(1.0, self.face * (_FACE_WORST if poor else _FACE_REST))

    def finger_fails(self, *, poor: bool, fingers: int, face: bool) -> float:
        """Return the chance that one more finger does not settle it either.

        poor: of the worst 20 %. fingers: with this one. face: one that did not match is in the sum; the
        second finger is then taken as independent of the first. One finger alone never supports 1e-4.
        """
        quality = _FINGER_WORST if poor else _FINGER_REST
        if face:
            return min(1.0, _FACE_AND_FINGER * quality)
        return 1.0 if fingers < 2 else min(1.0, self.finger * _TWO_FINGERS * quality)


def _fnmr(point: OperatingPointFile, source: str, fmr: float) -> float:
    row = next(row for row in point.sources[source].rows if row.fmr == fmr)
    return row.fnmr
