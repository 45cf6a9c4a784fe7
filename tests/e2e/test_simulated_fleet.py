"""`aidpost-aggregator simulate fleet`: a few devices go the whole course, and nothing is lost."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from aggregator.cli import main


def test_a_fleet_joins_reports_and_comes_back(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    course = ["--devices", "3", "--processes", "1", "--events", "4", "--down", "0", "--json", str(figures)]
    done = CliRunner().invoke(main, ["simulate", "fleet", *course])
    assert done.exit_code == 0, done.output
    found = json.loads(figures.read_text())
    assert (found["lost_events"], found["refused_receipts"]) == (0, 0)
    assert found["reported"]["events"] == found["recovered"]["events"] == 12
    assert found["recovered"]["half_s"] <= found["recovered"]["all_s"]
    assert found["connected"]["memory_kb_a_device"] > 0


def test_a_running_aggregator_needs_a_credential() -> None:
    done = CliRunner().invoke(
        main,
        ["simulate", "fleet", "--devices", "1", "--server", "127.0.0.1:1"],
        env={"AIDPOST_CREDENTIAL": ""},
    )
    assert done.exit_code == 2
    assert "go together" in done.output
