"""A program with an event loop ends in its own time, and leaves Ctrl-C as it was."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
import uvloop

from trust.stop_signals import stop_signals


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_both_signals_ask_it_to_stop_and_end_the_process_again_afterwards(run: object) -> None:
    async def until_told(number: signal.Signals) -> None:
        stop = asyncio.Event()
        with stop_signals(stop.set):
            os.kill(os.getpid(), number)
            await stop.wait()

    for number in (signal.SIGTERM, signal.SIGINT):
        assert callable(run)
        run(until_told(number))
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
