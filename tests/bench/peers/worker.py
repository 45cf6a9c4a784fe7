"""One recogniser under measurement, alone in its process: JSON lines in, JSON lines out.

The driver (`tests.bench.peer_process`) gives each worker the same images and pairs, one thread, and an
environment where its library is installed. Times are taken in here, so that no pipe is in them, as processor
time of the whole process: other load on the machine moves it little, and a second thread would add to it.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

WARM_UP_RUNS = 3


@dataclass(frozen=True, slots=True)
class Extraction:
    """What was made of one image, and the milliseconds of each stage; a refused one has no template."""

    template: Any
    stages_ms: Mapping[str, float]


class Peer(Protocol):
    """A recogniser as its own documentation would have it called."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Name to version of what computes."""

    @property
    def model_bytes(self) -> int:
        """Size of the files that it loads as models; 0 when it has none."""

    def extract(self, path: str) -> Extraction:
        """Make a template of an image file; decoding the file is not timed."""

    def compare(self, probe: Any, reference: Any) -> float:
        """Score two templates, higher is more alike."""


class Stopwatch:
    """Names the milliseconds since the last mark."""

    def __init__(self) -> None:
        self.stages_ms: dict[str, float] = {}
        self._since_s = time.process_time()

    def mark(self, stage: str) -> None:
        """End a stage and begin the next."""
        now_s = time.process_time()
        self.stages_ms[stage] = (now_s - self._since_s) * 1e3
        self._since_s = now_s


def serve(build: Callable[[], Peer]) -> None:
    """Answer requests until the input ends."""
    begun_s = time.process_time()
    peer = build()
    load_s = time.process_time() - begun_s
    templates: dict[str, Any] = {}
    warm = False
    for line in sys.stdin:
        request = json.loads(line)
        match request["do"]:
            case "extract":
                if not warm:
                    for _ in range(WARM_UP_RUNS):
                        peer.extract(request["path"])
                    warm = True
                extraction = peer.extract(request["path"])
                templates[request["path"]] = extraction.template
                answer: dict[str, Any] = {
                    "made": extraction.template is not None,
                    "stages_ms": extraction.stages_ms,
                }
            case "compare":
                answer = _compare(peer, [[templates[path] for path in pair] for pair in request["pairs"]])
            case "describe":
                answer = {
                    "versions": peer.versions,
                    "model_bytes": peer.model_bytes,
                    "load_s": load_s,
                    "peak_mb": _peak_mb(),
                }
            case other:
                raise ValueError(f"unknown request {other!r}")
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _compare(peer: Peer, pairs: Sequence[Sequence[Any]]) -> dict[str, Any]:
    """Return scores and milliseconds; null for a pair that lacks a template."""
    scores: list[float | None] = []
    spent_ms = []
    for probe, reference in pairs:
        if probe is None or reference is None:
            scores.append(None)
            continue
        begun_s = time.process_time()
        score = peer.compare(probe, reference)
        spent_ms.append((time.process_time() - begun_s) * 1e3)
        scores.append(float(score))
    return {"scores": scores, "ms": spent_ms}


def _peak_mb() -> float:
    """Return this program's largest resident set so far, in MB of 10^6 bytes.

    Not by getrusage: its ru_maxrss starts with what the driver held when it started this process.
    """
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="utf-8"))
    if found is None:
        raise OSError("the kernel does not tell the peak memory of the process")
    return int(found[1]) * 1024 / 1e6
