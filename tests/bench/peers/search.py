"""Search of one probe among many entries, by library, beside what the memory allows.

`python -m tests.bench.peers.search` prints JSON. All search the same int8 vectors of 128 values
with one thread and return the 20 most alike by inner product; entries and probes come from a fixed seed.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numkong
import numpy as np
from usearch.index import MetricKind
from usearch.index import search as usearch_search

from inference.search import FaceIndex

LENGTH = 128
LIMIT = 20
SIZES = (1_000, 10_000, 100_000, 1_000_000)
PROBES = 9
LEAST_S = 0.2  # of repetition for each figure; small galleries take microseconds
BUFFER_BYTES = 512 * 2**20
"""Read for the bandwidth: 16 times the largest cache of the machines at hand."""
WIDEN_UP_TO = 100_000
"""numpy multiplies int8 without a library's kernel only after widening to int32: 42 ms at 100,000 entries."""


def main() -> None:
    """Measure and print."""
    figures = {
        "versions": {name: version(name) for name in ("numpy", "usearch", "numkong")},
        "bandwidth_gb_s": _bandwidth(),
        "bytes_per_entry": LENGTH,
        "sizes": {size: _measure(size) for size in SIZES},
    }
    sys.stdout.write(json.dumps(figures) + "\n")


def _bandwidth() -> dict[str, float]:
    """Bytes a second of one thread that reads a buffer larger than the caches, the best of ten passes."""
    buffer = np.ones(BUFFER_BYTES // 8, np.int64)
    half = buffer.view(np.int8).reshape(2, -1)
    methods: dict[str, Callable[[], Any]] = {
        "numpy sum of int64": buffer.sum,
        "numkong dot of two halves, int8": lambda: numkong.dot(half[0], half[1]),
    }
    return {name: BUFFER_BYTES / min(_times_s(run, 10)) / 1e9 for name, run in methods.items()}


def _measure(size: int) -> dict[str, dict[str, float]]:
    rng = np.random.default_rng(size)
    rows = rng.integers(-127, 128, (size, LENGTH), dtype=np.int8)
    probe = rng.integers(-127, 128, (1, LENGTH), dtype=np.int8)
    unit = rows / np.linalg.norm(rows.astype(np.float32), axis=1, keepdims=True).astype(np.float32)
    real = (probe[0] / np.linalg.norm(probe[0].astype(np.float32))).astype(np.float32)
    index = FaceIndex(LENGTH)
    for number, row in enumerate(unit):
        index.add(number.to_bytes(8, "big"), row)
    packed = numkong.dots_pack(rows)
    methods: dict[str, Callable[[], Any]] = {
        "Aidpost FaceIndex": lambda: index.search(real, LIMIT),
        "numpy float32": lambda: _largest(unit @ real),
        "numkong cdist int8": lambda: _largest(np.asarray(numkong.cdist(probe, rows, "dot"))[0]),
        "numkong packed int8": lambda: _largest(np.asarray(numkong.dots_packed(probe, packed))[0]),
        "usearch exact int8": lambda: usearch_search(
            rows, probe[0], LIMIT, MetricKind.IP, threads=1, exact=True
        ),
    }
    if size <= WIDEN_UP_TO:
        widened = probe[0].astype(np.int32)
        methods["numpy int8 to int32"] = lambda: _largest(rows.astype(np.int32) @ widened)
    return {name: _spread(run) for name, run in methods.items()}


def _largest(scores: Any) -> Any:
    kept = np.argpartition(scores, -LIMIT)[-LIMIT:]
    return kept[np.argsort(-scores[kept], kind="stable")]


def _spread(run: Callable[[], Any]) -> dict[str, float]:
    run()
    spent_s = _times_s(run, PROBES)
    while sum(spent_s) < LEAST_S:
        spent_s += _times_s(run, PROBES)
    p5, median, p95 = np.percentile(spent_s, (5, 50, 95)) * 1e3
    return {"median": float(median), "p5": float(p5), "p95": float(p95), "n": len(spent_s)}


def _times_s(run: Callable[[], Any], count: int) -> list[float]:
    spent = []
    for _ in range(count):
        begun_s = time.process_time()
        run()
        spent.append(time.process_time() - begun_s)
    return spent


if __name__ == "__main__":
    main()
