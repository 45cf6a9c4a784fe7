"""A plot of sites by latitude and longitude, drawn here: no tiles of others, and no script."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec

from aggregator.dashboard.watching import WORST_FIRST, SiteState
from aggregator.fleet.terms import Health

WIDTH, HEIGHT = 800, 380
_MARGIN = 28
_CELL = 14  # sites nearer than that are drawn as one
_LEAST_DEGREES = 2.0
_LINES = (1, 2, 5, 10, 15, 30)


class Mark(msgspec.Struct, frozen=True):
    """One place of the plot; radius: grows with the devices; said: what it is, in words."""

    x: float
    y: float
    radius: float
    health: Health
    said: str


class Line(msgspec.Struct, frozen=True):
    """One line of equal latitude or longitude, with its degrees."""

    x1: float
    y1: float
    x2: float
    y2: float
    text: str


class SiteMap(msgspec.Struct, frozen=True):
    """The plot; unplaced: sites of which nobody said where they are."""

    marks: tuple[Mark, ...]
    lines: tuple[Line, ...]
    unplaced: int


def draw_sites(states: Sequence[SiteState]) -> SiteMap | None:
    """Return the plot, None where nobody said of any site where it is."""
    placed = [
        (state, state.site.longitude, state.site.latitude)
        for state in states
        if state.site.longitude is not None and state.site.latitude is not None
    ]
    if not placed:
        return None
    to_x, to_y, lines = _projection([x for _, x, _ in placed], [y for _, _, y in placed])
    cells: dict[tuple[int, int], list[tuple[SiteState, float, float]]] = {}
    for state, longitude, latitude in placed:
        x, y = to_x(longitude), to_y(latitude)
        cells.setdefault((round(x / _CELL), round(y / _CELL)), []).append((state, x, y))
    marks = [_mark(cell) for cell in cells.values()]
    marks.sort(
        key=lambda mark: -WORST_FIRST.index(mark.health)
    )  # what wants looking at is drawn last, on top
    return SiteMap(tuple(marks), tuple(lines), len(states) - len(placed))


def _mark(cell: Sequence[tuple[SiteState, float, float]]) -> Mark:
    health = min((state.worst for state, _, _ in cell), key=WORST_FIRST.index)
    devices = sum(sum(state.health.values()) for state, _, _ in cell)
    count = len(cell)
    who = cell[0][0].site.name if count == 1 else f"{count} sites, {cell[0][0].site.name} and others"
    return Mark(
        round(sum(x for _, x, _ in cell) / count, 1),
        round(sum(y for _, _, y in cell) / count, 1),
        round(min(14.0, 5.0 + math.sqrt(devices) / 3), 1),
        health,
        f"{who}: {devices} devices, {said(_sum(state.health for state, _, _ in cell))}",
    )


def said(health: dict[Health, int]) -> str:
    """Return counts in words, the worst first."""
    return (
        ", ".join(f"{health[each]} {each.value}" for each in WORST_FIRST if health.get(each)) or "no device"
    )


def _sum(counts: Iterable[dict[Health, int]]) -> dict[Health, int]:
    total: dict[Health, int] = {}
    for each in counts:
        for health, count in each.items():
            total[health] = total.get(health, 0) + count
    return total


def _projection(longitudes: Sequence[float], latitudes: Sequence[float]) -> tuple[_Scale, _Scale, list[Line]]:
    """Return scales of one degree size, longitudes shortened by the middle latitude (equirectangular)."""
    middle_x, middle_y = _middle(longitudes), _middle(latitudes)
    shortened = max(0.2, math.cos(math.radians(middle_y)))
    span_x = max(_LEAST_DEGREES, max(longitudes) - min(longitudes)) * shortened
    span_y = max(_LEAST_DEGREES, max(latitudes) - min(latitudes))
    scale = min((WIDTH - 2 * _MARGIN) / span_x, (HEIGHT - 2 * _MARGIN) / span_y)
    to_x = _Scale(WIDTH / 2, middle_x, scale * shortened)
    to_y = _Scale(HEIGHT / 2, middle_y, -scale)
    step = next((step for step in _LINES if step * scale > 70), _LINES[-1])
    lines = [
        Line(to_x(degrees), 0, to_x(degrees), HEIGHT, f"{abs(degrees)}° {'E' if degrees >= 0 else 'W'}")
        for degrees in _degrees(to_x.back(0), to_x.back(WIDTH), step)
    ]
    lines += [
        Line(0, to_y(degrees), WIDTH, to_y(degrees), f"{abs(degrees)}° {'N' if degrees >= 0 else 'S'}")
        for degrees in _degrees(max(-90, to_y.back(HEIGHT)), min(90, to_y.back(0)), step)
    ]
    return to_x, to_y, lines


class _Scale:
    def __init__(self, centre: float, middle: float, factor: float) -> None:
        self._centre, self._middle, self._factor = centre, middle, factor

    def __call__(self, degrees: float) -> float:
        return round(self._centre + (degrees - self._middle) * self._factor, 1)

    def back(self, position: float) -> float:
        return self._middle + (position - self._centre) / self._factor


def _middle(values: Sequence[float]) -> float:
    return (min(values) + max(values)) / 2


def _degrees(low: float, high: float, step: int) -> range:
    return range(math.ceil(low / step) * step, math.floor(high / step) * step + 1, step)
