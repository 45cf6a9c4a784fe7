"""The index gives what a full comparison gives, while entries come and go."""

from __future__ import annotations

import numpy as np
import pytest

from inference.runtime import Floats
from inference.search import FaceIndex


def unit_rows(count: int, seed: int = 1) -> Floats:
    rows = np.random.default_rng(seed).standard_normal((count, 128)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def name(number: int) -> bytes:
    return number.to_bytes(16, "big")


def test_a_search_ranks_as_the_full_comparison_does() -> None:
    rows, index = unit_rows(1000), FaceIndex()
    for number, row in enumerate(rows):
        index.add(name(number), row)
    probe = unit_rows(1, seed=2)[0]
    hits = index.search(probe, 20)
    order = np.argsort(-(rows @ probe))[:20].tolist()
    assert [hit.entry_id for hit in hits] == [name(number) for number in order]
    np.testing.assert_allclose([hit.cosine for hit in hits], (rows @ probe)[order], atol=1e-6)


def test_entries_come_and_go() -> None:
    rows, index = unit_rows(200), FaceIndex()
    for number, row in enumerate(rows):
        index.add(name(number), row)
    for number in range(0, 200, 3):
        index.remove(name(number))
    assert len(index) == 133
    for number in range(200):
        best = index.search(rows[number], 1)[0]
        assert (best.entry_id == name(number)) == (number % 3 != 0)
    with pytest.raises(KeyError):
        index.remove(name(0))


def test_an_entry_that_is_added_again_is_replaced() -> None:
    first, second = unit_rows(2)
    index = FaceIndex()
    index.add(name(1), first)
    index.add(name(1), second)
    assert len(index) == 1
    assert index.search(second, 5)[0].cosine == pytest.approx(1, abs=1e-6)


def test_an_index_holds_a_copy_and_an_empty_one_finds_nothing() -> None:
    row, index = unit_rows(1)[0], FaceIndex()
    assert index.search(row, 3) == []
    index.add(name(1), row)
    probe = row.copy()
    row[...] = 0
    assert index.search(probe, 3)[0].cosine == pytest.approx(1, abs=1e-6)
    index.wipe()
    assert (len(index), index.search(probe, 3)) == (0, [])
