"""Error-versus-discard curve."""

from __future__ import annotations

from pathlib import Path

from inference.evaluation.discard import DiscardCurve
from inference.evaluation.plots.style import BLUE, figure


def draw_discard(title: str, curve: DiscardCurve, path: Path) -> Path:
    """Draw FNMR over the share of the worst samples that are dropped; returns the SVG file."""
    dropped = [100 * point.dropped for point in curve.points]
    with figure(path, 3.2, f"FNMR without the samples of worst quality, {title}") as axes:
        axes.fill_between(
            dropped,
            [100 * point.interval_95[0] for point in curve.points],
            [100 * point.interval_95[1] for point in curve.points],
            color=BLUE,
            alpha=0.18,
            linewidth=0,
            label="95 % interval (Wilson)",
        )
        axes.plot(
            dropped,
            [100 * point.fnmr for point in curve.points],
            color=BLUE,
            marker="o",
            markersize=3,
            linewidth=1.4,
            label=f"at the threshold of all samples for FMR {curve.fmr}",
        )
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
        axes.set_xlabel("samples dropped, worst quality first, %")
        axes.set_ylabel("false non-match rate, %")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=8)
    return path.with_suffix(".svg")
