"""The benchmark's short form on this project's side: every figure of the page is one that was measured.

The peers' environment (750 MB, a minute) is too heavy for every test run; `make bench` sets it up.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from tests.bench.__main__ import main
from tests.bench.page import Run


def test_the_short_form_writes_the_page_from_what_it_measured(tmp_path: Path) -> None:
    held = np.ones(500_000_000, np.uint8)  # what the driver holds is not a peer's memory
    main(["--quick", "--only-ours", "--out", str(tmp_path)])

    figures = tmp_path / "figures" / "benchmarks"
    run = msgspec.json.decode((figures / "measured.json").read_bytes(), type=Run)
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert "The evaluation data were not there" in page
    assert {path.name for path in figures.iterdir()} == {"measured.json", "faces.svg", "fingers.svg"}
    for measured, stages in ((run.faces, {"detect", "embed"}), (run.fingers[0], {"extract"})):
        (ours,) = measured.peers
        assert ours.stages_ms.keys() == stages
        assert ours.refused == 0
        assert ours.eer is not None
        assert ours.eer < 0.2
        assert 50 < ours.peak_mb < held.nbytes / 1e6
        assert f"| {ours.model_mb:.1f} | {ours.peak_mb:.0f} |" in page
        assert all(f"| {stage.median:.3g} (" in page for stage in ours.stages_ms.values())
