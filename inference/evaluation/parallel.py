"""Spreads work over processes and reports progress."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import TypeAlias, TypeVar

import cv2

Task = TypeVar("Task")
Result = TypeVar("Result")


Progress: TypeAlias = Callable[[str, int, int], None]
"""Is told the stage, how much of it is done, and the total; the first call of a stage has 0 done."""


def run_all(
    work: Callable[[Task], Result], tasks: Sequence[Task], jobs: int, stage: str, progress: Progress
) -> list[Result]:
    """Return work(task) for each task, in order; with one job everything runs in this process.

    work must be a function of a module, since it is sent to fresh processes (forked ones would inherit the
    threads of the TFLite runtime in an unusable state).
    """
    progress(stage, 0, len(tasks))
    if jobs == 1 or len(tasks) < 2:
        results = []
        for task in tasks:
            results.append(work(task))
            progress(stage, len(results), len(tasks))
        return results
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), context, initializer=_one_thread) as pool:
        with _interrupt_ignored():  # submitting starts the processes
            order = {pool.submit(work, task): index for index, task in enumerate(tasks)}
        found: dict[int, Result] = {}
        try:
            for future in as_completed(order):
                found[order[future]] = future.result()
                progress(stage, len(found), len(tasks))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [found[index] for index in range(len(tasks))]


@contextmanager
def _interrupt_ignored() -> Iterator[None]:
    """Let processes that start meanwhile ignore Ctrl-C: each would print a traceback beside that of the run.

    A process inherits it from its first instruction on; its initializer would come seconds too late.
    """
    if threading.current_thread() is not threading.main_thread():  # it alone may change handlers
        yield
        return
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _one_thread() -> None:
    # Each process stands for one core; OpenCV would start a thread for each core in every one.
    cv2.setNumThreads(1)
