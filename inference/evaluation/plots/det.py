"""Detection error trade-off on normal-deviate axes (A. Martin et al., Eurospeech 1997; ISO/IEC 19795-1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from inference.evaluation.measured import MeasuredSet
from inference.evaluation.metrics import ScoreSet
from inference.evaluation.plots.style import BLACK, LINES, figure, percent
from inference.evaluation.report import Evaluation, pooled
from inference.evaluation.resample import resample

_TICKS = (1e-6, 1e-5, 1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
_MOST = 0.4
_LEAST = 1e-6
_POINTS = 150
_BAND_POINTS = 60
_BAND_TO = 0.05  # `resample` keeps the impostor scores that thresholds up to here need


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """One curve. main: drawn solid, with the range of 95 % of the draws of identities."""

    label: str
    scores: MeasuredSet
    eer: float
    main: bool = False


def lines_of(result: Evaluation) -> list[Line]:
    """Return the curve of all data, and that of each data set where there are several."""
    figures = result.report
    label = "all" if len(result.sets) > 1 else figures.name
    all_data = Line(label, pooled(result.sets).scores, figures.eer, main=True)
    if len(result.sets) == 1:
        return [all_data]
    parts = zip(figures.data_sets, result.scores, strict=True)
    return [all_data, *(Line(one.name, scores, one.eer) for one, scores in parts)]


def draw_det(title: str, lines: Sequence[Line], path: Path) -> Path:
    """Draw all curves; returns the SVG file."""
    impostor = max(line.scores.impostor.size for line in lines)
    genuine = max(line.scores.genuine.size for line in lines)
    x_least, y_least = _floor(impostor), _floor(genuine)
    with figure(path, 5.0, f"Detection error trade-off, {title}") as axes:
        dashes = iter(LINES * (len(lines) // len(LINES) + 1))
        for line in lines:
            colour, dash = (BLACK, "-") if line.main else next(dashes)
            if line.main:
                _band(axes, line, x_least, y_least)
            fmr, fnmr = curve(ScoreSet(line.scores.genuine, line.scores.impostor))
            shown = (fmr > 0) & (fnmr > 0)
            label = f"{line.label}: EER {100 * line.eer:.2f} %"
            if not shown.any():
                label += ", scores do not overlap"
            axes.plot(
                _deviate(fmr[shown]),
                _deviate(fnmr[shown]),
                color=colour,
                linestyle=dash,
                linewidth=1.6 if line.main else 1.1,
                label=label,
                zorder=3,
            )
        main = next((line for line in lines if line.main), lines[0])
        bound = _least_supported(main.scores)
        if bound > x_least:
            axes.axvspan(*_deviate(np.array([x_least, bound])), color="#eeeeee", zorder=0)
            axes.text(
                float(_deviate(np.array([x_least]))[0]) + 0.03,
                0.02,
                "fewer than 3 / FMR\nimpostor comparisons",
                transform=axes.get_xaxis_transform(),
                fontsize=7,
                color="#555555",
                rotation=90,
                va="bottom",
            )
        ends = [np.array([least, _MOST]) for least in (x_least, y_least)]
        axes.plot(*(_deviate(np.array([max(x_least, y_least), _MOST])),) * 2, color="#999999", linewidth=0.6)
        for axis, limits, end in ((axes.xaxis, axes.set_xlim, ends[0]), (axes.yaxis, axes.set_ylim, ends[1])):
            ticks = [tick for tick in _TICKS if end[0] <= tick <= end[1]]
            axis.set_ticks(_deviate(np.array(ticks)).tolist(), [percent(tick) for tick in ticks])
            limits(*_deviate(end))
        axes.set_xlabel("false match rate, %")
        axes.set_ylabel("false non-match rate, %")
        axes.legend(loc="upper right", fontsize=8).set_zorder(5)
    return path.with_suffix(".svg")


def curve(scores: ScoreSet) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return FMR and FNMR at thresholds that lie evenly on the axes, FMR falling."""
    thresholds = np.unique(
        np.concatenate(
            [scores.impostor[::-1][_steps(scores.impostor.size)], scores.genuine[_steps(scores.genuine.size)]]
        )
    )
    thresholds = np.nextafter(thresholds, np.inf)
    fmr = 1.0 - np.searchsorted(scores.impostor, thresholds, side="left") / scores.impostor.size
    fnmr = np.searchsorted(scores.genuine, thresholds, side="left") / scores.genuine.size
    return fmr, fnmr


def _steps(size: int) -> NDArray[np.intp]:
    """Return places in sorted scores, every one near the end that errs and fewer and fewer further in."""
    return np.unique(np.geomspace(1, size, _POINTS).astype(np.intp)) - 1


def _band(axes: Axes, line: Line, x_least: float, y_least: float) -> None:
    supported = _least_supported(line.scores)
    if supported >= _BAND_TO:
        return
    grid = np.geomspace(max(x_least, supported), _BAND_TO, _BAND_POINTS)
    drawn = resample(line.scores, line.eer, grid.tolist())
    if drawn is None:
        return
    low, high = np.percentile(drawn.fnmr, (2.5, 97.5), axis=0)
    axes.fill_between(
        _deviate(grid),
        _deviate(np.maximum(low, y_least)),
        _deviate(np.maximum(high, y_least)),
        color=BLACK,
        alpha=0.15,
        linewidth=0,
        label="95 % interval, identities drawn anew",
    )


def _least_supported(scores: MeasuredSet) -> float:
    """Return the smallest FMR that this many impostor comparisons support (rule of three)."""
    return 3 * scores.repeats / scores.impostor.size


def _floor(comparisons: int) -> float:
    """Return the power of ten at or below one error in so many comparisons."""
    return max(_LEAST, 10.0 ** math.floor(math.log10(1 / comparisons)))


def _deviate(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    normal = NormalDist()
    return np.array([normal.inv_cdf(min(max(rate, 1e-9), 1 - 1e-9)) for rate in rates.tolist()])
