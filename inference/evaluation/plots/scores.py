"""How comparison scores are spread, with the thresholds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.evaluation.plots.style import BLACK, BLUE, VERMILION, figure
from inference.evaluation.report import Evaluation, pooled

_BINS = 80


def draw_scores(result: Evaluation, path: Path) -> Path:
    """Draw the share of genuine and of impostor comparisons at each score; returns the SVG file."""
    figures, scores = result.report, pooled(result.sets).scores
    edges = np.linspace(
        min(scores.genuine.min(), scores.impostor.min()),
        max(scores.genuine.max(), scores.impostor.max()),
        _BINS + 1,
    )
    with figure(path, 3.4, f"Comparison scores, {figures.source}") as axes:
        for kind, values, colour, hatch in (
            ("impostor", scores.impostor, VERMILION, "////"),
            ("genuine", scores.genuine, BLUE, ""),
        ):
            share = 100 * np.histogram(values, edges)[0] / values.size
            axes.stairs(share, edges, color=colour, linewidth=1.3, zorder=3)
            axes.stairs(
                share,
                edges,
                fill=True,
                facecolor=colour,
                edgecolor=colour,
                hatch=hatch,
                alpha=0.2,
                label=f"{kind} ({values.size:,} comparisons)",
            )
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:g}")
        axes.set_ylim(bottom=100 * 0.5 / scores.impostor.size, top=100)
        for key, row in figures.fnmr_at_fmr.items():
            if row.supported:
                axes.axvline(row.threshold, color=BLACK, linewidth=0.9, linestyle="--", zorder=4)
                axes.text(
                    row.threshold,
                    0.98,
                    f" FMR {key}",
                    transform=axes.get_xaxis_transform(),
                    rotation=90,
                    ha="right",
                    va="top",
                    fontsize=7,
                )
        axes.set_xlabel("comparison score, as the comparator gives it (no unit)")
        axes.set_ylabel(f"comparisons in each of {_BINS} bins, %")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=2, fontsize=8)
    return path.with_suffix(".svg")
