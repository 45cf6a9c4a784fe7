import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import numpy as np
import pytest

from sensors.errors import SensorError, SensorTimeout, SensorUnavailable
from sensors.frames import DeviceIdentity, FingerFrame
from sensors.worker import DeviceState, DeviceWorker

PATIENCE_S = 60.0


@dataclass
class Device:
    """Counts what is done to it and in which threads."""

    closed: bool = False
    threads: set[str] = field(default_factory=set)

    def touch(self) -> str:
        self.threads.add(threading.current_thread().name)
        return "touched"

    def fail(self) -> None:
        raise SensorTimeout("no answer")

    def close(self) -> None:
        self.closed = True


class Bench:
    """A worker, the devices it opened, what it reported, and waits that end when the test says so."""

    def __init__(self) -> None:
        self.devices: list[Device] = []
        self.changes: list[tuple[bool, SensorError | None]] = []
        self.changed = asyncio.Event()
        self.waits_s: list[float] = []
        self.waiting = asyncio.Event()
        self.go_on = asyncio.Semaphore(0)
        self.failures: list[Exception] = []
        self.may_open = threading.Event()
        self.may_open.set()
        self.worker = DeviceWorker("reader", self._open, self._note, wait=self._wait)

    def _open(self) -> Device:
        assert self.may_open.wait(PATIENCE_S)
        if self.failures:
            raise self.failures.pop(0)
        self.devices.append(Device())
        self.devices[-1].touch()
        return self.devices[-1]

    def _note(self, available: bool, error: SensorError | None) -> None:
        self.changes.append((available, error))
        self.changed.set()

    async def _wait(self, seconds: float) -> None:
        self.waits_s.append(seconds)
        self.waiting.set()
        await self.go_on.acquire()

    async def let_it_try(self) -> None:
        """Let the present wait end, and come back at the next wait or the next change."""
        self.waiting.clear()
        self.changed.clear()
        self.go_on.release()
        await first_of(self.waiting.wait(), self.changed.wait())


