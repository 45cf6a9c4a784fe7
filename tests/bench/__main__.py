"""Measures this project beside its peers and writes docs/benchmarks.md: `make bench`.

The short form (`make bench ARGS=--quick`) writes to out/bench instead: its figures are too few to keep.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from rich.progress import Progress

from tests.bench.figures import draw
from tests.bench.images import demo_faces, finger_sets, lfw_faces, synthetic_fingers
from tests.bench.machine import describe_machine
from tests.bench.page import Run, render
from tests.bench.peer_process import ONE_THREAD, REPOSITORY
from tests.bench.side_by_side import FACE_PEERS, FINGER_PEERS, SetFigures, installed, measure_set

PEERS = REPOSITORY / ".venv-bench"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run everything and write the page, its figures and the measured values."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--data", type=Path, help="faces/lfw, faces/pairs.txt and fingers/SET below here")
    parser.add_argument("--quick", action="store_true", help="a few images, written to out/bench")
    parser.add_argument("--only-ours", action="store_true", help="no peer, no search, no appliance")
    parser.add_argument("--out", type=Path, help="folder of benchmarks.md and figures/")
    options = parser.parse_args(arguments)
    out = options.out or (REPOSITORY / "out" / "bench" if options.quick else REPOSITORY / "docs")
    figures = out / "figures" / "benchmarks"
    figures.mkdir(parents=True, exist_ok=True)
    data = options.data if options.data is not None and options.data.is_dir() else None
    machine = describe_machine()
    # First what can fail for reasons of its own, so that no long comparison is lost with it.
    appliance = None if options.only_ours else _json_of("firmware", "bench", "--json")
    ingest = None if options.only_ours else _json_of("tests.bench.ingest", "--runs=3", "--json")
    fleet = None if options.only_ours else _fleet(200 if options.quick else 2000)
    dashboard = None if options.only_ours else _json_of("tests.bench.dashboard", "--json")
    search = None if options.only_ours else _search()
    faces, fingers = _side_by_side(data, options.quick, options.only_ours)
    run = Run(
        machine=machine,
        quick=options.quick,
        real_data=data is not None,
        faces=faces,
        fingers=fingers,
        search=search,
        appliance=appliance,
        ingest=ingest,
        fleet=fleet,
        dashboard=dashboard,
    )
    (figures / "measured.json").write_bytes(msgspec.json.format(msgspec.json.encode(run)) + b"\n")
    draw(run, figures)
    (out / "benchmarks.md").write_text(render(run), encoding="utf-8")
    sys.stdout.write(f"Wrote {out / 'benchmarks.md'}\n")


def _side_by_side(data: Path | None, quick: bool, only_ours: bool) -> tuple[SetFigures, list[SetFigures]]:
    with tempfile.TemporaryDirectory(prefix="aidpost-bench-") as name, Progress() as progress:
        folder = Path(name)
        faces = demo_faces(folder, quick) if data is None else lfw_faces(data, quick)
        fingers = synthetic_fingers(folder, quick) if data is None else finger_sets(data, folder, quick)
        face_peers, finger_peers = (
            [peer for peer in peers if peer.ours or not only_ours]
            for peers in (FACE_PEERS, installed(FINGER_PEERS, PEERS))
        )
        return (
            measure_set(faces, face_peers, True, progress),
            [measure_set(one, finger_peers, False, progress) for one in fingers],
        )


def _search() -> dict[str, Any]:
    found = subprocess.run(
        [str(PEERS / "bin" / "python"), "-m", "tests.bench.peers.search"],
        cwd=REPOSITORY,
        env={**os.environ, **dict.fromkeys(ONE_THREAD, "1")},
        stdout=subprocess.PIPE,
        check=True,
    )
    figures: dict[str, Any] = json.loads(found.stdout)
    return figures


def _fleet(devices: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="aidpost-bench-") as folder:
        path = Path(folder) / "figures.json"
        command = str(Path(sys.executable).with_name("aidpost-aggregator"))
        course = ("simulate", "fleet", f"--devices={devices}", "--events=30", f"--json={path}")
        subprocess.run([command, *course], cwd=REPOSITORY, check=True)
        simulated: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return {"date": datetime.now(UTC).date().isoformat(), **simulated}


def _json_of(module: str, *arguments: str) -> dict[str, Any]:
    """Run a command of the project that writes its figures to the file named last."""
    with tempfile.TemporaryDirectory(prefix="aidpost-bench-") as folder:
        path = Path(folder) / "figures.json"
        subprocess.run([sys.executable, "-m", module, *arguments, str(path)], cwd=REPOSITORY, check=True)
        figures: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return figures


if __name__ == "__main__":
    main()
