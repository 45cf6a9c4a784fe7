"""Whether a stated likelihood ratio is the one that is observed, on held-out data."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from inference.evaluation.calibration_quality import HeldOut
from inference.evaluation.plots.style import BLUE, figure
from inference.evaluation.report import CalibrationQuality

_STEP = 0.5  # powers of ten
_LEAST_COUNT = 10
_Z_95 = 1.959963984540054


def draw_reliability(title: str, quality: CalibrationQuality, unseen: HeldOut, path: Path) -> Path:
    """Draw observed over stated likelihood ratios; returns the SVG file."""
    genuine, impostor = unseen.genuine / np.log(10), unseen.impostor / np.log(10)
    low, high = min(genuine.min(), impostor.min()), max(genuine.max(), impostor.max())
    edges = np.arange(np.floor(low / _STEP), np.ceil(high / _STEP) + 1) * _STEP
    # Half a comparison more of each kind keeps a bin with none of one kind finite (J. B. S. Haldane, 1956).
    same, other = (np.histogram(values, edges)[0] for values in (genuine, impostor))
    shown = same + other >= _LEAST_COUNT
    observed = np.log10((same + 0.5) / (genuine.size + 1)) - np.log10((other + 0.5) / (impostor.size + 1))
    deviation = np.sqrt(1 / (same + 0.5) + 1 / (other + 0.5)) / np.log(10)
    centres = (edges[:-1] + edges[1:]) / 2
    with figure(path, 3.8, f"Calibration on held-out data, {title}") as axes:
        ends = [float(edges[0]), float(edges[-1])]
        axes.plot(ends, ends, color="#777777", linewidth=0.8, label="stated = observed")
        axes.errorbar(
            centres[shown],
            observed[shown],
            yerr=_Z_95 * deviation[shown],
            color=BLUE,
            marker="o",
            markersize=3.5,
            linewidth=0,
            elinewidth=1,
            capsize=2,
            label="observed, with 95 % interval",
        )
        axes.set_xlabel("stated likelihood ratio, power of ten")
        axes.set_ylabel("observed likelihood ratio, power of ten")
        axes.text(
            0.98,
            0.03,
            f"Cllr {quality.cllr:.3f} bits, at best {quality.min_cllr:.3f}\n{quality.held_out}",
            transform=axes.transAxes,
            ha="right",
            va="bottom",
            fontsize=8,
        )
        axes.legend(loc="upper left", fontsize=8)
    return path.with_suffix(".svg")