async def first_of(*awaitables: Awaitable[object]) -> None:
    tasks = [asyncio.ensure_future(each) for each in awaitables]
    done, rest = await asyncio.wait(tasks, timeout=PATIENCE_S, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    assert done


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench()
    yield bench
    assert await bench.worker.stop()


async def test_calls_run_in_one_thread_that_opened_the_device(bench: Bench) -> None:
    await bench.worker.start()
    assert bench.worker.state is DeviceState.AVAILABLE
    assert await bench.worker.call(Device.touch) == "touched"
    assert bench.devices[0].threads == {"reader"}
    assert bench.changes == []


async def test_who_begins_does_not_wait_for_a_slow_device(bench: Bench) -> None:
    bench.may_open.clear()
    bench.worker.begin()
    with pytest.raises(SensorUnavailable, match="is being opened"):
        await bench.worker.call(Device.touch)
    bench.may_open.set()
    await bench.worker.tried()
    assert await bench.worker.call(Device.touch) == "touched"


async def test_before_the_start_and_after_the_stop_it_is_unavailable(bench: Bench) -> None:
    with pytest.raises(SensorUnavailable):
        await bench.worker.call(Device.touch)
    await bench.worker.start()
    assert await bench.worker.stop()
    assert bench.devices[0].closed
    with pytest.raises(SensorUnavailable):
        await bench.worker.call(Device.touch)


async def test_a_fault_closes_the_device_and_is_reported_once_until_it_is_back(bench: Bench) -> None:
    await bench.worker.start()
    with pytest.raises(SensorTimeout):
        await bench.worker.call(Device.fail)
    assert bench.devices[0].closed
    assert bench.worker.state is DeviceState.UNAVAILABLE
    with pytest.raises(SensorUnavailable, match="reader is not available: no answer"):
        await bench.worker.call(Device.touch)
    await asyncio.wait_for(bench.waiting.wait(), PATIENCE_S)
    await bench.let_it_try()
    assert await bench.worker.call(Device.touch) == "touched"
    assert [available for available, _ in bench.changes] == [False, True]
    assert isinstance(bench.changes[0][1], SensorTimeout)
    assert bench.worker.error is None
    assert len(bench.devices) == 2


async def test_openings_are_tried_at_doubling_intervals_up_to_ten_seconds(bench: Bench) -> None:
    bench.failures = [SensorUnavailable(f"try {number}") for number in range(7)]
    await bench.worker.start()
    assert bench.worker.state is DeviceState.UNAVAILABLE
    while not bench.devices:
        await bench.let_it_try()
    assert bench.waits_s == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
    assert [available for available, _ in bench.changes] == [False, True]
    bench.waiting.clear()
    with pytest.raises(SensorTimeout):
        await bench.worker.call(Device.fail)
    await asyncio.wait_for(bench.waiting.wait(), PATIENCE_S)
    assert bench.waits_s[7:] == [0.5]


async def test_the_kept_error_holds_no_frames_of_the_call(bench: Bench) -> None:
    await bench.worker.start()
    with pytest.raises(SensorTimeout):
        await bench.worker.call(Device.fail)
    assert bench.worker.error is not None
    assert bench.worker.error.__traceback__ is None


async def test_a_cancelled_call_still_ends_before_the_next_begins(bench: Bench) -> None:
    await bench.worker.start()
    begun, release = threading.Event(), threading.Event()
    order = []

    def slow(_: Device) -> None:
        begun.set()
        assert release.wait(PATIENCE_S)
        order.append("slow")

    first = asyncio.create_task(bench.worker.call(slow))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    second = asyncio.create_task(bench.worker.call(lambda _: order.append("next")))
    await asyncio.sleep(0)
    assert order == []
    release.set()
    await second
    assert order == ["slow", "next"]


async def test_a_frame_that_nobody_waits_for_any_more_is_wiped(bench: Bench) -> None:
    await bench.worker.start()
    frame = FingerFrame(np.full((2, 2), 99, np.uint8), 500.0, DeviceIdentity("R503", "test"), taken_at_s=0.0)
    begun, release = threading.Event(), threading.Event()

    def capture(_: Device) -> FingerFrame:
        begun.set()
        assert release.wait(PATIENCE_S)
        return frame

    call = asyncio.create_task(bench.worker.call(capture))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    release.set()
    await bench.worker.call(Device.touch)
    assert not frame.pixels.any()


async def test_a_fault_in_a_cancelled_call_still_has_the_device_opened_anew(bench: Bench) -> None:
    await bench.worker.start()
    begun, release = threading.Event(), threading.Event()

    def slow_fault(device: Device) -> None:
        begun.set()
        assert release.wait(PATIENCE_S)
        device.fail()

    call = asyncio.create_task(bench.worker.call(slow_fault))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    call.cancel()
    release.set()
    await asyncio.wait_for(bench.changed.wait(), PATIENCE_S)
    assert bench.worker.state is DeviceState.UNAVAILABLE
    assert bench.devices[0].closed


async def test_a_call_queued_behind_a_fault_is_unavailable_and_touches_nothing(bench: Bench) -> None:
    await bench.worker.start()
    calls: list[Callable[[Device], object]] = [Device.fail, Device.touch]
    failed, queued = await asyncio.gather(*map(bench.worker.call, calls), return_exceptions=True)
    assert isinstance(failed, SensorTimeout)
    assert isinstance(queued, SensorUnavailable)
    assert "no answer" in str(queued)


async def test_other_errors_reach_the_caller_and_leave_the_device_open(bench: Bench) -> None:
    await bench.worker.start()
    with pytest.raises(ZeroDivisionError):
        await bench.worker.call(lambda _: 1 // 0)
    assert await bench.worker.call(Device.touch) == "touched"


async def test_an_error_that_no_driver_should_raise_is_not_swallowed(bench: Bench) -> None:
    bench.failures = [ZeroDivisionError()]
    with pytest.raises(ZeroDivisionError):
        await bench.worker.start()
    with pytest.raises(ZeroDivisionError):
        await bench.worker.call(Device.touch)


async def test_stopping_does_not_wait_for_ever_for_a_stuck_device(bench: Bench) -> None:
    await bench.worker.start()
    begun, release = threading.Event(), threading.Event()

    def stuck(_: Device) -> None:
        begun.set()
        release.wait(PATIENCE_S)

    call = asyncio.create_task(bench.worker.call(stuck))
    await asyncio.to_thread(begun.wait, PATIENCE_S)
    assert not await bench.worker.stop(timeout_s=0.01)
    release.set()
    await call
