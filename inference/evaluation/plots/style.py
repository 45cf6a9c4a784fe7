"""The look that all figures share: fit to print, and told apart without colour."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

# M. Okabe, K. Ito, "Color Universal Design", 2002: told apart with any colour vision. Black is for all data.
BLACK, BLUE, ORANGE, GREEN, PINK, SKY, VERMILION = (
    "#000000",
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#D55E00",
)
LINES = (
    (BLUE, "--"),
    (VERMILION, "-."),
    (GREEN, ":"),
    (PINK, (0, (5, 1, 1, 1, 1, 1))),
    (ORANGE, (0, (3, 1))),
    (SKY, (0, (1, 1))),
)
"""Colour and dash of each further line."""

WIDTH_IN = 6.3  # the text width of A4 with margins of 25 mm
_PNG_DPI = 200
_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.grid": True,
    "grid.color": "#d9d9d9",
    "grid.linewidth": 0.5,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.9,
    "svg.hashsalt": "aidpost",  # the same figure gives the same file
    "svg.fonttype": "path",  # looks the same without the font
}


@contextmanager
def figure(path: Path, height_in: float, title: str) -> Iterator[Axes]:
    """Give axes to draw on, then write PATH.svg and PATH.png."""
    with panels(path, height_in, title, 1) as (_, (axes,)):
        yield axes


@contextmanager
def panels(path: Path, height_in: float, title: str, columns: int) -> Iterator[tuple[Figure, list[Axes]]]:
    """Give the whole figure and several axes side by side, with one vertical scale."""
    with mpl.rc_context(_SETTINGS):
        canvas = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        FigureCanvasAgg(canvas)
        canvas.suptitle(title, x=0.01, ha="left", fontsize=9, fontweight="bold")
        yield canvas, list(canvas.subplots(1, columns, squeeze=False, sharey=True)[0])
        canvas.savefig(path.with_suffix(".svg"), metadata={"Date": None})
        canvas.savefig(path.with_suffix(".png"), dpi=_PNG_DPI)


def percent(rate: float) -> str:
    """Write a rate as a percentage without zeros at its end."""
    return f"{100 * rate:.6f}".rstrip("0").rstrip(".")
