"""Draws the figures of a run, as SVG and PNG. matplotlib comes with the extra `evaluation`."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from inference.errors import InferenceError
from inference.evaluation.cohort_figures import CohortReport
from inference.evaluation.fuse import FUSED, Fusion
from inference.evaluation.report import Evaluation


class PlotsUnavailable(InferenceError, ImportError):
    """The library that draws is not installed."""


def require_library() -> None:
    """Raise PlotsUnavailable where nothing can be drawn."""
    if find_spec("matplotlib") is None:
        raise PlotsUnavailable(
            "plots need matplotlib, which is not installed; "
            "install it with: pip install 'aidpost[evaluation]'"
        )


def draw(result: Evaluation, folder: Path, cohorts: CohortReport | None = None) -> Sequence[Path]:
    """Draw what there is to draw into an existing folder; return the SVG files."""
    # Importing matplotlib takes 0.5 s and 30 MB, which a run without plots need not pay.
    from inference.evaluation.plots.cohorts import draw_cohorts
    from inference.evaluation.plots.det import draw_det, lines_of
    from inference.evaluation.plots.discard import draw_discard
    from inference.evaluation.plots.reliability import draw_reliability
    from inference.evaluation.plots.scores import draw_scores

    figures = result.report
    written = [
        draw_det(figures.source, lines_of(result), folder / "det"),
        draw_scores(result, folder / "scores"),
    ]
    if figures.discard is not None and len(figures.discard.points) > 1:  # one point is no curve
        written.append(draw_discard(figures.source, figures.discard, folder / "discard"))
    if figures.calibration is not None and result.unseen is not None:
        written.append(
            draw_reliability(figures.source, figures.calibration, result.unseen, folder / "calibration")
        )
    if cohorts is not None:
        written.append(draw_cohorts(figures.source, cohorts, folder / "cohorts"))
    return written


def draw_fusion(result: Fusion, folder: Path) -> Path:
    """Draw all parts in one figure, into an existing folder; return the SVG file."""
    from inference.evaluation.plots.det import Line, draw_det

    lines = [
        Line(name, result.scores[name], part.eer, main=name == FUSED)
        for name, part in result.report.parts.items()
    ]
    return draw_det("virtual subjects", lines, folder / "det")
