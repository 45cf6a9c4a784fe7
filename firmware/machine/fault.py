"""Says why the data partition stays closed, where somebody sees it: on the console, and by the lamp.

Nothing else runs then: the appliance's own page and log are on that partition.
"""

from __future__ import annotations

import signal
from pathlib import Path

NOTE = Path("/run/aidpost/data-fault")
_UNKNOWN = "the data partition cannot be read: get another card, and restore a backup on it"


def note(sentence: str, path: Path = NOTE) -> None:
    """Leave the sentence for whoever shows it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(sentence)


def sentence(path: Path = NOTE) -> str:
    """Return what was noted; where nothing was, the partition opened and its file system did not."""
    return path.read_text() if path.exists() else _UNKNOWN


def show() -> None:
    """Say it and light the lamp until SIGTERM; a board without pins says it alone."""
    from sensors.board.opening import open_board
    from sensors.board.settings import BoardSettings
    from sensors.board.signals import Signal
    from sensors.errors import SensorError

    stop = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    print(f"AIDPOST CANNOT SERVE: {sentence()}", flush=True)  # noqa: T201 -- the console
    try:
        board = open_board(BoardSettings("gpio"))
    except SensorError as error:
        print(f"and no lamp shows it: {error}", flush=True)  # noqa: T201
        signal.sigwait(stop)
        return
    board.show(Signal.DEVICE_FAULT)
    signal.sigwait(stop)
    board.close()
