"""Lines over time, as the page hands them to uPlot, and in words for who sees no plot."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from trust.telemetry import Telemetry


class Series(msgspec.Struct, frozen=True):
    """One line; y: None where nothing was measured."""

    name: str
    y: tuple[float | None, ...]


class Plot(msgspec.Struct, frozen=True):
    """Lines over one axis of time; x: seconds since 1970. bars: counts of equal spans, drawn as bars."""

    title: str
    unit: str
    x: tuple[int, ...]
    series: tuple[Series, ...]
    bars: bool = False

    @property
    def data(self) -> str:
        """Return what the script draws, as JSON."""
        return msgspec.json.encode(
            {
                "unit": self.unit,
                "bars": self.bars,
                "x": self.x,
                "series": [{"name": each.name, "y": each.y} for each in self.series],
            }
        ).decode()

    @property
    def said(self) -> str:
        """Return what the plot shows, in words."""
        parts = []
        for each in self.series:
            known = [value for value in each.y if value is not None]
            if known:
                span = f"from {min(known):g} to {max(known):g}, at last {known[-1]:g} {self.unit}"
                parts.append(f"{each.name} {span}".rstrip())
        return f"{self.title}: {'; '.join(parts)}"


def telemetry_plots(points: Sequence[tuple[int, Telemetry]]) -> tuple[Plot, ...]:
    """Return the plots of a device; those of which it measured nothing are left out."""
    x = tuple(at_ns // 1_000_000_000 for at_ns, _ in points)
    told = [telemetry for _, telemetry in points]

    def line(name: str, value: Callable[[Telemetry], float | None]) -> Series:
        return Series(name, tuple(map(value, told)))

    parts = sorted({sensor.part for telemetry in told for sensor in telemetry.sensors})
    plots = (
        Plot("Sample quality", "%", x, tuple(line(part, _quality_of(part)) for part in parts)),
        Plot(
            "People and events that wait",
            "",
            x,
            (
                line("people in the queue", lambda each: each.queue),
                line("events for the aggregator", lambda each: each.waiting),
            ),
        ),
        Plot(
            "Temperature",
            "°C",
            x,
            (
                line(
                    "processor",
                    lambda each: None if each.cpu_decidegrees is None else each.cpu_decidegrees / 10,
                ),
            ),
        ),
        Plot(
            "Memory",
            "MB",
            x,
            (
                line("resident", lambda each: each.memory_resident_mb),
                line("available", lambda each: each.memory_available_mb),
            ),
        ),
        Plot(
            "Link",
            "kB",
            x,
            (
                line("sent", lambda each: each.link.sent_bytes / 1000),
                line("received", lambda each: each.link.received_bytes / 1000),
            ),
        ),
        Plot("Disk", "MB free", x, (line("free", lambda each: each.disk_free_mb),)),
    )
    return tuple(
        plot
        for plot in plots
        if len(x) > 1 and any(value is not None for series in plot.series for value in series.y)
    )


def _quality_of(part: str) -> Callable[[Telemetry], float | None]:
    def mean(telemetry: Telemetry) -> float | None:
        for sensor in telemetry.sensors:
            if sensor.part == part and sensor.samples:
                return round(sensor.quality_sum_percent / sensor.samples, 1)
        return None

    return mean
