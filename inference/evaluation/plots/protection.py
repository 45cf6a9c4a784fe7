"""Linkage scores across keys, and the detection error trade-off of each way to protect templates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inference.evaluation.plots.style import BLACK, BLUE, LINES, VERMILION, figure, panels
from inference.evaluation.protection.linkability import MOST_BINS, local_measure
from inference.evaluation.protection.report import CrossScores, Protection

_BINS = MOST_BINS // 2


def draw_protection(result: Protection, folder: Path) -> Sequence[Path]:
    """Draw both figures into an existing folder; returns the SVG files. Accuracy needs a supported rate."""
    written = [_draw_linkage(result.cross, folder / "linkability")]
    if any(at.supported for one in result.report.schemes for at in one.fnmr_at_fmr.values()):
        written.append(_draw_accuracy(result, folder / "protected-accuracy"))
    return written


def _draw_linkage(cross: Sequence[CrossScores], path: Path) -> Path:
    """Draw mated and non-mated scores across two keys, and D of each score: unprotected and as shipped."""
    shown = [one for one in cross if one.drawn]
    with panels(path, 3.2, "Scores of templates under two keys", len(shown)) as (canvas, axes_of):
        for axes, one in zip(axes_of, shown, strict=True):
            low = min(one.mated.min(), one.non_mated.min())
            high = max(one.mated.max(), one.non_mated.max())
            edges = np.linspace(low, high, _BINS + 1)
            mated, non_mated = (
                np.histogram(scores, edges)[0] / scores.size for scores in (one.mated, one.non_mated)
            )
            highest = max(mated.max(), non_mated.max())
            axes.stairs(100 * mated / highest, edges, fill=True, color=BLUE, alpha=0.35, label="one person")
            axes.stairs(100 * non_mated / highest, edges, color=VERMILION, linewidth=1.3, label="two people")
            middles = (edges[1:] + edges[:-1]) / 2
            axes.plot(
                middles,
                100 * local_measure(mated, non_mated),
                color=BLACK,
                linewidth=0.9,
                linestyle="--",
                label="D of this score, %",
            )
            axes.set_title(f"{one.scheme}: D_sys {one.d_sys:.3f}", fontsize=8)
            axes.set_xlabel("score (no unit)")
            axes.set_ylim(0, 102)
        axes_of[0].set_ylabel("comparisons, % of the fullest bin")
        canvas.legend(
            *axes_of[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8
        )
    return path.with_suffix(".svg")


def _draw_accuracy(result: Protection, path: Path) -> Path:
    """Draw FNMR at each FMR of all schemes, everybody under one key."""
    with figure(path, 3.6, f"FNMR under one key, {result.report.source}") as axes:
        for index, one in enumerate(result.report.schemes):
            colour, dash = (BLACK, "-") if one.shipped else LINES[index % len(LINES)]
            marker = "osv"[index // len(LINES) % 3]
            rows = [(float(key), at.fnmr) for key, at in one.fnmr_at_fmr.items() if at.supported]
            if rows:
                fmr, fnmr = np.array(rows).T
                axes.plot(
                    fmr,
                    100 * fnmr,
                    color=colour,
                    linestyle=dash,
                    marker=marker,
                    markersize=3,
                    linewidth=1.6 if one.shipped else 1.1,
                    label=one.name,
                )
        axes.set_xscale("log")
        axes.set_xlabel("false match rate")
        axes.set_ylabel("FNMR, %")
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda share, _: f"{share:g}")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=3, fontsize=8)
    return path.with_suffix(".svg")
