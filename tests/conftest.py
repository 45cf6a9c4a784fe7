"""What all tests share: where the evaluation data lies, and what its absence means."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

REPOSITORY = Path(__file__).parents[1]

# No test is timed: Hypothesis would fail one whose examples take long to draw while others use the machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real faces and fingerprints; a test that needs it skips without it, but fails in CI."""
    folder = Path(os.environ.get("AIDPOST_SHARED_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        message = f"needs the evaluation data in {folder} (or set AIDPOST_SHARED_DATA)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    return folder
