"""The units give a service what it needs and nothing else, by systemd's own judgement."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

UNITS = sorted((Path(__file__).parents[2] / "image-build" / "units").glob("*.service"))
ANALYSE = shutil.which("systemd-analyze")
MOST_EXPOSED = 1.5  # of 10, as `systemd-analyze security` counts


@pytest.mark.skipif(ANALYSE is None, reason="needs Debian's systemd")
@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_a_service_is_exposed_as_little_as_its_work_allows(unit: Path) -> None:
    assert ANALYSE is not None
    judged = subprocess.run(
        [ANALYSE, "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=True,
    )
    level = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", judged.stdout)
    assert level is not None
    assert float(level[1]) <= MOST_EXPOSED, judged.stdout


def test_there_is_a_unit_of_the_appliance() -> None:
    assert "aidpost.service" in [unit.name for unit in UNITS]
