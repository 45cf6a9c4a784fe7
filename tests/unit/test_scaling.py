"""The projection of docs/scaling.md is what its script computes."""

from __future__ import annotations

from pathlib import Path

from tests.bench.scaling import IDLE_STREAM_BYTES, STREAMS_OF_WORKER, project, renewed

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"


def test_the_page_has_the_table_as_it_is_computed() -> None:
    assert renewed(PAGE.read_text()) == PAGE.read_text(), (
        "python -m tests.bench.scaling --write docs/scaling.md"
    )


def test_ten_times_the_devices_need_ten_times_as_much() -> None:
    few, many = project(STREAMS_OF_WORKER), project(10 * STREAMS_OF_WORKER)
    assert (few.workers, many.workers) == (1, 10)
    assert many.memory_bytes == 10 * few.memory_bytes > 10 * STREAMS_OF_WORKER * IDLE_STREAM_BYTES
    assert round(many.peak_events_s / few.peak_events_s, 6) == 10
    assert few.events_bytes_a_day < few.log_bytes_a_day
