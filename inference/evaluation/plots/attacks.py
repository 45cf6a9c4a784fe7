"""Attack scores by species, and APCER of the worst species over BPCER (ISO/IEC 30107-3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from inference.evaluation.attack_metrics import AttackScores
from inference.evaluation.plots.style import BLACK, BLUE, LINES, figure

_BINS = 40
_MARGIN = 2  # %


def draw_attacks(scores: AttackScores, threshold: float, folder: Path) -> Sequence[Path]:
    """Draw both figures into an existing folder; returns the SVG files."""
    return [_draw_scores(scores, threshold, folder / "scores"), _draw_det(scores, folder / "det")]


def _draw_scores(scores: AttackScores, threshold: float, path: Path) -> Path:
    edges = np.linspace(0, 1, _BINS + 1)
    with figure(path, 3.4, "Attack scores by species") as axes:
        share = 100 * np.histogram(scores.bona_fide, edges)[0] / scores.bona_fide.size
        axes.stairs(
            share, edges, fill=True, color=BLUE, alpha=0.3, label=f"bona fide ({scores.bona_fide.size:,})"
        )
        for index, (species, values) in enumerate(scores.attacks.items()):
            colour, dash = LINES[(index + 1) % len(LINES)]
            axes.stairs(
                100 * np.histogram(values, edges)[0] / values.size,
                edges,
                color=colour,
                linestyle=dash,
                linewidth=1.3,
                label=f"{species} ({values.size:,})",
            )
        axes.axvline(threshold, color=BLACK, linewidth=0.9, label="held back from here on")
        axes.set_xlabel("attack score, 0 to 1 (no unit)")
        axes.set_ylabel(f"presentations in each of {_BINS} bins, %")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, fontsize=8)
    return path.with_suffix(".svg")


def _draw_det(scores: AttackScores, path: Path) -> Path:
    with figure(path, 4.2, "APCER of the worst species over BPCER, all thresholds") as axes:
        bpcer, worst = scores.trade_off()
        axes.step(100 * bpcer, 100 * worst, color=BLACK, linewidth=1.6, label="worst species", where="post")
        for index, (species, values) in enumerate(scores.attacks.items()):
            colour, dash = LINES[(index + 1) % len(LINES)]
            bpcer, apcer = AttackScores(scores.bona_fide, {species: values}).trade_off()
            axes.step(100 * bpcer, 100 * apcer, color=colour, linestyle=dash, label=species, where="post")
        axes.set_xlim(-_MARGIN, 100 + _MARGIN)  # a curve along an axis would be half hidden by it
        axes.set_ylim(-_MARGIN, 100 + _MARGIN)
        axes.set_xlabel("BPCER, %")
        axes.set_ylabel("APCER, %")
        axes.legend(loc="upper right", fontsize=8)
    return path.with_suffix(".svg")
