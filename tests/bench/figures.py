"""The plots of docs/benchmarks.md, as SVG."""

from __future__ import annotations

from pathlib import Path

from inference.evaluation.plots.style import BLACK, BLUE, LINES, ORANGE, figure
from tests.bench.page import Run
from tests.bench.side_by_side import PeerFigures, SetFigures


def draw(run: Run, folder: Path) -> None:
    """Write faces.svg, fingers.svg and search.svg into an existing folder."""
    _times(run.faces, folder / "faces")
    _times(run.fingers[0], folder / "fingers")
    if run.search is not None:
        _search(run, folder / "search")
    for picture in folder.glob("*.png"):
        picture.unlink()  # the page shows the SVG files alone


def _times(figures: SetFigures, path: Path) -> None:
    """Bars of the median time from image to template, with the 5th and 95th percentile."""
    with figure(path, 0.6 + 0.42 * len(figures.peers), f"From image to template: {figures.name}") as axes:
        names = [peer.peer for peer in figures.peers]
        for place, peer in enumerate(figures.peers):
            middle, low, high = _whole(peer)
            colour = BLUE if peer.peer == "Aidpost" else ORANGE
            axes.barh(place, middle, color=colour, height=0.6)
            axes.errorbar(middle, place, xerr=[[middle - low], [high - middle]], color=BLACK, capsize=2)
        axes.set_yticks(range(len(names)), names)
        axes.invert_yaxis()
        axes.set_xscale("log")
        axes.set_xlabel("milliseconds of processor time, one thread (median; 5 to 95 %)")


def _whole(peer: PeerFigures) -> tuple[float, float, float]:
    """Sum of the stages: median and the outer percentiles."""
    stages = peer.stages_ms.values()
    return sum(s.median for s in stages), sum(s.p5 for s in stages), sum(s.p95 for s in stages)


def _search(run: Run, path: Path) -> None:
    if run.search is None:
        return
    sizes = {int(size): found for size, found in run.search["sizes"].items()}
    bandwidth = max(run.search["bandwidth_gb_s"].values())
    with figure(path, 3.2, "Search of one probe, 128 int8 values an entry, one thread") as axes:
        names = list(dict.fromkeys(name for found in sizes.values() for name in found))
        for name, (colour, dash) in zip(names, LINES, strict=False):
            points = [(size, found[name]["median"]) for size, found in sizes.items() if name in found]
            axes.plot(*zip(*points, strict=True), color=colour, linestyle=dash, marker="o", ms=3, label=name)
        limit = [size * run.search["bytes_per_entry"] / bandwidth / 1e6 for size in sizes]
        axes.plot(list(sizes), limit, color=BLACK, label=f"memory at {bandwidth:.1f} GB/s")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xlabel("entries")
        axes.set_ylabel("milliseconds (median)")
        axes.legend(fontsize=7)
