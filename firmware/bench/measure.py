"""What is measured, against which aim, and how it is shown."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from rich.progress import Progress

from firmware.bench.process import ApplianceProcess
from firmware.bench.sealing import added_percent
from firmware.config_file import load
from firmware.demo.cast import FACES
from firmware.demo.joining import join
from firmware.demo.server import Server
from firmware.demo.views import ViewCondition, face_view
from inference.search import FaceIndex
from inference.synthesis.condition import Condition
from inference.synthesis.master import MasterFinger, make_finger
from sensors.camera.image_files import read_image
from sensors.emulator.virtual import VirtualSensor
from sensors.fingerprint.models import find_model

SEARCH_SIZE = 10_000
ARRIVALS = 12
DECISION_STAGES = ("quality", "template", "compare")
"""What lies between a frame in memory and the decision."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure: the median of `values`, their spread, and what it should stay under."""

    name: str
    unit: str
    values: Sequence[float]
    aim: float

    @property
    def median(self) -> float:
        """The middle value."""
        return statistics.median(self.values)

    @property
    def met(self) -> bool:
        """Whether the median is within the aim."""
        return self.median <= self.aim

    def as_json(self) -> dict[str, Any]:
        """Return the figure for the JSON file."""
        low, high = min(self.values), max(self.values)
        return {
            "median": self.median, "min": low, "max": high, "n": len(self.values),
            "unit": self.unit, "aim": self.aim, "met": self.met,
        }  # fmt: skip


async def measure(progress: Progress) -> list[Figure]:
    """Measure everything on this machine; takes about two minutes. Raises ProcessFailed, ServerFailed."""
    with tempfile.TemporaryDirectory(prefix="aidpost-bench-") as name:
        folder = Path(name)
        server = await Server.start(folder)
        try:
            face = await _run(folder / "face", ("face", "finger"), "R503", server, progress)
            r503 = await _run(folder / "r503", ("finger", "face"), "R503", server, progress)
            as608 = await _run(folder / "as608", ("finger", "face"), "AS608", server, progress)
        finally:
            await server.stop()
    runs = (face, r503, as608)
    return [
        Figure("face, frame to decision", "ms", face.decision_ms, 60),
        Figure("finger 192×192 (R503), image to decision", "ms", r503.decision_ms, 320),
        Figure("finger 256×288 (AS608), image to decision", "ms", as608.decision_ms, 320),
        Figure(f"face search in {SEARCH_SIZE:,} entries", "ms", _search_ms(), 1),
        Figure("added to a finger decision by sealing", "%", added_percent(), 5),
        Figure("commit of record, audit and outbox", "ms", [ms for run in runs for ms in run.commit_ms], 20),
        Figure("start to ready", "s", [run.start_ms / 1e3 for run in runs], 2),
        Figure("peak memory with an R503", "MB", [r503.peak_mb], 250),
        Figure("peak memory with an AS608", "MB", [as608.peak_mb], 250),
    ]


@dataclass(frozen=True, slots=True)
class _Run:
    decision_ms: list[float]
    commit_ms: list[float]
    start_ms: float
    peak_mb: float


async def _run(folder: Path, order: tuple[str, str], model: str, server: Server, progress: Progress) -> _Run:
    """Serve arrivals in one appliance process; the last one is a stranger, so that both networks have run."""
    task = progress.add_task(f"{order[0]} first, {model}", total=ARRIVALS + 2)
    finger, stranger = make_finger(11), make_finger(12)
    known_face = folder / "known"
    _write_views(known_face, "collins")
    with VirtualSensor(model) as sensor:
        config = _write_config(folder, order, model, sensor.port, server.target, known_face)
        await join(server, load(config))
        sensor.place(_impression(finger, model, 0))
        await _register(config)
        progress.advance(task)
        appliance = await ApplianceProcess.start(config)
        try:
            decisions: list[float] = []
            commits: list[float] = []
            for take in range(1, ARRIVALS + 1):
                sensor.place(_impression(finger, model, take))
                stages = await _serve_one(appliance)
                decisions.append(sum(stages.get(stage, 0.0) for stage in DECISION_STAGES))
                commits.append(stages["commit"])
                progress.advance(task)
            if order[0] == "finger":
                sensor.place(_impression(stranger, model, 0))
                await _serve_one(appliance)
            progress.advance(task)
            return _Run(decisions, commits, appliance.start_ms, appliance.peak_mb())
        finally:
            await appliance.stop()


async def _serve_one(appliance: ApplianceProcess) -> dict[str, float]:
    stages: dict[str, float] = (await appliance.check_in())["stages_ms"]
    await appliance.next_person()
    return stages


async def _register(config: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "firmware", "register", "bench", "--config", str(config)),
        *("--consent", "accepted"),
        stdout=asyncio.subprocess.DEVNULL,
    )
    if await process.wait() != 0:
        raise RuntimeError("the registration for the benchmark failed")


def _impression(finger: MasterFinger, model: str, take: int) -> Any:
    found = find_model(model)
    size = (found.width, found.height)
    rng = np.random.default_rng(take)
    return finger.impression(take, Condition.random(rng, 0.2), size)


def _write_views(folder: Path, photo: str) -> None:
    folder.mkdir(parents=True)
    pixels = read_image(FACES / f"{photo}.jpg")
    rng = np.random.default_rng(5)
    for number in range(8):
        view = face_view(pixels, number, ViewCondition.random(rng, 0.2))
        cv2.imwrite(str(folder / f"{number}.png"), view)


def _write_config(
    folder: Path, order: tuple[str, str], model: str, port: str, target: str, faces: Path
) -> Path:
    path = folder / "aidpost.toml"
    path.write_text(
        f"""
[device]
id = "{folder.name}"
site = "bench"
purpose = "clinic check-in"
data = "state"

[keys]
guard = "file"

[fingerprint]
model = "{model}"
port = "{port}"

[camera]
driver = "replay"
device = "{faces}"

[board]
driver = "console"

[uplink]
target = "{target}"

[session]
order = ["{order[0]}", "{order[1]}"]
fingers = ["right index"]
impressions = 2
"""
    )
    return path


def _search_ms() -> list[float]:
    rng = np.random.default_rng(3)
    embeddings = rng.standard_normal((SEARCH_SIZE, 128), np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    index = FaceIndex()
    for number, embedding in enumerate(embeddings):
        index.add(number.to_bytes(16, "big"), embedding)
    spent = []
    for probe in embeddings[:50]:
        begun_s = time.perf_counter()
        index.search(probe, 20)
        spent.append((time.perf_counter() - begun_s) * 1e3)
    return spent
