"""Rates by cohort beside those of all people."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes

from inference.evaluation.cohort_figures import CohortRate, CohortReport
from inference.evaluation.plots.style import BLACK, BLUE, VERMILION, panels

_RATES = (("fnmr", "FNMR"), ("fmr", "FMR"))
_LINE_IN = 0.12  # 8 points and what is between lines
_LABEL_CHARACTERS = 30  # a third of the width
_LABEL_LINES = 2
_FRAME_IN = 1.5


def draw_cohorts(title: str, cohorts: CohortReport, path: Path) -> Path:
    """Draw FNMR and FMR of each cohort with its interval and the bar; returns the SVG file."""
    rows = [
        (_label(f"{attribute}: {value}"), figures)
        for attribute, values in cohorts.attributes.items()
        for value, figures in values.items()
    ]
    lines = max(label.count("\n") + 1 for label, _ in rows)
    height = _FRAME_IN + _LINE_IN * (1 + lines) * len(rows)
    heading = f"Rates by cohort at the common threshold (FMR {cohorts.fmr}), {title}"
    with panels(path, height, heading, columns=2) as (canvas, axes):
        for panel, (field, name) in zip(axes, _RATES, strict=True):
            _draw(panel, [(label, getattr(figures, field)) for label, figures in rows], name, cohorts.bar)
        axes[0].invert_yaxis()
        handles, labels = axes[0].get_legend_handles_labels()
        canvas.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=8)
    return path.with_suffix(".svg")


def _label(text: str) -> str:
    """Break a label into lines; what is too long for them ends in an ellipsis."""
    return "\n".join(textwrap.wrap(text, _LABEL_CHARACTERS, max_lines=_LABEL_LINES, placeholder=" …") or [""])


def _draw(axes: Axes, rows: Sequence[tuple[str, CohortRate]], name: str, bar: float) -> None:
    overall = 100 * rows[0][1].overall
    limit = 1.15 * max([overall * bar, *(100 * rate.interval_95[1] for _, rate in rows if rate.trials)])
    for place, (_, rate) in enumerate(rows):
        if rate.rate is None:
            axes.text(0.02 * limit, place, "no comparison", va="center", fontsize=7)
            continue
        axes.barh(
            place,
            100 * rate.rate,
            height=0.62,
            color=VERMILION if rate.worse else BLUE,
            hatch="////" if rate.worse else None,
            edgecolor="white",
            linewidth=0,
            alpha=1.0 if rate.settled else 0.45,
        )
        low, high = (100 * end for end in rate.interval_95)
        axes.plot([low, high], [place, place], color=BLACK, linewidth=1, solid_capstyle="butt")
    axes.axvline(overall, color=BLACK, linewidth=1, label="all")
    worse = f"{100 * (bar - 1):.0f} % worse than all"
    axes.axvline(overall * bar, color=BLACK, linewidth=1, linestyle="--", label=worse)
    axes.plot([], [], color=BLACK, linewidth=1, marker="|", label="95 % interval")
    axes.bar(0, 0, color=VERMILION, hatch="////", edgecolor="white", linewidth=0, label="worse than that")
    axes.bar(0, 0, color=BLUE, label="not worse")
    axes.bar(0, 0, color=BLUE, alpha=0.45, label="pale: too few to say")
    axes.set_xlim(0, limit or 1)
    axes.set_yticks(range(len(rows)), [label for label, _ in rows], fontsize=8)
    axes.set_xlabel(f"{'false non-match' if name == 'FNMR' else 'false match'} rate, %")
    axes.grid(axis="y", visible=False)
