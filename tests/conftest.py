"""What all tests share: where the evaluation data lies, and what its absence means."""

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import HealthCheck, settings

from aggregator.store.place import Place
from tests.kit.postgres import PROGRAMS, PostgresServer, running_postgres

REPOSITORY = Path(__file__).parents[1]
MOST_WORKERS = 4  # each holds 0.5 GB, and a PostgreSQL server
_numbers = itertools.count(1)

# A shell without job control starts what runs in the background deaf to Ctrl-C, as are its children then.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No test is timed: Hypothesis would fail one whose examples take long to draw while others use the machine.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes share the files of a folder; files that are named run in this one."""
    if all(Path(argument.partition("::")[0]).is_file() for argument in config.args):
        return 0
    return min(len(os.sched_getaffinity(0)), MOST_WORKERS)


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command that a test called in this process may have asked for errors alone: the next test has all."""
    yield
    structlog.reset_defaults()


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A server for tests that end neither it nor its machine."""
    if PROGRAMS is None:
        pytest.skip("needs Debian's postgresql")
    with running_postgres({"fsync": "off"}) as running:
        yield running


@pytest.fixture(params=["file", "server"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where an empty store is, or will be: in a file, and once more on a server."""
    if request.param == "file":
        return tmp_path / "store.db"
    running: PostgresServer = request.getfixturevalue("postgres")
    return running.new_store(f"contract_{next(_numbers)}")
