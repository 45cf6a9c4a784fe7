"""What all tests share: where the evaluation data lies, and what its absence means."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]


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
