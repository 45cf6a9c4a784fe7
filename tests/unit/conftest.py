"""A distribution and a clinic, each with a station on the real store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.station_rig import Rig, rig
from trust.service import Workflow


@pytest.fixture
def camp(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path, Workflow.DISTRIBUTION) as made:
        yield made


@pytest.fixture
def clinic(tmp_path: Path) -> Iterator[Rig]:
    with rig(tmp_path, Workflow.CLINIC) as made:
        yield made
